"""Triphones: what their states are called, and what their frames look like on average.

A phone's left and right neighbours are those inside its word; at the edge of a word the neighbour
is EDGE. That way the states of a word do not depend on the words beside it, and the prefix tree of
a lexicon can be spelled in states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.hmm.kernels import F64
from steno_models.hmm.topology import NUM_PHONES, SILENCE
from steno_models.types import FloatArray, IntArray, LongArray


@dataclass(frozen=True, slots=True)
class Triphones:
    """States of their own for every phone in every context: 1 + ((p L + l) L + r) K + k.

    They only name what was met in an alignment; far too many to be trained.

    Attributes:
        states_per_phone: K; silence has one state, 0, whatever is beside it.
    """

    states_per_phone: int = 3

    @property
    def num_states(self) -> int:
        """S, the number of names."""
        return 1 + NUM_PHONES**3 * self.states_per_phone

    def states(self, left: int, phone: int, right: int) -> Sequence[int]:
        """Return the names of the states of `phone` between `left` and `right`."""
        if phone == SILENCE:
            return (0,)
        context = (phone * NUM_PHONES + left) * NUM_PHONES + right
        first = 1 + context * self.states_per_phone
        return range(first, first + self.states_per_phone)


@dataclass(frozen=True, slots=True)
class ContextStatistics:
    """The moments of the frames of every triphone state that was met.

    Attributes:
        phones: (C,) int64 its phone.
        lefts: (C,) int64 the phone before.
        rights: (C,) int64 the phone behind.
        parts: (C,) int64 which state of the phone, from 0.
        moments: (C, 1 + 2D) float64 frames, their sums, the sums of their squares.
    """

    phones: LongArray
    lefts: LongArray
    rights: LongArray
    parts: LongArray
    moments: F64


def context_statistics(
    aligned: Iterable[tuple[FloatArray, IntArray]], units: Triphones
) -> ContextStatistics:
    """Return the moments of `aligned`: (T, D) frames and the (T,) names of their states.

    Frames of silence are left out.
    """
    totals: dict[int, F64] = {}
    for frames, states in aligned:
        names, places = np.unique(states, return_inverse=True)
        exact = frames.astype(np.float64)
        rows = np.concatenate([np.ones((len(exact), 1)), exact, exact**2], axis=1)
        order = np.argsort(places, kind="stable")
        begins = np.searchsorted(places[order], np.arange(len(names)))
        for name, row in zip(names.tolist(), np.add.reduceat(rows[order], begins), strict=True):
            totals[name] = totals[name] + row if name in totals else row
    totals.pop(0, None)
    found = np.array(sorted(totals), np.int64)
    moments = np.stack([totals[name] for name in found.tolist()])
    context, parts = np.divmod(found - 1, units.states_per_phone)
    left_and_right = context % NUM_PHONES**2
    return ContextStatistics(
        phones=context // NUM_PHONES**2,
        lefts=left_and_right // NUM_PHONES,
        rights=left_and_right % NUM_PHONES,
        parts=parts,
        moments=moments,
    )
