"""How busy the daemon has been lately, and whether there is time left for another session.

The engine and the event loop are two threads that work for everybody. What share of the time each
worked is looked at now and then, over the last seconds. A thread that works more than it should
lets nobody in until it works clearly less: a session more would make all who are here wait. The
engine's pieces of work are long, so that they queue much earlier than the short ones of the loop.
"""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 5.0
"""How far back the shares go."""
LEAST_S = 2.0
"""From less than this nothing is concluded."""
LOOK_S = 0.5
"""Between two looks."""
CALM = 0.8
"""Of the shares that are full: below this somebody is let in again."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the time each thread worked, 0 to 1."""

    engine: float = 0.0
    loop: float = 0.0

    def of(self, full: "Shares") -> float:
        """Return how much of a full share the busier one has."""
        return max(self.engine / full.engine, self.loop / full.loop)


FULL = Shares(engine=0.8, loop=0.95)
"""From one of these on nobody is let in."""


class Load:
    """The work of the two threads in the last seconds.

    Attributes:
        shares: of the time that they worked, 0 while nothing is known.
        is_full: whether nobody should be let in.
    """

    def __init__(self) -> None:
        self.shares = Shares()
        self.is_full = False
        self._looks: deque[tuple[float, float, float]] = deque()

    def look(self, now_s: float, *, engine_s: float, loop_s: float) -> None:
        """Take note of how long each thread has worked in all, at a time of any clock."""
        looks = self._looks
        looks.append((now_s, engine_s, loop_s))
        while len(looks) > 2 and looks[1][0] <= now_s - WINDOW_S:
            looks.popleft()
        then_s, engine_before_s, loop_before_s = looks[0]
        passed_s = now_s - then_s
        if passed_s < LEAST_S:
            return
        self.shares = Shares(
            (engine_s - engine_before_s) / passed_s, (loop_s - loop_before_s) / passed_s
        )
        self.is_full = self.shares.of(FULL) >= (CALM if self.is_full else 1.0)
