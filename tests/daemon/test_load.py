"""When the daemon is too busy for another session: shares of made-up seconds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno_daemon.load import CALM, FULL, LEAST_S, LOOK_S, WINDOW_S, Load


def watched(load: Load, shares: list[float]) -> list[bool]:
    """Return whether it was full after each look, the engine working such shares of the time."""
    worked_s, full = 0.0, []
    for i, share in enumerate(shares):
        worked_s += share * LOOK_S
        load.look(i * LOOK_S, engine_s=worked_s, loop_s=0.0)
        full.append(load.is_full)
    return full


def test_nothing_is_known_at_first() -> None:
    load = Load()
    load.look(0.0, engine_s=0.0, loop_s=0.0)
    load.look(LEAST_S / 2, engine_s=LEAST_S / 2, loop_s=0.0)
    assert load.shares.engine == 0
    assert not load.is_full


def test_the_shares_are_those_of_the_last_seconds() -> None:
    load = Load()
    watched(load, [1.0] * 40 + [0.5] * (1 + int(WINDOW_S / LOOK_S)))
    assert load.shares.engine == pytest.approx(0.5)
    assert load.shares.loop == 0


@pytest.mark.parametrize(
    ("engine", "loop", "full"),
    [(0.79, 0.94, False), (0.81, 0.1, True), (0.1, 0.96, True), (0.5, 0.9, False)],
)
def test_either_thread_may_be_full(engine: float, loop: float, full: bool) -> None:  # noqa: FBT001
    load = Load()
    load.look(0.0, engine_s=10.0, loop_s=3.0)
    load.look(4.0, engine_s=10.0 + 4 * engine, loop_s=3.0 + 4 * loop)
    assert load.is_full is full


def test_full_is_full_until_it_is_calm() -> None:
    busy, between, calm = 0.95, FULL.engine * (1 + CALM) / 2, FULL.engine * CALM - 0.1
    full = watched(Load(), [between] * 20 + [busy] * 20 + [between] * 40 + [calm] * 20)
    assert not any(full[:20])
    assert all(full[39:80])
    assert not full[-1]
    changes = sum(one is not other for one, other in pairwise(full))
    assert changes == 2


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60))
def test_who_works_more_is_never_less_full(pairs: list[tuple[float, float]]) -> None:
    # Eighths add up exactly, so that no rounding decides.
    easy = watched(Load(), [int(8 * min(pair)) / 8 for pair in pairs])
    hard = watched(Load(), [int(8 * max(pair)) / 8 for pair in pairs])
    assert all(one <= other for one, other in zip(easy, hard, strict=True))


def test_what_is_remembered_has_a_bound() -> None:
    load = Load()
    watched(load, [0.3] * 1_000)
    assert len(load._looks) <= 2 + WINDOW_S / LOOK_S
