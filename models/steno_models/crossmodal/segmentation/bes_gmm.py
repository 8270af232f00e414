"""Bayesian embedded segmental mixture (Kamper, Jansen, Goldwater 2017): Gibbs sampling.

For each stretch in turn: take its pieces out of the mixture, draw a segmentation from

    P(Q | speech but this) ∝ Π over pieces x of Q  p(x | mixture)^len(x),

then a cluster for each of its pieces, and put them back. The pieces of one stretch are drawn as if
they did not know of each other, as in the paper.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from steno_models.crossmodal.segmentation.es_kmeans import EsKmeansOptions, Segmentation
from steno_models.crossmodal.segmentation.es_kmeans import segment as by_means
from steno_models.crossmodal.segmentation.kernels import DoubleArray, drawn_path
from steno_models.crossmodal.segmentation.landmarks import (
    Candidates,
    Stretch,
    chosen_pieces,
    random_ends,
)
from steno_models.crossmodal.segmentation.mixture import Mixture, MixtureOptions, draw, log_total
from steno_models.types import LongArray

_Count = Annotated[int, Meta(ge=1)]


class BesGmmOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it is sampled.

    Attributes:
        clusters: K; None for a fifth as many as there are steps from landmark to landmark.
        sweeps: over all stretches; the last one's segmentation is kept.
        cooling: sweeps over which probabilities are sharpened on a line, from the power 0.1 to 1.
        from_means: rounds of ES-KMeans to begin with; 0 begins at random.
        mixture: the priors.
        seed: of everything random.
    """

    clusters: _Count | None = None
    sweeps: _Count = 15
    cooling: Annotated[int, Meta(ge=0)] = 5
    from_means: Annotated[int, Meta(ge=0)] = 0
    mixture: MixtureOptions = MixtureOptions()
    seed: int = 0


def segment(
    found: Candidates,
    options: BesGmmOptions,
    report: Callable[[float], None] = lambda _: None,
) -> Segmentation:
    """Return a segmentation drawn from its posterior; see `sampled`."""
    return sampled(found, options, report)[0]


def sampled(
    found: Candidates,
    options: BesGmmOptions,
    report: Callable[[float], None] = lambda _: None,
) -> tuple[Segmentation, Mixture]:
    """Return a segmentation drawn from its posterior, and the mixture of its pieces.

    Args:
        found: all pieces that there may be.
        options: how to sample.
        report: is told after each sweep Σ len(x) ln p(x) of the pieces as they were drawn.
    """
    random = np.random.default_rng(options.seed)
    K = EsKmeansOptions(clusters=options.clusters).clusters_for(found.stretches)
    ends, labels = _start(found, options, K, random)
    mixture = Mixture(K, found.vectors.shape[1], options.mixture)
    for stretch, stops, own in zip(found.stretches, ends, labels, strict=True):
        mixture.add(found.vectors[chosen_pieces(stretch, stops)], own)
    objective: list[float] = []
    for sweep in range(options.sweeps):
        power = 1.0 if sweep >= options.cooling else 0.1 + 0.9 * sweep / options.cooling
        total = 0.0
        for number in random.permutation(len(found.stretches)).tolist():
            stretch = found.stretches[number]
            mixture.add(found.vectors[chosen_pieces(stretch, ends[number])], labels[number], -1)
            ends[number], logs, score = _resegmented(found, stretch, mixture, power, random)
            labels[number] = draw(power * logs, random)
            mixture.add(found.vectors[chosen_pieces(stretch, ends[number])], labels[number])
            total += score
        objective.append(total)
        report(total)
    return Segmentation(ends, labels, objective, mixture.means), mixture


def by_known_mixture(
    found: Candidates, mixture: Mixture, random: np.random.Generator
) -> tuple[list[LongArray], list[LongArray]]:
    """Return the ends and the labels drawn under a mixture of the pieces of others."""
    ends, labels = [], []
    for stretch in found.stretches:
        stops, logs, _ = _resegmented(found, stretch, mixture, 1.0, random)
        ends.append(stops)
        labels.append(draw(logs, random))
    return ends, labels


def segment_scores(found: Candidates, stretch: Stretch, totals: DoubleArray) -> DoubleArray:
    """Return (L, W) len(x) ln p(x) of the pieces of `stretch`, -inf where there may be none.

    Args:
        found: all pieces.
        stretch: one of its stretches.
        totals: (Q,) ln p(x) of the stretch's pieces, in the order of their numbers.
    """
    allowed = stretch.pieces >= 0
    numbers = stretch.pieces[allowed]
    scores = np.full(stretch.pieces.shape, -np.inf)
    scores[allowed] = found.frames[numbers] * totals[numbers - numbers.min()]
    return scores


def _resegmented(
    found: Candidates,
    stretch: Stretch,
    mixture: Mixture,
    power: float,
    random: np.random.Generator,
) -> tuple[LongArray, DoubleArray, float]:
    """Return the ends of new pieces, (S, K) their joint logarithms, and their score."""
    numbers = stretch.pieces[stretch.pieces >= 0]
    first = int(numbers.min())
    logs = mixture.log_joint(found.vectors[first : int(numbers.max()) + 1])
    scores = segment_scores(found, stretch, log_total(logs))
    ends = drawn_path(power * scores, random.uniform(size=len(scores)))
    steps = np.diff(ends, prepend=0)
    score = float(scores[ends - 1, steps - 1].sum())
    return ends, logs[chosen_pieces(stretch, ends) - first], score


def _start(
    found: Candidates, options: BesGmmOptions, K: int, random: np.random.Generator
) -> tuple[list[LongArray], list[LongArray]]:
    if options.from_means:
        means = EsKmeansOptions(clusters=K, rounds=options.from_means, seed=options.seed)
        begun = by_means(found, means)
        return begun.ends, begun.labels
    ends = [random_ends(each, random) for each in found.stretches]
    return ends, [random.integers(K, size=len(each)) for each in ends]
