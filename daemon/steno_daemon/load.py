"""How busy the daemon has been lately, and whether there is time left for another session.

The engine and the event loop are two threads that work in turns for everybody. What share of the
time each had work is looked at a few times a second, over the last seconds. From FULL on nobody is
let in until both are below CALM again: a session more would make all who are here wait.
"""

from collections import deque

WINDOW_S = 5.0
"""How far back the share of time goes."""
LEAST_S = 1.0
"""From less than this nothing is concluded."""
LOOK_S = 0.5
"""Between two looks."""
FULL = 0.8
"""Share of the time from which on nobody is let in."""
CALM = 0.65
"""Share of the time below which somebody is let in again."""


class Load:
    """The busier of some threads, in shares of the last seconds.

    Attributes:
        share: of the time that the busiest one worked, 0 while nothing is known.
        is_full: whether nobody should be let in.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self.is_full = False
        self._looks: deque[tuple[float, tuple[float, ...]]] = deque()

    def look(self, now_s: float, *worked_s: float) -> None:
        """Take note of how long each thread has worked in all, at a time of any clock."""
        looks = self._looks
        looks.append((now_s, worked_s))
        while len(looks) > 2 and looks[1][0] <= now_s - WINDOW_S:
            looks.popleft()
        then_s, before_s = looks[0]
        if now_s - then_s < LEAST_S:
            return
        pairs = zip(worked_s, before_s, strict=True)
        self.share = max(now - before for now, before in pairs) / (now_s - then_s)
        self.is_full = self.share >= (CALM if self.is_full else FULL)
