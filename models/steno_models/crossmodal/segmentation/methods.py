"""The ways to cut speech into pieces, each by its name."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np

from steno_models.crossmodal.segmentation import bes_gmm, es_kmeans
from steno_models.crossmodal.segmentation.landmarks import (
    LandmarkOptions,
    Stretch,
    candidates,
    recordings,
    speaking,
    stretches,
)
from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.crossmodal.speech import SHIFT_S, Speech, border_s

MethodName = Literal["es-kmeans", "bes-gmm", "syllables", "equal"]
METHODS: tuple[MethodName, ...] = ("es-kmeans", "bes-gmm", "syllables", "equal")


def by_syllables(speech: Speech, options: LandmarkOptions) -> list[Recording]:
    """Return the pieces from each landmark to the next."""
    found = [
        [(first, last) for borders in stretches(speech, place, options)
         for first, last in pairwise(borders.tolist())]
        for place in range(len(speech))
    ]  # fmt: skip
    return _timed(speech, found)


def by_clock(speech: Speech, options: LandmarkOptions, piece_s: float) -> list[Recording]:
    """Return pieces of `piece_s` seconds, as nearly as each stretch of speech divides."""
    found: list[list[tuple[int, int]]] = []
    for place in range(len(speech)):
        own: list[tuple[int, int]] = []
        for first, last in speaking(speech.loudness(place), options):
            number = max(1, round((last - first) * SHIFT_S / piece_s))
            edges = np.round(np.linspace(first, last, number + 1)).astype(np.int64)
            own += pairwise(edges.tolist())
        found.append(own)
    return _timed(speech, found)


def by_means(
    speech: Speech,
    landmarks: LandmarkOptions,
    options: es_kmeans.EsKmeansOptions,
    report: Callable[[float], None],
) -> list[Recording]:
    """Return the pieces of embedded segmental k-means, named by their clusters."""
    found = candidates(speech, landmarks)
    return _named(speech, found.stretches, es_kmeans.segment(found, options, report))


def by_mixture(
    speech: Speech,
    landmarks: LandmarkOptions,
    options: bes_gmm.BesGmmOptions,
    report: Callable[[float], None],
) -> list[Recording]:
    """Return pieces drawn by the Bayesian mixture, named by their clusters."""
    found = candidates(speech, landmarks)
    return _named(speech, found.stretches, bes_gmm.segment(found, options, report))


def _named(
    speech: Speech, parts: tuple[Stretch, ...], made: es_kmeans.Segmentation
) -> list[Recording]:
    names = [[f"c{label}" for label in own.tolist()] for own in made.labels]
    return recordings(speech, parts, made.ends, names)


def _timed(speech: Speech, found: list[list[tuple[int, int]]]) -> list[Recording]:
    made: list[Recording] = []
    for place, own in enumerate(found):
        T = speech.frames(place)
        segments = tuple(Segment(border_s(a, T), border_s(b, T)) for a, b in own if b > a)
        made.append(Recording(key=speech.keys[place], segments=segments))
    return made
