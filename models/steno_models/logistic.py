"""Logistic regression: p(true) = 1 / (1 + exp(-(bias + sum of weights x features)))."""

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]

_MAX_ITERATIONS = 50


def fit(
    measured: DoubleArray, truth: NDArray[np.bool_], *, ridge: float = 1e-3
) -> tuple[tuple[float, ...], float]:
    """Return the weights and the bias that make `truth` likeliest, both truths weighing the same.

    Newton's method, that is iteratively reweighted least squares (Hastie, Tibshirani & Friedman
    2009, section 4.4.1).

    Args:
        measured: (N, features).
        truth: (N,), some true and some not.
        ridge: weight of half the squared weights, features scaled to unit variance, per row.
    """
    mean, scale = measured.mean(axis=0), measured.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x = np.concatenate([(measured - mean) / scale, np.ones((len(measured), 1))], axis=1)
    rows = np.where(truth, 0.5 / truth.mean(), 0.5 / (~truth).mean())
    penalty = np.diag([*np.full(len(scale), ridge), 0.0]) * len(x)
    weights = np.zeros(x.shape[1])
    for _ in range(_MAX_ITERATIONS):
        p = 0.5 * (1 + np.tanh(0.5 * (x @ weights)))
        gradient = x.T @ (rows * (truth - p)) - penalty @ weights
        hessian = (x * (rows * p * (1 - p))[:, None]).T @ x + penalty
        change = np.linalg.solve(hessian, gradient)
        weights += change
        if np.abs(change).max() < 1e-9:
            break
    plain = weights[:-1] / scale
    return tuple(plain.tolist()), float(weights[-1] - plain @ mean)
