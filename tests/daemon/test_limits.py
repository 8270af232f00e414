from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno_daemon.errors import LimitError
from steno_daemon.limits import Deadlines, MessageRate, Places


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def taken(rate: MessageRate, tries: int) -> int:
    """How many of so many messages are let through."""
    through = 0
    for _ in range(tries):
        try:
            rate.take()
        except LimitError:
            continue
        through += 1
    return through


def test_a_burst_is_let_through_and_no_more() -> None:
    assert taken(MessageRate(50, clock=Clock()), 1_000) == 500


def test_what_was_used_up_comes_back_with_time_and_not_beyond_the_burst() -> None:
    clock = Clock()
    rate = MessageRate(50, clock=clock)
    taken(rate, 1_000)
    clock.now_s += 2
    assert taken(rate, 1_000) == 100
    clock.now_s += 3_600
    assert taken(rate, 1_000) == 500


def test_the_error_says_when_the_next_message_may_come() -> None:
    clock = Clock()
    rate = MessageRate(0.25, mean_over_s=4, clock=clock)
    rate.take()
    with pytest.raises(LimitError, match=r"limits\.messages_per_s is reached") as caught:
        rate.take()
    assert caught.value.expected == "at most 0.25 messages a second in the mean"
    assert caught.value.retry_after_s == 4
    clock.now_s += caught.value.retry_after_s
    rate.take()


def test_a_message_that_was_refused_costs_nothing() -> None:
    clock = Clock()
    rate = MessageRate(1, mean_over_s=1, clock=clock)
    rate.take()
    for _ in range(10):
        clock.now_s += 0.0625
        with pytest.raises(LimitError):
            rate.take()
    clock.now_s += 0.375
    rate.take()


def test_even_the_smallest_rate_lets_one_message_through() -> None:
    rate = MessageRate(0.001, clock=Clock())
    rate.take()
    with pytest.raises(LimitError):
        rate.take()


@given(
    steps_ms=st.lists(st.integers(0, 500), min_size=1, max_size=300),
    per_s=st.sampled_from([1, 5, 50]),
)
def test_over_any_time_no_more_than_burst_and_mean_come_through(
    steps_ms: list[int], per_s: int
) -> None:
    clock = Clock()
    rate = MessageRate(per_s, clock=clock)
    through = 0
    for step_ms in steps_ms:
        clock.now_s += step_ms / 1_000
        through += taken(rate, 3)
    assert through <= 10 * per_s + per_s * sum(steps_ms) / 1_000 + 1e-6


def test_places_are_taken_and_given_back() -> None:
    viewers = Places("limits.viewers", 2)
    viewers.enter()
    viewers.enter()
    with pytest.raises(LimitError, match=r"limits\.viewers .* at most 2 at once") as caught:
        viewers.enter()
    assert caught.value.retry_after_s is None
    viewers.leave()
    viewers.enter()
    assert viewers.taken == 2


def test_a_place_that_nobody_took_cannot_be_given_back() -> None:
    with pytest.raises(RuntimeError, match=r"limits\.viewers"):
        Places("limits.viewers", 2).leave()


def test_every_deadline_is_a_time_and_says_its_unit() -> None:
    for deadline in fields(Deadlines):
        assert deadline.name.endswith("_s")
        assert getattr(Deadlines(), deadline.name) > 0
