"""k-means: what lies together becomes one (Lloyd 1982), begun well (Arthur, Vassilvitskii 2007).

min over means μ of  Σ over x  min_k ‖x - μ_k‖²
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from steno_models.crossmodal.segmentation.kernels import DoubleArray
from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray, LongArray

_Count = Annotated[int, Meta(ge=1)]
_BLOCK = 4096
_SAMPLE = 20  # points for each mean among which k-means++ chooses


class KmeansOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How clusters are found.

    Attributes:
        clusters: k.
        rounds: over all points, at most.
        batch: points of a mini-batch; None looks at all points in every round.
        seed: of the first means and of the batches.
    """

    clusters: int
    rounds: _Count = 50
    batch: _Count | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be searched for."""
        if self.clusters < 1:
            raise ConfigError(f"expected one cluster or more, found {self.clusters}")


@dataclass(frozen=True, slots=True)
class Clusters:
    """Points by what they lie with.

    Attributes:
        means: (K, D) float32.
        labels: (N,) the nearest mean of each point.
        inertia: Σ ‖x - μ‖² at the labels of each round, and at last of the result.
    """

    means: FloatArray
    labels: LongArray
    inertia: list[float]


def kmeans(
    points: FloatArray,
    options: KmeansOptions,
    *,
    start: FloatArray | None = None,
    report: Callable[[float], None] = lambda _: None,
) -> Clusters:
    """Return `points`, (N, D), in clusters.

    With a `batch` each mean moves towards the points of random batches, by one over how many
    points it has seen (Sculley 2010); without, it is the mean of its points. A mean without points
    stays where it is.

    Args:
        points: (N, D) finite.
        options: how to search.
        start: (K, D) means to begin with; None chooses them by k-means++.
        report: is told the inertia after each round; of batches as it was while they came.

    Raises:
        DataError: there are fewer points than clusters, or some are not finite.
    """
    N, K = len(points), options.clusters
    if N < K:
        raise DataError(f"expected a point for each of {K} clusters, found {N}")
    if not np.isfinite(points).all():
        broken = int((~np.isfinite(points).all(axis=1)).sum())
        raise DataError(f"expected finite points, found {broken} of {N} that are not")
    random = np.random.default_rng(options.seed)
    means = plus_plus(points, K, random) if start is None else start.astype(np.float32)
    if options.batch is not None and options.batch < N:
        means = _by_batches(points, means, options, random, report)
        return _settled(points, means, [])
    inertia: list[float] = []
    labels: LongArray | None = None
    for _ in range(options.rounds):
        found, distances = nearest(points, means)
        inertia.append(float(distances.sum()))
        report(inertia[-1])
        if labels is not None and (found == labels).all():
            return Clusters(means, found, inertia)
        labels = found
        means = means_of(points, labels, means)
    return _settled(points, means, inertia)


def nearest(points: FloatArray, means: FloatArray) -> tuple[LongArray, DoubleArray]:
    """Return (N,) the nearest of the (K, D) `means` to each point, and the squared distances."""
    labels = np.empty(len(points), np.int64)
    distances = np.empty(len(points))
    halves = 0.5 * np.einsum("kd,kd->k", means, means)
    turned = np.ascontiguousarray(means.T)
    for first in range(0, len(points), _BLOCK):
        block = points[first : first + _BLOCK]
        scores = block @ turned
        scores -= halves
        own = scores.argmax(axis=1)
        labels[first : first + _BLOCK] = own
        # The difference itself: the short form loses what is left of near points.
        gap = (block - means[own]).astype(np.float64)
        distances[first : first + _BLOCK] = np.einsum("nd,nd->n", gap, gap)
    return labels, distances


def means_of(points: FloatArray, labels: LongArray, before: FloatArray) -> FloatArray:
    """Return (K, D) the mean of the points of each label; without any, that of `before`."""
    counts = np.bincount(labels, minlength=len(before))
    sums = np.zeros(before.shape)
    np.add.at(sums, labels, points)
    means = before.astype(np.float32)
    filled = counts > 0
    means[filled] = sums[filled] / counts[filled, None]
    return means


def cluster_names(labels: LongArray) -> list[str]:
    """Return a name for each piece by its cluster."""
    return [f"c{label}" for label in labels.tolist()]


def plus_plus(points: FloatArray, clusters: int, random: np.random.Generator) -> FloatArray:
    """Return (K, D) of the `points` that are likely far from each other.

    Each is drawn in proportion to its squared distance from the nearest before it. Of many points
    a random sample is looked at.
    """
    N = len(points)
    if _SAMPLE * clusters < N:
        points = points[np.sort(random.choice(N, _SAMPLE * clusters, replace=False))]
        N = len(points)
    chosen = [int(random.integers(N))]
    squares = np.einsum("nd,nd->n", points, points)
    least = np.full(N, np.inf)
    for _ in range(clusters - 1):
        last = points[chosen[-1]]
        distances = np.maximum(squares - 2.0 * (points @ last) + last @ last, 0.0)
        np.minimum(least, distances, out=least)
        least[chosen[-1]] = 0.0
        total = least.cumsum()
        place = int(np.searchsorted(total, random.uniform() * total[-1], side="right"))
        chosen.append(min(place, N - 1))
    means: FloatArray = points[chosen].astype(np.float32)
    return means


def _by_batches(
    points: FloatArray,
    means: FloatArray,
    options: KmeansOptions,
    random: np.random.Generator,
    report: Callable[[float], None],
) -> FloatArray:
    size = options.batch or len(points)
    seen = np.zeros(len(means))
    means = means.copy()
    for _ in range(options.rounds):
        order = random.permutation(len(points))
        inertia = 0.0
        for first in range(0, len(points), size):
            batch = points[order[first : first + size]]
            labels, distances = nearest(batch, means)
            inertia += float(distances.sum())
            counts = np.bincount(labels, minlength=len(means))
            seen += counts
            sums = np.zeros(means.shape)
            np.add.at(sums, labels, batch)
            hit = counts > 0
            share = (counts[hit] / seen[hit])[:, None]
            means[hit] = (1.0 - share) * means[hit] + share * sums[hit] / counts[hit, None]
        report(inertia)
    return means


def _settled(points: FloatArray, means: FloatArray, inertia: list[float]) -> Clusters:
    labels, distances = nearest(points, means)
    return Clusters(means, labels, [*inertia, float(distances.sum())])
