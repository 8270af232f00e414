"""The ways to cut speech into pieces, each by its name."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np

from steno_models.crossmodal.clusters import cluster_names
from steno_models.crossmodal.segmentation import bes_gmm, es_kmeans
from steno_models.crossmodal.segmentation.landmarks import (
    Candidates,
    LandmarkOptions,
    Stretch,
    candidates,
    recordings,
    speaking,
    stretches,
)
from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.crossmodal.speech import SHIFT_S, Speech, border_s
from steno_models.types import LongArray

_AT_ONCE = 64  # recordings
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
    *,
    taught_by: int | None = None,
    cutting: Callable[[int], None] = lambda _: None,
) -> list[Recording]:
    """Return the pieces of embedded segmental k-means, named by their clusters.

    Args:
        speech: what is cut.
        landmarks: what may be a piece.
        options: how pieces are found.
        report: is told the objective after each round.
        taught_by: so many recordings, drawn by chance, teach the means by which all are then cut,
            one after the other: memory does not grow with the hours. None lets all teach.
        cutting: is told then of so many recordings more that are cut.
    """
    if taught_by is None or taught_by >= len(speech):
        found = candidates(speech, landmarks)
        return _named(speech, found.stretches, es_kmeans.segment(found, options, report))
    teachers = _drawn(speech, taught_by, options.seed)
    means = es_kmeans.segment(candidates(speech, landmarks, teachers), options, report).means
    return _cut(
        speech, landmarks, lambda own: es_kmeans.by_known_means(own, means, options), cutting
    )


def by_mixture(
    speech: Speech,
    landmarks: LandmarkOptions,
    options: bes_gmm.BesGmmOptions,
    report: Callable[[float], None],
    *,
    taught_by: int | None = None,
    cutting: Callable[[int], None] = lambda _: None,
) -> list[Recording]:
    """Return pieces drawn by the Bayesian mixture, named by their clusters; see `by_means`."""
    if taught_by is None or taught_by >= len(speech):
        found = candidates(speech, landmarks)
        return _named(speech, found.stretches, bes_gmm.segment(found, options, report))
    teachers = _drawn(speech, taught_by, options.seed)
    mixture = bes_gmm.sampled(candidates(speech, landmarks, teachers), options, report)[1]
    random = np.random.default_rng(options.seed)
    return _cut(
        speech, landmarks, lambda own: bes_gmm.by_known_mixture(own, mixture, random), cutting
    )


def _drawn(speech: Speech, number: int, seed: int) -> list[int]:
    """Return `number` recordings, drawn by chance."""
    chosen = np.random.default_rng(seed).choice(len(speech), number, replace=False)
    return [int(place) for place in np.sort(chosen)]


def _cut(
    speech: Speech,
    landmarks: LandmarkOptions,
    cut: Callable[[Candidates], tuple[list[LongArray], list[LongArray]]],
    cutting: Callable[[int], None],
) -> list[Recording]:
    """Return the pieces of all recordings, a few at a time; `cut` gives their ends and labels."""
    parts: list[Stretch] = []
    ends, names = [], []
    for first in range(0, len(speech), _AT_ONCE):
        places = range(first, min(first + _AT_ONCE, len(speech)))
        found = candidates(speech, landmarks, places)
        own_ends, labels = cut(found)
        parts += found.stretches
        ends += own_ends
        names += [cluster_names(own) for own in labels]
        cutting(len(places))
    return recordings(speech, tuple(parts), ends, names)


def _named(
    speech: Speech, parts: tuple[Stretch, ...], made: es_kmeans.Segmentation
) -> list[Recording]:
    names = [cluster_names(own) for own in made.labels]
    return recordings(speech, parts, made.ends, names)


def _timed(speech: Speech, found: list[list[tuple[int, int]]]) -> list[Recording]:
    made: list[Recording] = []
    for place, own in enumerate(found):
        T = speech.frames(place)
        segments = tuple(Segment(border_s(a, T), border_s(b, T)) for a, b in own if b > a)
        made.append(Recording(key=speech.keys[place], segments=segments))
    return made
