"""The compiled recursion of CTC's prefix scores."""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel

DoubleArray = NDArray[np.float64]


@kernel
def extend(
    log_probs: DoubleArray, spoken: DoubleArray, silent: DoubleArray, label: int, last: int
) -> tuple[DoubleArray, DoubleArray]:
    """Return the forward variables of a prefix with one more label (Watanabe et al. 2017, alg. 2).

    Args:
        log_probs: (S, V), the blank at 0.
        spoken: (S + 1,) ln p of all ways to the prefix in the first s steps that end in a label.
        silent: (S + 1,) likewise, that end in a blank.
        label: what comes next.
        last: the label before; where it is the same there is a blank between.
    """
    S = len(log_probs)
    following_spoken = np.full(S + 1, -np.inf)
    following_silent = np.full(S + 1, -np.inf)
    for s in range(S):
        begun = silent[s] if label == last else np.logaddexp(silent[s], spoken[s])
        following_spoken[s + 1] = np.logaddexp(following_spoken[s], begun) + log_probs[s, label]
        following_silent[s + 1] = (
            np.logaddexp(following_silent[s], following_spoken[s]) + log_probs[s, 0]
        )
    return following_spoken, following_silent
