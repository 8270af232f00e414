"""Compiled loop of the training; see train.py."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@njit(cache=True, nogil=True, boundscheck=False)
def descend(
    weights: Floats,
    squares: Floats,
    rows: NDArray[np.int32],
    labels: NDArray[np.uint8],
    rate: float,
) -> float:
    """Take one step of AdaGrad for each example, in their order; return the summed loss in nats.

    Args:
        weights: (R, C), changed in place.
        squares: (R, C) sums of squared gradients, changed in place.
        rows: (N, F) of each example.
        labels: (N,) class of each, below C.
        rate: of learning.
    """
    examples, templates = rows.shape
    classes = weights.shape[1]
    odds = np.empty(classes, np.float32)
    loss = 0.0
    for n in range(examples):
        odds[:] = 0.0
        for f in range(templates):
            row = rows[n, f]
            for c in range(classes):
                odds[c] += weights[row, c]
        top = odds[0]
        for c in range(1, classes):
            top = max(top, odds[c])
        total = np.float32(0.0)
        for c in range(classes):
            odds[c] = np.exp(odds[c] - top)
            total += odds[c]
        loss -= np.log(odds[labels[n]] / total + 1e-12)
        for c in range(classes):
            odds[c] = odds[c] / total - (1.0 if c == labels[n] else 0.0)
        for f in range(templates):
            row = rows[n, f]
            for c in range(classes):
                slope = odds[c]
                squares[row, c] += slope * slope
                weights[row, c] -= rate * slope / np.sqrt(squares[row, c])
    return loss
