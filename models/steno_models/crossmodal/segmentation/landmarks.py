"""Where pieces may end, which pieces there may be, and the vectors of all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from steno_models.crossmodal.segmentation.embedding import downsampled
from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.crossmodal.segmentation.syllables import DEPTH, syllable_borders
from steno_models.crossmodal.speech import Speech, border_s
from steno_models.errors import DataError
from steno_models.types import FloatArray, IntArray, LongArray

BoolArray = NDArray[np.bool_]
_Count = Annotated[int, Meta(ge=1)]
_NONE = -1
_SMOOTHED = 5  # frames


class LandmarkOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be a piece.

    Attributes:
        depth: of a valley of sonority that is a landmark.
        most: steps from landmark to landmark that a piece may have.
        longest_frames: of a piece of several steps.
        quiet: speech is louder than the quietest frames by this share of the recording's range.
        pause_frames: what is quiet for less is no pause.
    """

    depth: float = DEPTH
    most: _Count = 6
    longest_frames: _Count = 100
    quiet: float = 0.1
    pause_frames: _Count = 12


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech between two pauses.

    Attributes:
        place: of the recording.
        borders: (L + 1,) frames of the landmarks, its first and its last with them.
        pieces: (L, W) int32 [j, m] the number of the piece of m + 1 steps that ends after step j,
            among all candidates; -1 if there may be none.
    """

    place: int
    borders: LongArray
    pieces: IntArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """All pieces that there may be.

    Attributes:
        stretches: of all recordings.
        vectors: (P, D) of all pieces.
        frames: (P,) int64 how long each is.
    """

    stretches: tuple[Stretch, ...]
    vectors: FloatArray
    frames: LongArray


def speaking(loudness: FloatArray, options: LandmarkOptions) -> list[tuple[int, int]]:
    """Return the first frame and the one after the last of each stretch of speech, in order.

    Args:
        loudness: (T,) log energies.
        options: what is quiet, and for how long.
    """
    T = len(loudness)
    window = np.ones(_SMOOTHED) / _SMOOTHED
    padded = np.pad(loudness.astype(np.float64), _SMOOTHED // 2, mode="edge")
    smooth = np.convolve(padded, window, mode="valid")[:T]
    low, high = np.percentile(smooth, [2, 95])
    loud = smooth >= low + options.quiet * (high - low)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for first, last in edges.reshape(-1, 2).tolist():
        if found and first - found[-1][1] < options.pause_frames:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found or [(0, T)]


def stretches(speech: Speech, place: int, options: LandmarkOptions) -> list[LongArray]:
    """Return the landmarks of each stretch of speech of recording number `place`, (L + 1,)."""
    inside = syllable_borders(speech.sonority(place), options.depth)
    return [
        np.concatenate([[first], inside[(inside > first + 1) & (inside < last - 1)], [last]])
        for first, last in speaking(speech.loudness(place), options)
    ]


def candidates(
    speech: Speech, options: LandmarkOptions, places: Iterable[int] | None = None
) -> Candidates:
    """Return all pieces that there may be.

    Args:
        speech: the recordings.
        options: what may be a piece.
        places: of the recordings that are looked at; None looks at all.

    Raises:
        DataError: there is no frame in them.
    """
    found: list[Stretch] = []
    vectors: list[FloatArray] = []
    frames: list[LongArray] = []
    known = 0
    for place in range(len(speech)) if places is None else places:
        firsts: list[int] = []
        lasts: list[int] = []
        for borders in stretches(speech, place, options):
            pieces = np.full((len(borders) - 1, options.most), _NONE, np.int32)
            for j, last in enumerate(borders[1:].tolist()):
                for m in range(min(options.most, j + 1)):
                    first = int(borders[j - m])
                    if m == 0 or last - first <= options.longest_frames:
                        pieces[j, m] = known + len(firsts)
                        firsts.append(first)
                        lasts.append(last)
            found.append(Stretch(place, borders, pieces))
        begin, stop = np.array(firsts, np.int64), np.array(lasts, np.int64)
        vectors.append(downsampled(speech.cepstra(place), begin, stop))
        frames.append(stop - begin)
        known += len(firsts)
    if known == 0:
        raise DataError("expected speech with frames in it, found none")
    return Candidates(tuple(found), np.concatenate(vectors), np.concatenate(frames))


def chosen_pieces(stretch: Stretch, ends: LongArray) -> LongArray:
    """Return the numbers of the pieces that end after `ends` steps, one after the other."""
    steps = np.diff(ends, prepend=0)
    found: LongArray = stretch.pieces[ends - 1, steps - 1].astype(np.int64)
    return found


def random_ends(stretch: Stretch, random: np.random.Generator) -> LongArray:
    """Return (S,) the ends of a segmentation by chance, of pieces that there may be."""
    ends: list[int] = []
    j, L = 0, len(stretch.pieces)
    while j < L:
        room = [m + 1 for m in range(min(stretch.pieces.shape[1], L - j))
                if stretch.pieces[j + m, m] != _NONE]  # fmt: skip
        j += int(random.choice(room))
        ends.append(j)
    return np.array(ends, np.int64)


def recordings(
    speech: Speech,
    parts: tuple[Stretch, ...],
    ends: list[LongArray],
    names: list[list[str]] | None = None,
) -> list[Recording]:
    """Return the pieces of every recording in time.

    Args:
        speech: that they are of.
        parts: the stretches.
        ends: of the segments of each stretch, in steps.
        names: of the segments; None gives none.
    """
    found: list[list[Segment]] = [[] for _ in speech.keys]
    for number, (stretch, stops) in enumerate(zip(parts, ends, strict=True)):
        T = speech.frames(stretch.place)
        borders = stretch.borders[np.concatenate([[0], stops])].tolist()
        for place, (first, last) in enumerate(pairwise(borders)):
            name = names[number][place] if names is not None else ""
            found[stretch.place].append(Segment(border_s(first, T), border_s(last, T), name))
    return [Recording(key=k, segments=tuple(s)) for k, s in zip(speech.keys, found, strict=True)]
