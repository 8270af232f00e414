"""How long it takes to score candidates, and how many of them there is time for.

Candidates that begin alike share their prefixes, and those of one batch are read side by side, one
word of each at a time. So what costs is how many prefixes are distinct, and a little how long the
longest text is: every step fetches all weights, whatever the number of texts.
"""

from collections.abc import Sequence

import numpy as np

from steno_models.rescoring.candidate import Candidate

STEP_ROWS = 15
"""A step costs as much as so many prefixes, beside those that are read in it."""
_FADING = 0.8
_SHARE = 2 / 3


def rows(candidates: Sequence[Candidate], *, shared: bool = True) -> list[int]:
    """Return what the first, the first two, … of `candidates` cost as one batch, in prefixes.

    Args:
        candidates: best first.
        shared: whether prefixes that several have are read once.
    """
    children: dict[tuple[int, str], int] = {}
    found, longest, prefixes = [], 0, 0
    for one in candidates:
        node, own = 0, 1
        for word in one.texts:
            before = len(children)
            node = children.setdefault((node, word), before + 1)
            own += len(children) > before
        prefixes += own if shared else 1 + len(one.texts)
        longest = max(longest, 1 + len(one.texts))
        found.append(prefixes + STEP_ROWS * longest)
    return found


class Pace:
    """How long a prefix takes: the longest of late."""

    def __init__(self) -> None:
        self._row_s = 0.0

    def note(self, cost: int, took_s: float) -> None:
        """Take note of a batch that cost so many `rows`."""
        self._row_s = max(took_s / cost, _FADING * self._row_s)

    def fitting(self, costs: Sequence[int], left_s: float) -> int:
        """Return how many candidates to score next, of such `rows`, while so much time is left.

        That many take two thirds of the time, so that there is some to spare should they be slower
        than any of late, and for others if they are not. A single one may take all of it.
        """
        if not costs or costs[0] * self._row_s > left_s:
            return 0
        expected_s = np.array(costs) * self._row_s
        return max(1, int(np.searchsorted(expected_s, _SHARE * left_s, side="right")))
