"""The rotation that lays known pairs onto each other best (Schönemann 1966).

W = argmin over orthogonal W of Σ over pairs ‖W x - y‖² = U Vᵀ   with   U S Vᵀ = Yᵀ X
"""

import numpy as np

from steno_models.errors import DataError
from steno_models.types import FloatArray


def procrustes(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the (D, D) orthogonal W for which W x is nearest to y; the rows are mapped by x Wᵀ.

    Args:
        x: (P, D) one side of P pairs.
        y: (P, D) the other.

    Raises:
        DataError: there is no pair, or the sides differ.
    """
    if x.shape != y.shape or len(x) == 0:
        raise DataError(f"expected pairs of vectors, found {x.shape} and {y.shape}")
    return nearest_orthogonal(y.astype(np.float64).T @ x)


def nearest_orthogonal(matrix: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> FloatArray:
    """Return the (D, D) orthogonal matrix nearest to `matrix`: U Vᵀ of its singular vectors.

    Raises:
        DataError: it is not finite.
    """
    if not np.isfinite(matrix).all():
        raise DataError("expected a finite matrix, found infinite or undefined numbers in it")
    u, _, vt = np.linalg.svd(matrix.astype(np.float64))
    rotation: FloatArray = (u @ vt).astype(np.float32)
    return rotation
