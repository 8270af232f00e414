"""CTC's view of texts that are not finished: prefix probabilities (Graves 2008, §7.5).

    p(y … | x) = Σ over all texts that begin with y of p_CTC(text | x)

A prefix with a label more splits by the step s at which that label comes first (Watanabe et al.
2017, algorithm 2):

    p(y c … ) = Σ_s φ_s(y, c) p(c at s),   φ_s: all ways to y before s, after which c is a new label
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.las.kernels import extend

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The beginning of a text, and the ways in which CTC gets there.

    Attributes:
        last: its last label, 0 if it has none.
        spoken: (S + 1,) ln p of all ways to it in the first s steps that end in a label.
        silent: (S + 1,) likewise, that end in a blank, or at the very start.
    """

    last: int
    spoken: DoubleArray
    silent: DoubleArray


class PrefixScorer:
    """CTC's prefix probabilities for one utterance.

    Args:
        log_probs: (S, V) float64, the blank at 0.
    """

    def __init__(self, log_probs: DoubleArray) -> None:
        self._log_probs = np.ascontiguousarray(log_probs, np.float64)
        self._probs = np.exp(self._log_probs)

    def start(self) -> Prefix:
        """Return the prefix without labels, with which all texts begin."""
        silent = np.concatenate([[0.0], np.cumsum(self._log_probs[:, 0])])
        return Prefix(0, np.full(len(silent), -np.inf), silent)

    def end(self, prefix: Prefix) -> float:
        """Return ln p_CTC of the text that is `prefix` and nothing more."""
        return float(np.logaddexp(prefix.spoken[-1], prefix.silent[-1]))

    def following(self, prefix: Prefix) -> DoubleArray:
        """Return (V,) ln p of the prefixes with each label more; -inf for the blank.

        What is less than e^-700 of the likeliest way may come out as impossible.
        """
        new = np.logaddexp(prefix.spoken, prefix.silent)[:-1]
        found = self._summed(new, self._probs)
        if prefix.last:
            repeated = self._probs[:, prefix.last : prefix.last + 1]
            found[prefix.last] = self._summed(prefix.silent[:-1], repeated)[0]
        found[0] = -np.inf
        return found

    def extend(self, prefix: Prefix, label: int) -> Prefix:
        """Return `prefix` with one more label."""
        spoken, silent = extend(self._log_probs, prefix.spoken, prefix.silent, label, prefix.last)
        return Prefix(label, spoken, silent)

    @staticmethod
    def _summed(log_ways: DoubleArray, probs: DoubleArray) -> DoubleArray:
        """Return ln Σ_s exp(log_ways[s]) probs[s]."""
        highest = log_ways.max(initial=-np.inf)
        if highest == -np.inf:
            return np.full(probs.shape[1], -np.inf)
        with np.errstate(divide="ignore"):
            found: DoubleArray = highest + np.log(np.exp(log_ways - highest) @ probs)
        return found
