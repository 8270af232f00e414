"""Semi-tied covariances: one rotation after which diagonal Gaussians fit best (MLLT; Gales 1999).

With features y = A x the log-likelihood is

    beta ln |det A| - 1/2 sum_m gamma_m sum_i ( ln v_mi + (a_i W_m a_i^T) / v_mi )

where W_m is the full covariance of the frames of Gaussian m, gamma_m their number, beta that of
all. Given the variances v, each row of A has a closed form given the others; given A, the best v is
a_i W_m a_i^T. Both steps can only raise it.
"""

from collections.abc import Sequence

import numpy as np

from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.kernels import F64
from steno_models.types import FloatArray

FRAMES_PER_FEATURE = 2.0  # a Gaussian of fewer frames has no full covariance to speak of


class FullStatistics:
    """For each Gaussian the full covariance of its frames."""

    def __init__(self, gmm: DiagonalGmm) -> None:
        G, D = gmm.means.shape
        self._gmm = gmm
        self.counts = np.zeros(G)
        self._sums = np.zeros((G, D))
        self._second = np.zeros((G, D, D), np.float32)

    def add(self, frames: Sequence[FloatArray]) -> None:
        """Count `frames`, for each state its (T_s, D)."""
        for state, own in enumerate(frames):
            if not len(own):
                continue
            gamma = self._gmm.posteriors(own, state)
            gaussians = self._gmm.gaussians(state)
            self.counts[gaussians] += gamma.sum(axis=0, dtype=np.float64)
            self._sums[gaussians] += gamma.T @ own
            for number, weights in enumerate(gamma.T, start=gaussians.start):
                self._second[number] += (own * weights[:, None]).T @ own

    def covariances(self) -> tuple[F64, F64]:
        """Return (M,) counts and (M, D, D) covariances of the Gaussians with enough frames."""
        enough = self.counts >= FRAMES_PER_FEATURE * self._sums.shape[1]
        counts = self.counts[enough]
        means = self._sums[enough] / counts[:, None]
        second = self._second[enough] / counts[:, None, None]
        return counts, second - means[:, :, None] * means[:, None, :]


def objective(A: F64, counts: F64, covariances: F64, floor: float = 1e-4) -> float:
    """Return the log-likelihood of A, (D, D), with the best variances, a constant left out."""
    variances = np.maximum(_projected(A, covariances), floor)
    volume = float(np.linalg.slogdet(A)[1])
    return float(counts.sum()) * volume - 0.5 * float(counts @ np.log(variances).sum(axis=1))


def semi_tied(counts: F64, covariances: F64, *, rounds: int = 10, sweeps: int = 5) -> F64:
    """Return (D, D) the best transform found from the identity on (Gales 1999, section III).

    Without any Gaussian it is the identity.

    Args:
        counts: (M,) frames of each Gaussian.
        covariances: (M, D, D) their full covariances.
        rounds: how often variances and transform are estimated in turn.
        sweeps: how often all rows are in each.
    """
    D = covariances.shape[1]
    A, beta = np.eye(D), float(counts.sum())
    if not len(counts):
        return A
    for _ in range(rounds):
        variances = np.maximum(_projected(A, covariances), 1e-4)
        weights = counts[:, None] / variances
        inverses = np.linalg.inv(np.einsum("mi,mjk->ijk", weights, covariances, optimize=True))
        for _ in range(sweeps):
            for i in range(D):
                A[i] = _best_row(A, i, inverses[i], beta)
    # The volume is of no use to anybody: features keep the scale they had.
    return np.asarray(A / np.exp(np.linalg.slogdet(A)[1] / D))


def _best_row(A: F64, i: int, inverse: F64, beta: float) -> F64:
    """Return c G^-1 sqrt(beta / c G^-1 c^T), c the cofactors of row `i` (Gales 1999, eq. 24)."""
    cofactors = np.linalg.inv(A)[:, i]  # up to det A, which the root takes out again
    direction = cofactors @ inverse
    return np.asarray(direction * np.sqrt(beta / (direction @ cofactors)))


def _projected(A: F64, covariances: F64) -> F64:
    """Return (M, D) a_i W_m a_i^T."""
    return np.asarray(((A @ covariances) * A).sum(axis=2))
