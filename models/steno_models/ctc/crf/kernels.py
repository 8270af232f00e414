"""The forward and backward recursion of `partition`, compiled, one recording at a time.

States are pairs (b, a): b the last label, a the one before. Each stands twice: after the label
itself, and after a blank that followed. Of the V² pairs few hold any weight at a step; those below
`_NEGLIGIBLE` of the whole are left out, and what they could reach with them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NEGLIGIBLE = 1e-12
_FLOOR = 1e-30


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
