"""What an overloaded daemon gives up, and when it takes it back."""

import pytest

from steno_daemon.ladder import LATE_S, PATIENCE_S, PUNCTUAL_S, STEPS, Ladder, Punctuality


@pytest.mark.parametrize(("sessions", "step"), [(0, 0), (4, 0), (5, 1), (7, 1), (8, 2), (20, 2)])
def test_the_more_sessions_the_less_effort(sessions: int, step: int) -> None:
    assert Ladder((4, 7, 10)).step(sessions) == step


def test_a_configured_limit_caps_every_step_and_is_the_last() -> None:
    assert Ladder((4, 7, 10)).capped(6) == Ladder((4, 6, 6))
    assert Ladder((4, 7, 10)).capped(20) == Ladder((4, 7, 20))
    assert Ladder((4, 7, 10)).most == 10


def looks(lags: list[float], *, every_s: float = 0.5) -> list[int]:
    punctuality = Punctuality()
    return [punctuality.look(lag, i * every_s) for i, lag in enumerate(lags, 10)]


def test_a_session_that_is_late_steps_down_one_by_one() -> None:
    steps = looks([LATE_S + 1] * 20)
    assert steps[0] == 1
    assert max(steps) == STEPS - 1
    assert steps == sorted(steps)
    assert steps.index(2) >= 4  # after the first step had its time to help


def test_it_steps_up_again_only_when_it_has_been_on_time_for_long() -> None:
    steps = looks([LATE_S + 1] * 20 + [0.0] * 100)
    back = steps.index(1, 20)
    assert back - 20 >= (PATIENCE_S - 10) / 0.5
    assert steps[-1] == 0
    between = steps.index(0, back) - back
    assert between >= PATIENCE_S / 0.5


def test_a_lag_in_between_changes_nothing() -> None:
    between = (PUNCTUAL_S + LATE_S) / 2
    steps = looks([LATE_S + 1] * 2 + [between] * 200)
    assert set(steps) == {1}


def test_a_session_on_time_keeps_its_effort() -> None:
    assert set(looks([0.1] * 100)) == {0}
