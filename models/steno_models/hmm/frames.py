"""What the states emit: MFCC, normalised, with their derivatives or neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.features.deltas import add_deltas
from steno_models.hmm.kernels import F64
from steno_models.hmm.lda import splice
from steno_models.types import FloatArray


def observations(mfccs: Sequence[FloatArray]) -> list[FloatArray]:
    """Return (T, 39) frames for each of `mfccs`, (T, 13), the recordings of one speaker.

    Mean and variance of every feature are brought to 0 and 1 over all of them together: a second
    of speech alone says little about a voice and a room.
    """
    return normalised([add_deltas(m) for m in mfccs])


def normalised(recordings: Sequence[FloatArray]) -> list[FloatArray]:
    """Return `recordings`, each (T, F), with mean 0 and variance 1 over all of them together."""
    pooled = np.concatenate(recordings)
    mean, std = pooled.mean(axis=0), pooled.std(axis=0) + np.float32(1e-5)
    return [np.asarray((frames - mean) / std, np.float32) for frames in recordings]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """From a speaker's normalised cepstra to what the states emit.

    Attributes:
        matrix: (D, (2c + 1) F) float64 map of each frame between its neighbours (LDA, with or
            without a semi-tied transform behind it); None for cepstra with their slopes.
    """

    matrix: F64 | None = None

    def __call__(self, cepstra: FloatArray) -> FloatArray:
        """Return (T, D) float32 frames of `cepstra`, (T, F)."""
        if self.matrix is None:
            return add_deltas(cepstra)
        context = (self.matrix.shape[1] // cepstra.shape[1] - 1) // 2
        return np.asarray(splice(cepstra, context) @ self.matrix.T.astype(np.float32))
