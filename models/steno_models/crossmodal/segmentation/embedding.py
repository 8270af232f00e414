"""Pieces of any length as vectors of one: a few frames, evenly spaced (Levin et al. 2013)."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from steno_models.crossmodal.segmentation.segments import Span
from steno_models.crossmodal.sounds import Sounds
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

FRAMES = 10
_SHORTEST = 1e-12


def downsampled(
    cepstra: FloatArray, firsts: LongArray, lasts: LongArray, frames: int = FRAMES
) -> FloatArray:
    """Return (P, frames F) vectors of length 1 of pieces of `cepstra`.

    A piece is read at evenly spaced moments from its first to its last frame, between two frames
    in proportion. Length 1 makes distances comparable (Kamper et al. 2017).

    Args:
        cepstra: (T, F).
        firsts: (P,) first frame of each piece.
        lasts: (P,) the one after its last.
        frames: of each vector.

    Raises:
        DataError: a piece has no frame, or lies outside.
    """
    if len(firsts) and ((lasts <= firsts).any() or firsts.min() < 0 or lasts.max() > len(cepstra)):
        raise DataError(f"expected pieces of at least one of {len(cepstra)} frames, found others")
    share = np.linspace(0.0, 1.0, frames)
    moments = firsts[:, None] + share * (lasts - 1 - firsts)[:, None]
    below = np.floor(moments).astype(np.int64)
    above = np.minimum(below + 1, (lasts - 1)[:, None])
    part = (moments - below)[..., None].astype(np.float32)
    read = (1.0 - part) * cepstra[below] + part * cepstra[above]
    flat = read.reshape(len(firsts), -1)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    scaled: FloatArray = (flat / np.maximum(lengths, _SHORTEST)).astype(np.float32)
    return scaled


def embedded(sounds: Sounds, spans: Sequence[Span]) -> FloatArray:
    """Return (P, D) vectors of `spans`, which stand recording by recording."""
    parts: list[FloatArray] = []
    for place, own in groupby(spans, key=lambda span: span.place):
        rows = np.array([(span.first, span.last) for span in own], np.int64)
        parts.append(sounds.vectors(place, rows[:, 0], rows[:, 1]))
    return np.concatenate(parts)
