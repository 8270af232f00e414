"""Viterbi and forward-backward over the graph of an utterance, as compiled loops.

All take the same plain arrays: `emissions` (T, C) log p(x[t] | state), `columns` (N,) the column
of each node, `loops` (N,) log probability of staying, the arcs in compressed form (`offsets`
(N + 1,), `sources` (E,), `arcs` (E,) log probabilities, leaving the source included), `starts`
(N,) and `finals` (N,).
"""

import numba
import numpy as np

from steno_models.types import FloatArray, IntArray

F64 = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@numba.njit(nogil=True, cache=True)
def viterbi(
    emissions: FloatArray,
    columns: IntArray,
    loops: F64,
    offsets: IntArray,
    sources: IntArray,
    arcs: F64,
    starts: F64,
    finals: F64,
) -> tuple[IntArray, float]:
    """Return the best path, (T,) int32 nodes, and its log probability (-inf: none fits)."""
    T = emissions.shape[0]
    N = columns.shape[0]
    came_from = np.empty((T, N), np.int32)
    score = np.empty(N, np.float64)
    previous = np.empty(N, np.float64)
    path = np.zeros(T, np.int32)
    for n in range(N):
        score[n] = starts[n] + emissions[0, columns[n]]
    for t in range(1, T):
        previous, score = score, previous
        for n in range(N):
            best = previous[n] + loops[n]
            source = n
            for e in range(offsets[n], offsets[n + 1]):
                candidate = previous[sources[e]] + arcs[e]
                if candidate > best:
                    best = candidate
                    source = sources[e]
            score[n] = best + emissions[t, columns[n]]
            came_from[t, n] = source
    node = 0
    for n in range(N):
        score[n] += finals[n]
        if score[n] > score[node]:
            node = n
    total = score[node]
    for t in range(T - 1, -1, -1):
        path[t] = node
        if t > 0:
            node = came_from[t, node]
    return path, total


@numba.njit(nogil=True, cache=True)
def _log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    if b == -np.inf:
        return a
    return a + float(np.log1p(np.exp(b - a)))


@numba.njit(nogil=True, cache=True)
def forward(
    emissions: FloatArray,
    columns: IntArray,
    loops: F64,
    offsets: IntArray,
    sources: IntArray,
    arcs: F64,
    starts: F64,
) -> F64:
    """Return (T, N) log p(x[0..t], node at t = n) (Rabiner 1989, equation 20)."""
    T = emissions.shape[0]
    N = columns.shape[0]
    alpha = np.empty((T, N), np.float64)
    for n in range(N):
        alpha[0, n] = starts[n] + emissions[0, columns[n]]
    for t in range(1, T):
        for n in range(N):
            total = alpha[t - 1, n] + loops[n]
            for e in range(offsets[n], offsets[n + 1]):
                total = _log_add(total, alpha[t - 1, sources[e]] + arcs[e])
            alpha[t, n] = total + emissions[t, columns[n]]
    return alpha


@numba.njit(nogil=True, cache=True)
def backward(
    emissions: FloatArray,
    columns: IntArray,
    loops: F64,
    offsets: IntArray,
    sources: IntArray,
    arcs: F64,
    finals: F64,
) -> F64:
    """Return (T, N) log p(x[t+1..], the end | node at t = n) (Rabiner 1989, equation 25)."""
    T = emissions.shape[0]
    N = columns.shape[0]
    beta = np.empty((T, N), np.float64)
    beta[T - 1] = finals
    for t in range(T - 2, -1, -1):
        for n in range(N):
            beta[t, n] = loops[n] + emissions[t + 1, columns[n]] + beta[t + 1, n]
        for n in range(N):
            ahead = emissions[t + 1, columns[n]] + beta[t + 1, n]
            for e in range(offsets[n], offsets[n + 1]):
                beta[t, sources[e]] = _log_add(beta[t, sources[e]], arcs[e] + ahead)
    return beta


@numba.njit(nogil=True, cache=True)
def log_sum_exp_groups(values: FloatArray, bounds: IntArray) -> FloatArray:
    """Return (T, C) log-sum-exp over the columns `bounds[c]:bounds[c + 1]` of `values`, (T, G)."""
    T = values.shape[0]
    C = bounds.shape[0] - 1
    result = np.empty((T, C), np.float32)
    for t in range(T):
        for c in range(C):
            row = values[t, bounds[c] : bounds[c + 1]]
            peak = row[0]
            for m in range(1, row.shape[0]):
                peak = max(peak, row[m])
            total = np.float32(0.0)
            for m in range(row.shape[0]):
                # Below that nothing is left of it in float32.
                if row[m] - peak > np.float32(-17.0):
                    total += np.exp(row[m] - peak)
            result[t, c] = peak + np.log(total)
    return result
