"""A Bayesian mixture of Gaussians of one fixed variance, its means and weights integrated out.

    μ_k ~ N(0, σ²/κ I),  π ~ Dirichlet(α/K),  z ~ π,  x ~ N(μ_z, σ² I)

With N_k points of sum s_k in cluster k a further point is in it with

    P(z = k | z, X) ∝ (N_k + α/K) N(x; m_k, v_k I)
    m_k = s_k / (κ + N_k),   v_k = σ² (1 + 1 / (κ + N_k))

(Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution"; Kamper et al. 2017).
"""

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from steno_models.crossmodal.segmentation.kernels import DoubleArray
from steno_models.types import FloatArray, LongArray

_Positive = Annotated[float, Meta(gt=0)]


class MixtureOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is believed before anything is heard.

    Attributes:
        variance: σ² of each of the D numbers of a point.
        strength: κ, how many points the prior of a mean is worth.
        concentration: α, how many points the prior of the weights is worth.
    """

    variance: _Positive = 0.002
    strength: _Positive = 0.05
    concentration: _Positive = 1.0


class Mixture:
    """K clusters with the sums of their points; points come and go.

    Args:
        K: clusters.
        D: numbers of a point.
        options: the priors.
    """

    def __init__(self, K: int, D: int, options: MixtureOptions) -> None:
        self._options = options
        self.counts = np.zeros(K)
        self.sums = np.zeros((K, D))
        self._means = np.zeros((K, D), np.float32)
        self._halves = np.zeros(K)
        self._refresh(np.arange(K))

    @property
    def means(self) -> FloatArray:
        """(K, D) what is expected of the clusters' means."""
        return self._means

    def add(self, points: FloatArray, labels: LongArray, sign: int = 1) -> None:
        """Take in (P, D) `points` with (P,) `labels`, or with a `sign` of -1 give them back."""
        np.add.at(self.counts, labels, sign)
        np.add.at(self.sums, labels, sign * points.astype(np.float64))
        touched = np.unique(labels)
        self.sums[touched[self.counts[touched] == 0]] = 0.0  # no rounding is left behind
        self._refresh(touched)

    def log_joint(self, points: FloatArray) -> DoubleArray:
        """Return (P, K) ln P(z = k, x | points so far) of each of the (P, D) `points`."""
        D = self.sums.shape[1]
        squares = np.einsum("pd,pd->p", points, points)[:, None]
        # Twice the inner product: ‖x - m‖² = ‖x‖² - 2 x·m + ‖m‖².
        gaps = squares - 2.0 * (points @ self._means.T) + 2.0 * self._halves
        variances = self._options.variance * (1.0 + 1.0 / (self._options.strength + self.counts))
        K, alpha = len(self.counts), self._options.concentration
        weights = (self.counts + alpha / K) / (self.counts.sum() + alpha)
        logs: DoubleArray = (
            np.log(weights)
            - 0.5 * D * np.log(2.0 * np.pi * variances)
            - 0.5 * np.maximum(gaps, 0.0) / variances
        )
        return logs

    def _refresh(self, clusters: LongArray) -> None:
        scale = self._options.strength + self.counts[clusters]
        means = self.sums[clusters] / scale[:, None]
        self._means[clusters] = means
        self._halves[clusters] = 0.5 * np.einsum("kd,kd->k", means, means)


def log_total(logs: DoubleArray) -> DoubleArray:
    """Return (P,) the logarithm of the sum of each row's exponentials."""
    most = logs.max(axis=1)
    total: DoubleArray = most + np.log(np.exp(logs - most[:, None]).sum(axis=1))
    return total


def draw(logs: DoubleArray, random: np.random.Generator) -> LongArray:
    """Return (P,) a column of each row of `logs`, (P, K), by its probability."""
    shares = np.exp(logs - logs.max(axis=1, keepdims=True)).cumsum(axis=1)
    marks = random.uniform(size=(len(logs), 1)) * shares[:, -1:]
    drawn: LongArray = np.minimum((shares <= marks).sum(axis=1), logs.shape[1] - 1)
    return drawn
