"""Embedded segmental k-means (Kamper, Livescu, Goldwater 2017): pieces, and what sounds alike.

    min over segmentations Q and means μ of  Σ over pieces x of Q  len(x)^p min_k ‖x - μ_k‖²

with p = 1 in the paper; larger powers make shorter pieces cheaper. The best segmentation of each
stretch under the means is found by a dynamic programme; then each mean is that of its pieces, with
the same weights. Neither step can raise the objective.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from steno_models.crossmodal.clusters import nearest, plus_plus
from steno_models.crossmodal.segmentation.kernels import DoubleArray, best_path
from steno_models.crossmodal.segmentation.landmarks import (
    Candidates,
    Stretch,
    chosen_pieces,
    random_ends,
)
from steno_models.types import FloatArray, LongArray

_Count = Annotated[int, Meta(ge=1)]


class EsKmeansOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it is searched.

    Attributes:
        clusters: None for a fifth as many as there are steps from landmark to landmark.
        rounds: at most.
        power: p of the length of a piece.
        seed: of the first segmentation and the first means.
    """

    clusters: _Count | None = None
    rounds: _Count = 15
    power: Annotated[float, Meta(gt=0)] = 1.0
    seed: int = 0

    def clusters_for(self, parts: tuple[Stretch, ...]) -> int:
        """Return how many clusters speech of these stretches gets."""
        return self.clusters or max(2, sum(len(each.pieces) for each in parts) // 5)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Which pieces were chosen, and what they are.

    Attributes:
        ends: of the pieces of each stretch, (S,) in steps.
        labels: of them, (S,) clusters.
        objective: after each round: what is minimised, or a log probability.
        means: (K, D) of the clusters.
    """

    ends: list[LongArray]
    labels: list[LongArray]
    objective: list[float]
    means: FloatArray


def segment(
    found: Candidates,
    options: EsKmeansOptions,
    report: Callable[[float], None] = lambda _: None,
) -> Segmentation:
    """Return the segmentation to which a random one leads.

    Args:
        found: all pieces that there may be.
        options: how to search.
        report: is told the objective after each round.
    """
    random = np.random.default_rng(options.seed)
    ends = [random_ends(each, random) for each in found.stretches]
    chosen = _chosen(found, ends)
    K = min(options.clusters_for(found.stretches), len(chosen))
    means = plus_plus(found.vectors[chosen], K, random)
    weights: DoubleArray = (found.frames**options.power).astype(np.float64)
    objective: list[float] = []
    while True:
        labels, distances = nearest(found.vectors, means)
        costs = weights * distances
        ends = [best_segmentation(each, costs) for each in found.stretches]
        chosen = _chosen(found, ends)
        objective.append(float(costs[chosen].sum()))
        report(objective[-1])
        settled = len(objective) > 1 and objective[-1] >= objective[-2] * (1.0 - 1e-6)
        if settled or len(objective) >= options.rounds:
            break
        means = weighted_means(found.vectors[chosen], weights[chosen], labels[chosen], means)
    named = [labels[chosen_pieces(s, e)] for s, e in zip(found.stretches, ends, strict=True)]
    return Segmentation(ends, named, objective, means)


def best_segmentation(stretch: Stretch, costs: DoubleArray) -> LongArray:
    """Return (S,) the ends of the cheapest segmentation of `stretch`.

    Args:
        stretch: with the numbers of its pieces.
        costs: (P,) of all pieces.
    """
    allowed = stretch.pieces >= 0
    table = np.where(allowed, costs[np.maximum(stretch.pieces, 0)], np.inf)
    ends: LongArray = best_path(table)[1]
    return ends


def by_known_means(
    found: Candidates, means: FloatArray, options: EsKmeansOptions
) -> tuple[list[LongArray], list[LongArray]]:
    """Return the ends and the labels of the best segmentation under `means` that others taught."""
    labels, distances = nearest(found.vectors, means)
    costs = found.frames**options.power * distances
    ends = [best_segmentation(each, costs) for each in found.stretches]
    return ends, [labels[chosen_pieces(s, e)] for s, e in zip(found.stretches, ends, strict=True)]


def weighted_means(
    vectors: FloatArray, weights: DoubleArray, labels: LongArray, before: FloatArray
) -> FloatArray:
    """Return (K, D) the weighted means of the (P, D) `vectors` by their `labels`.

    A cluster without pieces keeps the mean that it had `before`.
    """
    totals = np.bincount(labels, weights, minlength=len(before))
    sums = np.zeros(before.shape)
    np.add.at(sums, labels, weights[:, None] * vectors)
    filled = totals > 0
    means = before.copy()
    means[filled] = sums[filled] / totals[filled, None]
    return means


def _chosen(found: Candidates, ends: list[LongArray]) -> LongArray:
    return np.concatenate([chosen_pieces(s, e) for s, e in zip(found.stretches, ends, strict=True)])
