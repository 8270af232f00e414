"""The cues of a session that runs: in the order of time, the older ones fixed for good.

A final may come long after its first word, and later than finals of other channels that were spoken
after it. The session says up to where it is settled: no word before that will come any more. Cues
before are fixed, so that what was fetched once never changes; those after it may still move.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from steno_daemon.captions.cues import USUAL, Cue, CueRules, cut, retime, settle
from steno_daemon.wire import Final


class Track:
    """Cues in the making.

    Args:
        rules: what a cue may be.
        channels: of the session; with more than one, every cue says which.

    Attributes:
        fixed: cues that will never change, none overlapping another.
    """

    def __init__(self, rules: CueRules = USUAL, *, channels: int = 1) -> None:
        self.fixed: list[Cue] = []
        self._rules = rules
        self._channels = channels
        self._pending: list[Cue] = []
        self._settled_ms = 0.0

    @property
    def fixed_ms(self) -> float:
        """Up to where it is certain what is shown; infinite once the session has ended."""
        uncertain = self._pending[0].start_ms if self._pending else math.inf
        return max(self._floor_ms, min(uncertain, self._settled_ms))

    @property
    def _floor_ms(self) -> int:
        return self.fixed[-1].end_ms if self.fixed else 0

    def add(self, final: Final) -> None:
        """Take the next final."""
        for cue in cut(final, self._rules, channels=self._channels):
            start_ms = cue.start_ms
            if self._settled_ms < math.inf:
                start_ms = max(start_ms, math.ceil(self._settled_ms))
            forward = replace(cue, start_ms=start_ms, end_ms=max(start_ms, cue.end_ms))
            insort(self._pending, forward, key=_start)

    def settle(self, settled_ms: float) -> None:
        """Take it that no further cue starts before this; fix those for which that suffices."""
        self.announce(settled_ms)
        while self.fix(most=1_000):
            pass

    def announce(self, settled_ms: float) -> None:
        """Take it that no further cue starts before this; `fix` does the rest."""
        self._settled_ms = max(self._settled_ms, settled_ms)

    def fix(self, *, most: int) -> bool:
        """Fix the cues that are certain, some at a time; returns whether there may be more."""
        certain = list(islice(self._certain(), most))
        self.fixed += certain
        del self._pending[: len(certain)]
        return len(certain) == most

    def _certain(self) -> Iterator[Cue]:
        """Yield the first pending cues, as they will be for good."""
        floor_ms = self._floor_ms
        for place, cue in enumerate(self._pending):
            following = self._following(place)
            shown = settle(cue, following, self._rules, floor_ms=floor_ms)
            if following is None and shown.end_ms > self._settled_ms:
                return
            floor_ms = shown.end_ms
            yield shown

    def _following(self, place: int) -> Cue | None:
        """Return the pending cue after another one, if it is certain that none comes between."""
        if place + 1 == len(self._pending):
            return None
        following = self._pending[place + 1]
        return following if following.start_ms < self._settled_ms else None

    def cues(self) -> list[Cue]:
        """Return every cue, as things stand."""
        return [*self.fixed, *retime(self._pending, self._rules, floor_ms=self._floor_ms)]

    def between(self, begin_ms: float, end_ms: float) -> list[Cue]:
        """Return the fixed cues of which any part lies between two times."""
        first = bisect_right(self.fixed, begin_ms, key=_end)
        return self.fixed[first : bisect_left(self.fixed, end_ms, key=_start)]


def _start(cue: Cue) -> int:
    return cue.start_ms


def _end(cue: Cue) -> int:
    return cue.end_ms
