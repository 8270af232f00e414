"""Sweeps over a network's nodes, frame by frame, as compiled loops.

A sweep knows of each frame t the window [low, high) of nodes that it keeps; what lies outside is
as if it could not be. `score` and `spare` are (N,) arrays, of which the window alone is filled.
"""

import numba
import numpy as np

from steno_models.types import FloatArray, IntArray

F64 = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Choices = np.ndarray[tuple[int, ...], np.dtype[np.int16]]


@numba.njit(nogil=True, cache=True)
def least_frames(offsets: IntArray, sources: IntArray, starts: F64) -> IntArray:
    """Return (N,) int32 how many nodes the shortest way from a start to each node has."""
    N = starts.shape[0]
    counts = np.full(N, 2**30, np.int32)
    for n in range(N):
        if starts[n] > -np.inf:
            counts[n] = 1
        for e in range(offsets[n], offsets[n + 1]):
            counts[n] = min(counts[n], counts[sources[e]] + 1)
    return counts


@numba.njit(nogil=True, cache=True)
def sweep(
    emissions: FloatArray,
    columns: IntArray,
    loops: F64,
    offsets: IntArray,
    sources: IntArray,
    arcs: F64,
    score: F64,
    spare: F64,
    lows: IntArray,
    highs: IntArray,
    beam: float,
    reach: int,
) -> None:
    """Take `score` through the frames of `emissions`, (T, C), and say which nodes were kept.

    `lows` and `highs`, (T + 1,), hold the window before the first of the frames and get the others.
    At the end the scores are in `score`.
    """
    T = emissions.shape[0]
    N = columns.shape[0]
    before, after = score, spare
    for t in range(T):
        low, high = lows[t], highs[t]
        end = min(N, high + reach)
        best = -np.inf
        for n in range(low, end):
            value = before[n] + loops[n] if n < high else -np.inf
            for e in range(offsets[n], offsets[n + 1]):
                source = sources[e]
                if low <= source < high:
                    value = max(value, before[source] + arcs[e])
            value += emissions[t, columns[n]]
            after[n] = value
            best = max(best, value)
        least = best - beam
        while low < end and not after[low] >= least:
            low += 1
        while end > low and not after[end - 1] >= least:
            end -= 1
        lows[t + 1], highs[t + 1] = low, end
        before, after = after, before
    if T % 2 == 1:
        score[lows[T] : highs[T]] = spare[lows[T] : highs[T]]


@numba.njit(nogil=True, cache=True)
def retrace(
    emissions: FloatArray,
    columns: IntArray,
    loops: F64,
    offsets: IntArray,
    sources: IntArray,
    arcs: F64,
    score: F64,
    spare: F64,
    lows: IntArray,
    highs: IntArray,
    node: int,
) -> IntArray:
    """Return (T + 1,) the best way through the windows that ends in `node`, one node before it all.

    Args are those of `sweep`, which has filled `lows` and `highs`.
    """
    T = emissions.shape[0]
    places = np.zeros(T + 1, np.int64)
    for t in range(T):
        places[t + 1] = places[t] + highs[t + 1] - lows[t + 1]
    choices = np.empty(places[T], np.int16)  # 0 stays, k came by the k-th arc
    before, after = score, spare
    for t in range(T):
        low, high = lows[t], highs[t]
        for n in range(lows[t + 1], highs[t + 1]):
            value = before[n] + loops[n] if n < high else -np.inf
            choice = 0
            for e in range(offsets[n], offsets[n + 1]):
                source = sources[e]
                if low <= source < high and before[source] + arcs[e] > value:
                    value = before[source] + arcs[e]
                    choice = e - offsets[n] + 1
            after[n] = value + emissions[t, columns[n]]
            choices[places[t] + n - lows[t + 1]] = choice
        before, after = after, before
    path = np.empty(T + 1, np.int32)
    for t in range(T, 0, -1):
        path[t] = node
        choice = choices[places[t - 1] + node - lows[t]]
        if choice > 0:
            node = sources[offsets[node] + choice - 1]
    path[0] = node
    return path
