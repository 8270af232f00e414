"""The subspace GMM: all states share one pool of Gaussians, and each has one vector of its own.

Povey et al., "The subspace Gaussian mixture model -- a structured model for speech recognition",
Computer Speech and Language 2011. With G full-covariance Gaussians and a vector v_j a state,

    p(x | j) = sum_i w_ji N(x; M_i v_j, Sigma_i),    w_ji = exp(w_i v_j) / sum_i' exp(w_i' v_j)

so that a state costs as many numbers as its vector has, and the pool learns from all frames. Frames
are scored by the few Gaussians of the pool only that fit them best before any state is asked.
"""

from dataclasses import dataclass, field

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.kernels import F64
from steno_models.types import FloatArray, IntArray, LongArray

SELECTED = 15  # Gaussians of the pool that a frame is scored by


@dataclass(frozen=True, slots=True)
class Pool:
    """One mixture of full-covariance Gaussians for all speech (the universal background model).

    Attributes:
        log_weights: (G,) float64.
        means: (G, D) float64.
        covariances: (G, D, D) float64.
    """

    log_weights: F64
    means: F64
    covariances: F64

    def log_joint(self, frames: FloatArray) -> F64:
        """Return (T, G) log of weight times density of `frames`, (T, D)."""
        roots = np.linalg.cholesky(self.covariances)
        half_logdets = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        found = np.empty((len(frames), len(self.means)))
        for i, whitener in enumerate(np.linalg.inv(roots)):
            white = (frames - self.means[i]) @ whitener.T
            found[:, i] = -0.5 * (white**2).sum(axis=1)
        D = self.means.shape[1]
        constants = self.log_weights - half_logdets - 0.5 * D * np.log(2.0 * np.pi)
        return np.asarray(found + constants)

    def select(self, frames: FloatArray, count: int = SELECTED) -> LongArray:
        """Return (T, min(count, G)) the Gaussians that fit each of `frames` best."""
        count = min(count, len(self.means))
        return np.argpartition(-self.log_joint(frames), count - 1, axis=1)[:, :count]


@dataclass(frozen=True, slots=True)
class SubspaceGmm:
    """Emissions of J states by vectors in a space of R dimensions.

    Attributes:
        pool: preselects Gaussians; what they are like in a state is below.
        vectors: (J, R) float64, v_j.
        projections: (G, D, R) float64, M_i.
        weights: (G, R) float64, w_i.
        covariances: (G, D, D) float64, Sigma_i.
    """

    pool: Pool
    vectors: F64
    projections: F64
    weights: F64
    covariances: F64
    precisions: F64 = field(init=False, repr=False, compare=False)
    constants: F64 = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what depends on no frame: Sigma_i^-1 and the (J, G) normalisers n_ji."""
        precisions = np.linalg.inv(self.covariances)
        means = np.einsum("idr,jr->jid", self.projections, self.vectors, optimize=True)
        quadratic = np.einsum("jid,ide,jie->ji", means, precisions, means, optimize=True)
        logdets = np.linalg.slogdet(self.covariances)[1]
        D = self.covariances.shape[1]
        constants = self.log_weights() - 0.5 * (quadratic + logdets + D * np.log(2.0 * np.pi))
        object.__setattr__(self, "precisions", precisions)
        object.__setattr__(self, "constants", constants)

    @property
    def num_states(self) -> int:
        """J, the number of states."""
        return len(self.vectors)

    def log_weights(self) -> F64:
        """Return (J, G) ln w_ji."""
        scores = self.vectors @ self.weights.T
        return np.asarray(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))

    def log_likelihoods(self, frames: FloatArray, states: IntArray) -> FloatArray:
        """Return (T, C) float32 log p(x[t] | state) of `frames`, (T, D), for `states`, (C,)."""
        self._check(frames)
        selected = self.pool.select(frames)
        found = np.full((len(frames), len(states)), -np.inf, np.float32)
        for i in np.unique(selected).tolist():
            rows = np.flatnonzero((selected == i).any(axis=1))
            found[rows] = np.logaddexp(found[rows], self._scores(frames[rows], i, states))
        return found

    def log_joint(self, frames: FloatArray, state: int, selected: LongArray) -> F64:
        """Return (T, G) log p(Gaussian, x[t] | state); -inf for those that are not `selected`."""
        self._check(frames)
        joint = np.full((len(frames), len(self.weights)), -np.inf)
        one = np.array([state], np.int32)
        for i in np.unique(selected).tolist():
            rows = np.flatnonzero((selected == i).any(axis=1))
            joint[rows, i] = self._scores(frames[rows], i, one)[:, 0]
        return joint

    def _scores(self, frames: FloatArray, i: int, states: IntArray) -> F64:
        """Return (T, C) n_i(t) + z_i(t) v_j + n_ji (Povey et al. 2011, section 4.1)."""
        weighted = frames @ self.precisions[i]
        own = -0.5 * (weighted * frames).sum(axis=1)
        z = weighted @ self.projections[i]
        return np.asarray(own[:, None] + z @ self.vectors[states].T + self.constants[states, i])

    def _check(self, frames: FloatArray) -> None:
        D = self.covariances.shape[1]
        if frames.shape[1] != D:
            raise DataError(f"expected frames of {D} features, found {frames.shape[1]}")


def first_subspace(pool: Pool, num_states: int, width: int) -> SubspaceGmm:
    """Return a model whose states are all the pool: v_j = e_1, M_i e_1 = mu_i, w_i the weights.

    The other columns of M_i are the features' own directions, scaled to the spread within the
    pool's Gaussians (Povey et al. 2011, section 5.2): there the vectors can go.

    Args:
        pool: the Gaussians to start from.
        num_states: J.
        width: R, at most one more than the features D.
    """
    G, D = pool.means.shape
    if not 2 <= width <= D + 1:
        raise DataError(f"expected vectors of 2 to {D + 1} dimensions, found {width}")
    weights = np.exp(pool.log_weights)
    within = np.einsum("i,ide->de", weights, pool.covariances) / weights.sum()
    values, directions = np.linalg.eigh(within)
    columns = (directions * np.sqrt(values))[:, ::-1][:, : width - 1]
    projections = np.zeros((G, D, width))
    projections[:, :, 0] = pool.means
    projections[:, :, 1:] = columns
    vectors = np.zeros((num_states, width))
    vectors[:, 0] = 1.0
    per_gaussian = np.zeros((G, width))
    per_gaussian[:, 0] = pool.log_weights
    return SubspaceGmm(pool, vectors, projections, per_gaussian, pool.covariances.copy())
