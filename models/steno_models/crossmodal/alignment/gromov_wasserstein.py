"""A start without adversary: couple the words so that similar pairs meet similar pairs.

Gromov and Wasserstein's distance compares similarities within each space, so that it needs no
common axes (Alvarez-Melis and Jaakkola 2018):

    min over couplings T of Σ (cos(x_i, x_k) - cos(y_j, y_l))² T_ij T_kl  -  ε H(T)
"""

import warnings

import numpy as np

from steno_models.crossmodal.alignment.procrustes import nearest_orthogonal
from steno_models.errors import DataError
from steno_models.types import FloatArray

WORDS = 1000
_EPSILON = 5e-4


def gromov_wasserstein(
    source: FloatArray, target: FloatArray, *, words: int = WORDS, epsilon: float = _EPSILON
) -> FloatArray:
    """Return a (D, D) rotation from the coupling of the most frequent words; nothing is random.

    Args:
        source: (V, D) unit vectors, the most frequent first.
        target: (W, D) likewise.
        words: of each space that are coupled; time grows with the cube.
        epsilon: weight of the coupling's entropy; raised tenfold, twice at most, if it is too
            small for the numbers at hand.

    Raises:
        DataError: no coupling was found.
    """
    # Imported here: it takes a second to load, and whoever only applies a map needs none of it.
    from ot.gromov import entropic_gromov_wasserstein  # noqa: PLC0415

    x, y = (space[:words].astype(np.float64) for space in (source, target))
    for weight in (epsilon, 10 * epsilon, 100 * epsilon):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what went wrong shows in the coupling
            coupling = entropic_gromov_wasserstein(
                x @ x.T, y @ y.T, epsilon=weight, symmetric=True, max_iter=300, tol=1e-7,
                numItermax=200, stopThr=1e-6,
            )  # fmt: skip
        if np.isfinite(coupling).all() and abs(coupling.sum() - 1.0) < 1e-2:
            # The best rotation for weighted pairs: Procrustes with the coupling's weights.
            return nearest_orthogonal(y.T @ coupling.T @ x)
    raise DataError(
        f"expected words whose similarities can be coupled, found no coupling of {len(x)} "
        f"and {len(y)} words"
    )
