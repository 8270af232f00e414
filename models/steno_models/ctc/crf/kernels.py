"""The forward, backward and Viterbi recursions of `partition`, compiled, for one recording.

States are pairs (b, a): b the last label, a the one before. Each stands twice: after the label
itself, and after a blank that followed. Of the V² pairs few hold any weight at a step; those below
`_NEGLIGIBLE` of the whole are left out, and what they could reach with them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NEGLIGIBLE = 1e-12
_FLOOR = 1e-30
_BEAM = 30.0  # natural logarithms below the best state: no best path comes from there
_STAY = -1


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def forward(
    y: NDArray[np.floating],
    other: NDArray[np.floating],
    again: NDArray[np.floating],
    label: NDArray[np.floating],
    blank: NDArray[np.floating],
) -> float:
    """Fill the forward variables, scaled to a sum of 1 a step, and return the ln of the scales.

    Args:
        y: (S, V) weights of the labels, the blank at 0.
        other: (V, V, V) [b, a, q]; see `partition.LabelLm`.
        again: (V, V) [b, a]; likewise.
        label: (S + 1, V, V) [s, b, a], to fill: before step s, after a label.
        blank: (S + 1, V, V) likewise after a blank.
    """
    S, V = y.shape
    label[0] = 0.0
    blank[0] = 0.0
    blank[0, 0, 0] = 1.0
    grown = np.empty(V, y.dtype)
    total = 0.0
    for s in range(S):
        label[s + 1] = 0.0
        for b in range(V):
            grown[:] = 0.0
            twice = 0.0
            for a in range(V):
                weight = label[s, b, a] + blank[s, b, a]
                blank[s + 1, b, a] = weight * y[s, 0]
                if weight > _NEGLIGIBLE:
                    for q in range(V):
                        grown[q] += weight * other[b, a, q]
                    twice += blank[s, b, a] * again[b, a]
            grown[b] += twice
            for q in range(1, V):
                label[s + 1, q, b] = y[s, q] * (grown[q] + label[s, q, b])
        scale = max(np.sum(label[s + 1]) + np.sum(blank[s + 1]), _FLOOR)
        label[s + 1] /= scale
        blank[s + 1] /= scale
        total += np.log(scale)
    return float(total)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def backward(
    y: NDArray[np.floating],
    other: NDArray[np.floating],
    again: NDArray[np.floating],
    label: NDArray[np.floating],
    blank: NDArray[np.floating],
    out: NDArray[np.floating],
) -> None:
    """Fill `out`, (S, V), with the posteriors of the labels; the others as `forward` left them."""
    S, V = y.shape
    behind_label = np.ones((V, V), y.dtype)
    behind_blank = np.ones((V, V), y.dtype)
    ahead = np.empty((V, V), y.dtype)  # [b, q]: to the label q after b
    for s in range(S - 1, -1, -1):
        out[s] = 0.0
        for b in range(V):
            for a in range(V):
                out[s, b] += label[s + 1, b, a] * behind_label[b, a]
                out[s, 0] += blank[s + 1, b, a] * behind_blank[b, a]
        out[s] /= max(np.sum(out[s]), _FLOOR)
        for q in range(V):
            for b in range(V):
                ahead[b, q] = behind_label[q, b] * y[s, q]
        scale = _FLOOR
        for b in range(V):
            for a in range(V):
                if label[s, b, a] + blank[s, b, a] <= _NEGLIGIBLE:
                    behind_label[b, a] = 0.0
                    behind_blank[b, a] = 0.0
                    continue
                idle = behind_blank[b, a] * y[s, 0]
                for q in range(1, V):
                    idle += ahead[b, q] * other[b, a, q]
                behind_blank[b, a] = idle + ahead[b, b] * again[b, a]
                behind_label[b, a] = idle + behind_label[b, a] * y[s, b]
                scale += behind_label[b, a] + behind_blank[b, a]
        behind_label /= scale
        behind_blank /= scale


@njit(nogil=True, cache=True)
def best_labels(
    log_y: NDArray[np.floating],
    other: NDArray[np.floating],
    again: NDArray[np.floating],
    out: NDArray[np.int64],
) -> int:
    """Fill `out` with the labels of the likeliest path and return how many they are (Viterbi).

    Args:
        log_y: (S, V) ln of the weights of the labels.
        other: (V, V, V) [b, a, q] natural logarithms, -inf where there is nothing.
        again: (V, V) [b, a] likewise.
        out: (S,) to fill from its start.
    """
    S, V = log_y.shape
    label = np.full((V, V), -np.inf)
    blank = np.full((V, V), -np.inf)
    blank[0, 0] = 0.0
    new_label = np.full((V, V), -np.inf)
    before_label = np.full((S, V, V), _STAY, np.int16)  # 2 a + whether a blank was between
    after_blank = np.zeros((S, V, V), np.bool_)
    best = np.empty(V)
    for s in range(S):
        top = max(np.max(label), np.max(blank))
        for b in range(V):
            best[:] = -np.inf
            for a in range(V):
                idle = blank[b, a] >= label[b, a]
                weight = blank[b, a] if idle else label[b, a]
                if weight > top - _BEAM:
                    for q in range(1, V):
                        if weight + other[b, a, q] > best[q]:
                            best[q] = weight + other[b, a, q]
                            before_label[s, q, b] = 2 * a + idle
                    if blank[b, a] + again[b, a] > best[b]:
                        best[b] = blank[b, a] + again[b, a]
                        before_label[s, b, b] = 2 * a + 1
                after_blank[s, b, a] = idle
                blank[b, a] = weight + log_y[s, 0]
            for q in range(1, V):
                if label[q, b] >= best[q]:
                    before_label[s, q, b] = _STAY
                new_label[q, b] = max(label[q, b], best[q]) + log_y[s, q]
        label, new_label = new_label, label
    found: int = _trace(label, blank, before_label, after_blank, out)
    return found


@njit(nogil=True, cache=True)
def _trace(
    label: NDArray[np.floating],
    blank: NDArray[np.floating],
    before_label: NDArray[np.int16],
    after_blank: NDArray[np.bool_],
    out: NDArray[np.int64],
) -> int:
    """Fill `out` with the labels on the way to the best of the last states; return how many."""
    S, V, _ = before_label.shape
    idle = np.max(blank) >= np.max(label)
    state = np.argmax(blank) if idle else np.argmax(label)
    b, a = state // V, state % V
    found = 0
    for s in range(S - 1, -1, -1):
        if idle:
            idle = after_blank[s, b, a]
        elif before_label[s, b, a] != _STAY:
            out[found] = b
            found += 1
            code = before_label[s, b, a]
            b, a, idle = a, code // 2, code % 2 == 1
    out[:found] = out[:found][::-1].copy()
    return found
