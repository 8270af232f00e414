"""Compiled loops of the text room: the edit distance."""

import numba
import numpy as np

from steno_models.types import ByteArray, IntArray

HIT, SUBSTITUTION, DELETION, INSERTION = 0, 1, 2, 3
# One error outweighs every hit of an utterance, so that among the alignments with the fewest
# errors the one with most hits wins.
_ERROR = 1 << 32


@numba.njit(nogil=True, cache=True)
def edits(reference: IntArray, hypothesis: IntArray) -> ByteArray:
    """Return the edits, in order, that turn `reference`, (N,), into `hypothesis`, (M,)."""
    N, M = reference.size, hypothesis.size
    cost = np.zeros((N + 1, M + 1), np.int64)
    for i in range(1, N + 1):
        cost[i, 0] = i * _ERROR
    for j in range(1, M + 1):
        cost[0, j] = j * _ERROR
    for i in range(1, N + 1):
        for j in range(1, M + 1):
            step = -1 if reference[i - 1] == hypothesis[j - 1] else _ERROR
            best = cost[i - 1, j - 1] + step
            best = min(best, cost[i - 1, j] + _ERROR)
            cost[i, j] = min(best, cost[i, j - 1] + _ERROR)
    path = np.empty(N + M, np.uint8)
    length, i, j = 0, N, M
    while i > 0 or j > 0:
        same = i > 0 and j > 0 and reference[i - 1] == hypothesis[j - 1]
        step = -1 if same else _ERROR
        if i > 0 and j > 0 and cost[i, j] == cost[i - 1, j - 1] + step:
            path[length] = HIT if same else SUBSTITUTION
            i -= 1
            j -= 1
        elif i > 0 and cost[i, j] == cost[i - 1, j] + _ERROR:
            path[length] = DELETION
            i -= 1
        else:
            path[length] = INSERTION
            j -= 1
        length += 1
    return path[:length][::-1].copy()
