"""The weights of a linear mixture that suit a text best, by expectation maximisation."""

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 100


def em_weights(probs: NDArray[np.float64]) -> list[float]:
    """Return (M,) the weights, which sum to 1, under which the mixture's likelihood is highest.

    Dempster, Laird & Rubin (1977); Jelinek & Mercer (1980). The likelihood never falls.

    Args:
        probs: (N, M) of N tokens, N > 0, by each of M models.
    """
    weights = np.full(probs.shape[1], 1.0 / probs.shape[1])
    for _ in range(_ITERATIONS):
        shares = weights * probs
        weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    return [float(weight) for weight in weights]
