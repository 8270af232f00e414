"""How likely stretches of steps are, given spelled words."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.types import IntArray, LongArray

DoubleArray = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def spelling_scores(chances: DoubleArray, letters: IntArray, ends: LongArray) -> DoubleArray:
    """Return (N,) ln P(word | steps) by CTC's forward sum (Graves et al. 2006, section 4.1).

    A score too small for a double is -inf.

    Args:
        chances: (S, V) probabilities of tokens, the blank first.
        letters: all words' tokens, one word after the other.
        ends: (N,) where each word ends in `letters`.
    """
    S = chances.shape[0]
    found = np.empty(ends.size)
    begin = 0
    for n in range(ends.size):
        U = ends[n] - begin
        states = 2 * U + 1
        before = np.zeros(states)
        before[0] = 1.0
        for s in range(S):
            now = np.zeros(states)
            for k in range(states):
                letter = letters[begin + k // 2] if k % 2 else 0
                total = before[k]
                if k > 0 and (s > 0 or k == 1):
                    total += before[k - 1]
                # A letter follows another at once unless both are the same.
                if s > 0 and k > 2 and k % 2 and letter != letters[begin + k // 2 - 1]:
                    total += before[k - 2]
                now[k] = total * chances[s, letter]
            before = now
        total = before[states - 1] + (before[states - 2] if states > 1 else 0.0)
        found[n] = math.log(total) if total > 0.0 else -np.inf
        begin = ends[n]
    return found
