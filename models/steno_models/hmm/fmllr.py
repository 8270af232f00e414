"""Constrained MLLR: one affine map of the features for each speaker (Gales 1998).

The map x -> A x + b = W [x, 1] that makes a speaker's frames likeliest under the model maximises

    beta ln |det A| - 1/2 sum_i ( w_i G_i w_i^T - 2 w_i k_i^T ),
    G_i = sum_tm gamma_m(t) / v_mi z_t z_t^T,   k_i = sum_tm gamma_m(t) mu_mi / v_mi z_t,

with z = [x, 1], row by row, each in closed form given the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.kernels import F64
from steno_models.types import FloatArray

MIN_FRAMES = 500.0  # with fewer a speaker keeps the features as they are


@dataclass(frozen=True, slots=True)
class FmllrStatistics:
    """What the maximum needs of a speaker's frames.

    Attributes:
        count: beta, how many frames there are.
        G: (D, D + 1, D + 1) float64.
        k: (D, D + 1) float64.
    """

    count: float
    G: F64
    k: F64

    @classmethod
    def of(cls, gmm: DiagonalGmm, frames: Sequence[FloatArray]) -> Self:
        """Return the statistics of `frames`: for each state of `gmm` its (T_s, D)."""
        D = gmm.means.shape[1]
        G, k, count = np.zeros((D, D + 1, D + 1)), np.zeros((D, D + 1)), 0.0
        weights, targets, extended = [], [], []
        for state, own in enumerate(frames):
            if not len(own):
                continue
            gamma = gmm.posteriors(own, state)
            gaussians = gmm.gaussians(state)
            precisions = (1.0 / gmm.variances[gaussians]).astype(np.float32)
            means = gmm.means[gaussians].astype(np.float32)
            weights.append(gamma @ precisions)
            targets.append(gamma @ (precisions * means))
            extended.append(np.concatenate([own, np.ones((len(own), 1), np.float32)], axis=1))
            count += len(own)
        if extended:
            z, w = np.concatenate(extended), np.concatenate(weights)
            k += np.concatenate(targets).T @ z
            for i in range(D):
                G[i] = (z * w[:, i : i + 1]).T @ z
        return cls(count, G, k)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.count + other.count, self.G + other.G, self.k + other.k)


def identity(width: int) -> F64:
    """Return (D, D + 1) the map that changes nothing."""
    return np.eye(width, width + 1)


def objective(W: F64, statistics: FmllrStatistics) -> float:
    """Return the log-likelihood of the map `W`, (D, D + 1), a constant left out."""
    volume = float(np.linalg.slogdet(W[:, :-1])[1])
    quadratic = float(np.einsum("ij,ijk,ik->", W, statistics.G, W))
    return statistics.count * volume - 0.5 * quadratic + float((W * statistics.k).sum())


def fmllr(statistics: FmllrStatistics, *, sweeps: int = 20, start: F64 | None = None) -> F64:
    """Return (D, D + 1) the best map found, from `start` (the identity) on."""
    D = len(statistics.k)
    W = identity(D) if start is None else start.copy()
    if statistics.count < MIN_FRAMES:
        return W
    ridge = 1e-6 * np.trace(statistics.G, axis1=1, axis2=2)[:, None, None] * np.eye(D + 1)
    inverses = np.linalg.inv(statistics.G + ridge / (D + 1))
    for _ in range(sweeps):
        for i in range(D):
            W[i] = _best_row(W, i, inverses[i], statistics)
    return W


def applied(W: F64, frames: FloatArray) -> FloatArray:
    """Return (T, D) float32 the map `W`, (D, D + 1), of `frames`, (T, D)."""
    A, b = W[:, :-1].astype(np.float32), W[:, -1].astype(np.float32)
    return np.asarray(frames @ A.T + b)


def _best_row(W: F64, i: int, inverse: F64, statistics: FmllrStatistics) -> F64:
    """Return (alpha p + k_i) G_i^-1, p the cofactors of row `i` (Gales 1998, equations 20 to 22).

    Of the two roots alpha of  alpha^2 p G^-1 p^T + alpha p G^-1 k^T - beta = 0  the better one
    counts.
    """
    p = np.append(np.linalg.inv(W[:, :-1])[:, i], 0.0)  # up to det A, which is in alpha then
    a = float(p @ inverse @ p)
    b = float(p @ inverse @ statistics.k[i])
    root = np.sqrt(b * b + 4.0 * a * statistics.count)
    alphas = np.array([-b + root, -b - root]) / (2.0 * a)
    gains = statistics.count * np.log(np.abs(alphas * a + b)) - 0.5 * alphas**2 * a
    alpha = float(alphas[int(gains.argmax())])
    return np.asarray((alpha * p + statistics.k[i]) @ inverse)
