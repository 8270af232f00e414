"""Fit the weights of the parts, on speech whose words are known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError

DoubleArray = NDArray[np.float64]
_ITERATIONS = 60


def ranking(
    lists: Sequence[DoubleArray], right: Sequence[int], used: Sequence[bool], *, ridge: float = 0.3
) -> DoubleArray:
    """Return (F,) weights that make the right one of each list likely.

    Conditional logistic regression, ln p(right) = w·x(right) - ln Σ exp w·x (McFadden 1974).

    Args:
        lists: features of candidates, each (R, F).
        right: which one of each list it is.
        used: which features count; the others weigh nothing.
        ridge: penalty on the squares of the weights.

    Raises:
        DataError: there are no lists.
    """
    if not lists:
        raise DataError("expected unknown words that are among their candidates, found none")
    columns = np.flatnonzero(used)
    weights = np.zeros(len(columns))
    for _ in range(_ITERATIONS):
        gradient, hessian = -ridge * weights, ridge * np.eye(len(columns))
        for x, i in zip(lists, right, strict=True):
            z = x[:, columns]
            scores = z @ weights
            p = np.exp(scores - scores.max())
            p /= p.sum()
            mean = p @ z
            gradient = gradient + z[i] - mean
            hessian = hessian + (z * p[:, None]).T @ z - np.outer(mean, mean)
        change = np.linalg.solve(hessian, gradient)
        size = np.abs(change).max()
        weights = weights + change * min(1.0, 1.0 / size if size else 1.0)
        if size < 1e-6:
            break
    found = np.zeros(len(used))
    found[columns] = weights
    return found
