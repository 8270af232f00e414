"""What the states emit: MFCC, their first and second derivatives, normalised."""

from collections.abc import Sequence

import numpy as np

from steno_models.features.deltas import add_deltas
from steno_models.types import FloatArray


def observations(mfccs: Sequence[FloatArray]) -> list[FloatArray]:
    """Return (T, 39) frames for each of `mfccs`, (T, 13), the recordings of one speaker.

    Mean and variance of every feature are brought to 0 and 1 over all of them together: a second
    of speech alone says little about a voice and a room.
    """
    whole = [add_deltas(m) for m in mfccs]
    pooled = np.concatenate(whole)
    mean, std = pooled.mean(axis=0), pooled.std(axis=0) + np.float32(1e-5)
    return [np.asarray((frames - mean) / std, np.float32) for frames in whole]
