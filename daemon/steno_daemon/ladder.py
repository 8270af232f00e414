"""What an overloaded daemon gives up before it refuses anybody: a ladder of three steps.

    0    as it should be
    1    a narrower beam and no second pass: a little worse, a little cheaper
    2    longer chunks as well: later, and cheaper still

How many sessions each step can carry is measured at the start; a session that falls behind in spite
of that steps down by itself, and up again when it has kept up for a while.
"""

from dataclasses import dataclass

STEPS = 3
LATE_S = 2.0
"""Behind by more than this a session saves effort."""
PUNCTUAL_S = 0.8
"""Behind by less than this it is on time."""
PATIENCE_S = 10.0
"""How long it has to be on time before it takes more effort again."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How many sessions keep up at each step, never fewer at a later one.

    A ladder of one step saves no effort.
    """

    sessions: tuple[int, ...]

    @property
    def last_step(self) -> int:
        """The step of the least effort."""
        return len(self.sessions) - 1

    @property
    def saves_effort(self) -> bool:
        """Whether there is a step of less effort."""
        return self.last_step > 0

    @property
    def most(self) -> int:
        """How many keep up at the last step."""
        return self.sessions[-1]

    def step(self, sessions: int) -> int:
        """Return the first step at which so many sessions keep up, the last if none."""
        for step, room in enumerate(self.sessions):
            if sessions <= room:
                return step
        return self.last_step

    def capped(self, most: int) -> "Ladder":
        """Return the ladder of a daemon that admits no more than `most`."""
        return Ladder((*(min(room, most) for room in self.sessions[:-1]), most))


class Punctuality:
    """Steps of one session for being late."""

    def __init__(self) -> None:
        self.step = 0
        self._since_s = 0.0

    def look(self, lag_s: float, now_s: float) -> int:
        """Return the step for a session that is `lag_s` behind now."""
        if lag_s > LATE_S and now_s - self._since_s >= LATE_S:
            self._move(min(self.step + 1, STEPS - 1), now_s)
        elif lag_s >= PUNCTUAL_S:
            self._since_s = max(self._since_s, now_s - LATE_S)
        elif now_s - self._since_s >= PATIENCE_S:
            self._move(max(self.step - 1, 0), now_s)
        return self.step

    def _move(self, step: int, now_s: float) -> None:
        self.step = step
        self._since_s = now_s
