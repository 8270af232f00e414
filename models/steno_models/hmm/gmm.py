"""Mixtures of diagonal Gaussians, one for each state, and their EM statistics."""

from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.kernels import F64, log_sum_exp_groups
from steno_models.types import FloatArray, IntArray

SPLIT_STD = 0.2  # how far the halves of a split Gaussian stand apart, in standard deviations
MIN_OCCUPANCY = 10.0  # frames that a Gaussian needs to be estimated anew


@dataclass(frozen=True, slots=True)
class DiagonalGmm:
    """For each of S states M weighted Gaussians with diagonal covariance over D features.

    Attributes:
        log_weights: (S, M) float64, each row the log of a distribution.
        means: (S, M, D) float64.
        variances: (S, M, D) float64, all above zero.
    """

    log_weights: F64
    means: F64
    variances: F64

    def log_likelihoods(self, frames: FloatArray, states: IntArray) -> FloatArray:
        """Return (T, C) float32 log p(x[t] | state) of `frames`, (T, D), for `states`, (C,)."""
        size = self.log_weights.shape[1]
        return np.asarray(log_sum_exp_groups(self._components(frames, states), size))

    def posteriors(self, frames: FloatArray, state: int) -> FloatArray:
        """Return (T, M) float32 p(Gaussian | x[t], state)."""
        joint = self._components(frames, np.array([state], np.int32))
        joint = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(joint / joint.sum(axis=1, keepdims=True), np.float32)

    def split(self) -> "DiagonalGmm":
        """Return the mixture with twice the Gaussians, each half moved off the other's mean."""
        step = SPLIT_STD * np.sqrt(self.variances)
        return DiagonalGmm(
            log_weights=np.concatenate([self.log_weights] * 2, axis=1) - np.log(2.0),
            means=np.concatenate([self.means - step, self.means + step], axis=1),
            variances=np.concatenate([self.variances] * 2, axis=1),
        )

    def _components(self, frames: FloatArray, states: IntArray) -> FloatArray:
        """Return (T, C * M) float32 log of weight times density.

        The square (x - m)^2 / v is multiplied out, so that all frames and Gaussians are one matrix
        product: x^2 (-1 / 2v) + x (m / v) + a constant of the Gaussian.
        """
        D = frames.shape[1]
        if self.means.shape[2] != D:
            raise DataError(f"expected frames of {self.means.shape[2]} features, found {D}")
        means, variances = self.means[states], self.variances[states]
        constants = self.log_weights[states] - 0.5 * (
            D * np.log(2.0 * np.pi) + (np.log(variances) + means**2 / variances).sum(axis=2)
        )
        terms = np.concatenate([-0.5 / variances, means / variances], axis=2).reshape(-1, 2 * D)
        powers = np.concatenate([frames**2, frames], axis=1)
        product = powers @ terms.T.astype(np.float32)
        product += constants.reshape(-1).astype(np.float32)
        return np.asarray(product, np.float32)


class Statistics:
    """What EM needs of the frames: zeroth, first and second moments of each Gaussian."""

    def __init__(self, gmm: DiagonalGmm) -> None:
        self._gmm = gmm
        self._occupancy = np.zeros(gmm.log_weights.shape)
        self._first = np.zeros(gmm.means.shape)
        self._second = np.zeros(gmm.means.shape)

    def add(self, state: int, frames: FloatArray, occupancy: FloatArray | None = None) -> None:
        """Count `frames`, (T, D), for `state`, with `occupancy`, (T,), as their weights (one)."""
        gamma = self._gmm.posteriors(frames, state)
        if occupancy is not None:
            gamma = gamma * occupancy[:, None]
        self._occupancy[state] += gamma.sum(axis=0, dtype=np.float64)
        self._first[state] += gamma.T @ frames
        self._second[state] += gamma.T @ frames**2

    def estimate(self, variance_floor: F64, min_occupancy: float = MIN_OCCUPANCY) -> DiagonalGmm:
        """Return the mixture of greatest likelihood (Bishop 2006, equations 9.24 to 9.26).

        Gaussians that hardly any frame belongs to stay as they are.

        Args:
            variance_floor: (D,) least variance of each feature.
            min_occupancy: frames that a Gaussian needs to be estimated anew.
        """
        old = self._gmm
        counts = self._occupancy[..., None]
        enough = counts > min_occupancy
        safe = np.where(enough, counts, 1.0)
        means = np.where(enough, self._first / safe, old.means)
        variances = np.where(enough, self._second / safe - means**2, old.variances)
        total = self._occupancy.sum(axis=1, keepdims=True)
        weights = np.maximum(self._occupancy / np.where(total > 0.0, total, 1.0), 1e-6)
        log_weights = np.log(weights / weights.sum(axis=1, keepdims=True))
        seen = total > min_occupancy
        return DiagonalGmm(
            log_weights=np.where(seen, log_weights, old.log_weights),
            means=means,
            variances=np.maximum(variances, variance_floor),
        )
