"""Mixtures of diagonal Gaussians, one for each state, and their EM statistics."""

from dataclasses import dataclass, field

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.kernels import F64, log_sum_exp_groups
from steno_models.types import FloatArray, IntArray

SPLIT_STD = 0.2  # how far the halves of a split Gaussian stand apart, in standard deviations
MIN_OCCUPANCY = 10.0  # frames that a Gaussian needs to be estimated anew
SHARE_POWER = 0.3  # Gaussians of a state grow with this power of its frames


@dataclass(frozen=True, slots=True)
class DiagonalGmm:
    """For each of S states some weighted Gaussians with diagonal covariance over D features.

    Attributes:
        offsets: (S + 1,) int32; state s has the Gaussians `offsets[s]:offsets[s + 1]` of all G.
        log_weights: (G,) float64, for each state the log of a distribution.
        means: (G, D) float64.
        variances: (G, D) float64, all above zero.
    """

    offsets: IntArray
    log_weights: F64
    means: F64
    variances: F64
    _terms: FloatArray = field(init=False, repr=False, compare=False)
    _constants: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Multiply out the square (x - m)^2 / v, so that densities are one matrix product.

        It is x^2 (-1 / 2v) + x (m / v) + a constant of the Gaussian.
        """
        D = self.means.shape[1]
        constants = self.log_weights - 0.5 * (
            D * np.log(2.0 * np.pi)
            + (np.log(self.variances) + self.means**2 / self.variances).sum(axis=1)
        )
        terms = np.concatenate([-0.5 / self.variances, self.means / self.variances], axis=1)
        object.__setattr__(self, "_terms", terms.astype(np.float32))
        object.__setattr__(self, "_constants", constants.astype(np.float32))

    @classmethod
    def uniform(cls, log_weights: F64, means: F64, variances: F64) -> "DiagonalGmm":
        """Return the mixtures of arrays (S, M), (S, M, D) and (S, M, D): M Gaussians a state."""
        S, M, D = means.shape
        offsets = np.arange(0, S * M + 1, M, dtype=np.int32)
        return cls(offsets, log_weights.reshape(-1), means.reshape(-1, D), variances.reshape(-1, D))

    @property
    def num_states(self) -> int:
        """S, the number of mixtures."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> IntArray:
        """(S,) how many Gaussians each state has."""
        return np.diff(self.offsets)

    def log_likelihoods(self, frames: FloatArray, states: IntArray) -> FloatArray:
        """Return (T, C) float32 log p(x[t] | state) of `frames`, (T, D), for `states`, (C,)."""
        sizes = self.sizes[states]
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        starts = self.offsets[:-1][states]
        chosen = np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], sizes)
        return np.asarray(log_sum_exp_groups(self._components(frames, chosen), bounds))

    def posteriors(self, frames: FloatArray, state: int) -> FloatArray:
        """Return (T, M) float32 p(Gaussian | x[t], state)."""
        joint = self._components(frames, np.arange(self.offsets[state], self.offsets[state + 1]))
        joint = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(joint / joint.sum(axis=1, keepdims=True), np.float32)

    def gaussians(self, state: int) -> slice:
        """Return which of the G Gaussians are those of `state`."""
        return slice(int(self.offsets[state]), int(self.offsets[state + 1]))

    def split(self) -> "DiagonalGmm":
        """Return the mixtures with twice the Gaussians, each half moved off the other's mean."""
        return self.grown(2 * self.sizes)

    def grown(self, sizes: IntArray) -> "DiagonalGmm":
        """Return the mixtures with as many Gaussians a state as `sizes`, (S,), asks for, or more.

        The heaviest Gaussian of a state is split first, into halves of half its weight that stand
        `SPLIT_STD` standard deviations to both sides of its mean.
        """
        sources: list[int] = []
        shifts: list[float] = []
        halvings: list[int] = []
        counts = np.maximum(sizes, self.sizes)
        for state, wanted in enumerate(counts.tolist()):
            parts = _split_heaviest(self.log_weights[self.gaussians(state)], wanted)
            sources += [int(self.offsets[state]) + source for source, _, _ in parts]
            shifts += [shift for _, shift, _ in parts]
            halvings += [times for _, _, times in parts]
        moves = SPLIT_STD * np.array(shifts)[:, None]
        variances = self.variances[sources]
        return DiagonalGmm(
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            log_weights=self.log_weights[sources] - np.log(2.0) * np.array(halvings),
            means=self.means[sources] + moves * np.sqrt(variances),
            variances=variances,
        )

    def _components(self, frames: FloatArray, chosen: IntArray) -> FloatArray:
        """Return (T, C) float32 log of weight times density of the Gaussians `chosen`, (C,)."""
        D = frames.shape[1]
        if self.means.shape[1] != D:
            raise DataError(f"expected frames of {self.means.shape[1]} features, found {D}")
        product = frames**2 @ self._terms[chosen, :D].T
        product += frames @ self._terms[chosen, D:].T
        product += self._constants[chosen]
        return np.asarray(product, np.float32)


def _split_heaviest(log_weights: F64, wanted: int) -> list[tuple[int, float, int]]:
    """Return for each part which Gaussian it comes from, its shift and how often it was halved."""
    parts = [(source, 0.0, 0) for source in range(len(log_weights))]
    weights = log_weights.tolist()
    while len(parts) < wanted:
        heaviest = max(range(len(parts)), key=weights.__getitem__)
        source, shift, times = parts[heaviest]
        step = 2.0**-times  # later halves stay nearer, so that no two fall together
        weights[heaviest] -= float(np.log(2.0))
        weights.append(weights[heaviest])
        parts[heaviest] = (source, shift - step, times + 1)
        parts.append((source, shift + step, times + 1))
    return parts


def shares(counts: F64, total: int, *, min_frames: float = 20.0) -> IntArray:
    """Return (S,) how many Gaussians each state should have of `total`.

    They grow with a power of the frames (S,) `counts` that each state has, so that rare sounds
    get some too; none gets more than one for each `min_frames` frames, and none less than one.
    """
    power = counts**SHARE_POWER
    wanted = np.floor(power * total / max(float(power.sum()), 1e-30))
    return np.clip(wanted, 1, np.maximum(counts // min_frames, 1)).astype(np.int32)


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
        own = self._gmm.gaussians(state)
        self._occupancy[own] += gamma.sum(axis=0, dtype=np.float64)
        self._first[own] += gamma.T @ frames
        self._second[own] += gamma.T @ frames**2

    def estimate(self, variance_floor: F64, min_occupancy: float = MIN_OCCUPANCY) -> DiagonalGmm:
        """Return the mixture of greatest likelihood (Bishop 2006, equations 9.24 to 9.26).

        Gaussians that hardly any frame belongs to stay as they are.

        Args:
            variance_floor: (D,) least variance of each feature.
            min_occupancy: frames that a Gaussian needs to be estimated anew.
        """
        old = self._gmm
        counts = self._occupancy[:, None]
        enough = counts > min_occupancy
        safe = np.where(enough, counts, 1.0)
        means = np.where(enough, self._first / safe, old.means)
        variances = np.where(enough, self._second / safe - means**2, old.variances)
        total = self._per_state(self._occupancy)
        weights = np.maximum(self._occupancy / np.where(total > 0.0, total, 1.0), 1e-6)
        log_weights = np.log(weights / self._per_state(weights))
        return DiagonalGmm(
            offsets=old.offsets,
            log_weights=np.where(total > min_occupancy, log_weights, old.log_weights),
            means=means,
            variances=np.maximum(variances, variance_floor),
        )

    def _per_state(self, values: F64) -> F64:
        """Return (G,) the sum of `values`, (G,), over the Gaussians of the same state."""
        sums = np.add.reduceat(values, self._gmm.offsets[:-1])
        return np.asarray(np.repeat(sums, self._gmm.sizes))
