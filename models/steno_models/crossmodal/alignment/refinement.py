"""From a rough map to a sharp one: pair what is mutually nearest, turn by these pairs, again."""

from typing import NamedTuple

import numpy as np
from msgspec import Struct

from steno_models.crossmodal.alignment.csls import hubness, partners
from steno_models.crossmodal.alignment.procrustes import procrustes
from steno_models.types import FloatArray, LongArray


class Fit(Struct, frozen=True):
    """How well a map fits, told without any label.

    Attributes:
        csls: mean CSLS of the frequent source words with their best target words.
        cosine: mean cosine of the pairs that are each other's best.
        mutual: share of the source words that are in such a pair.
    """

    csls: float
    cosine: float
    mutual: float


class Refined(NamedTuple):
    """A map and what is known of it.

    Attributes:
        rotation: (D, D) W: a source vector x lies at W x in the target's space.
        fit: of it.
        rounds: of refinement that it took.
    """

    rotation: FloatArray
    fit: Fit
    rounds: int


def fit(source: FloatArray, target: FloatArray, rotation: FloatArray) -> Fit:
    """Return how well `rotation` fits (V, D) `source` to (W, D) `target`, both unit vectors.

    Every measure is comparable only between maps of the same vectors.
    """
    return _look(source, target, rotation)[0]


def refine(
    source: FloatArray, target: FloatArray, rotation: FloatArray, *, rounds: int = 5
) -> Refined:
    """Return `rotation` after up to `rounds` of refinement, or as it was if none was better.

    A round pairs the words that are each other's best under CSLS and solves Procrustes for these
    pairs (Conneau et al. 2018, section 2.2; Chung et al. 2018, section 3.2). The round with the
    highest mean CSLS counts.

    Args:
        source: (V, D) unit vectors of frequent words.
        target: (W, D) likewise.
        rotation: (D, D) to begin with.
        rounds: at most.
    """
    best: Refined | None = None
    for done in range(rounds + 1):
        measured, pairs = _look(source, target, rotation)
        if best is None or measured.csls > best.fit.csls:
            best = Refined(rotation, measured, done)
        if done < rounds and len(pairs):
            rotation = procrustes(source[pairs[:, 0]], target[pairs[:, 1]])
    if best is None:
        raise ValueError(f"expected no negative number of rounds, found {rounds}")
    return best


def _look(source: FloatArray, target: FloatArray, rotation: FloatArray) -> tuple[Fit, LongArray]:
    """Return the fit of `rotation` and the (P, 2) pairs that are each other's best."""
    mapped = source @ rotation.T
    found = partners(mapped, target, hubness(mapped, target))
    pairs = found.mutual()
    cosines = np.einsum("pd,pd->p", mapped[pairs[:, 0]], target[pairs[:, 1]])
    cosine = float(cosines.mean()) if len(pairs) else -1.0
    return Fit(float(found.source_scores.mean()), cosine, len(pairs) / len(source)), pairs
