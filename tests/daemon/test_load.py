"""When the daemon is too busy for another session: shares of made-up seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno_daemon.load import CALM, FULL, LEAST_S, LOOK_S, WINDOW_S, Load


def watched(load: Load, shares: list[float], *, since_s: float = 0.0) -> list[bool]:
    """Return whether it was full after each look, the engine working such shares of the time."""
    worked_s, full = 0.0, []
    for i, share in enumerate(shares):
        worked_s += share * LOOK_S
        load.look(since_s + i * LOOK_S, worked_s)
        full.append(load.is_full)
    return full


def test_nothing_is_known_at_first() -> None:
    load = Load()
    load.look(0.0, 0.0)
    load.look(LEAST_S / 2, LEAST_S / 2)
    assert (load.share, load.is_full) == (0.0, False)


def test_the_share_is_that_of_the_last_seconds() -> None:
    load = Load()
    watched(load, [1.0] * 40 + [0.5] * (1 + int(WINDOW_S / LOOK_S)))
    assert load.share == pytest.approx(0.5)


def test_the_busiest_thread_counts() -> None:
    load = Load()
    load.look(0.0, 10.0, 3.0)
    load.look(2.0, 10.2, 4.8)
    assert load.share == pytest.approx(0.9)
    assert load.is_full


def test_full_is_full_until_it_is_calm() -> None:
    between = (FULL + CALM) / 2
    full = watched(Load(), [between] * 20 + [0.95] * 20 + [between] * 40 + [CALM - 0.1] * 20)
    assert not any(full[:20])
    assert full[39]
    assert all(full[39:80])
    assert not full[-1]
    assert full == [False] * full.index(True) + [True] * sum(full) + [False] * (
        len(full) - full.index(True) - sum(full)
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60))
def test_who_works_more_is_never_less_full(pairs: list[tuple[float, float]]) -> None:
    easy = watched(Load(), [min(pair) for pair in pairs])
    hard = watched(Load(), [max(pair) for pair in pairs])
    assert all(one <= other for one, other in zip(easy, hard, strict=True))


def test_what_is_remembered_has_a_bound() -> None:
    load = Load()
    watched(load, [0.3] * 1_000)
    assert len(load._looks) <= 2 + WINDOW_S / LOOK_S
