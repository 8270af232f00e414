"""Log-mel filter bank energies as Kaldi computes them, whole and incrementally.

80 triangular bins on the mel scale from 20 Hz to 7.6 kHz, natural logarithm of their energy;
`extractor.py` has the framing, `spectra.py` the arithmetic. It is our own because every session
pays for it all the time: Kaldi's incremental form takes lists of Python's numbers.
"""

import numpy as np

from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
    FRAME_SHIFT_SAMPLES,
    SAMPLE_RATE,
    StreamingExtractor,
    frames_of,
)
from steno_models.features.spectra import NUM_BINS, log_mel, power_spectra
from steno_models.types import FloatArray

__all__ = [
    "FRAME_LENGTH_SAMPLES",
    "FRAME_SHIFT_SAMPLES",
    "NUM_BINS",
    "SAMPLE_RATE",
    "StreamingFbank",
    "fbank",
]


class StreamingFbank(StreamingExtractor):
    """The incremental form: samples in, frames of (80,) float32 log-mel energies out."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def _accept_block(self, samples: FloatArray) -> FloatArray:
        known = np.concatenate([self._rest, samples])
        frames = frames_of(len(known))
        self._rest = known[frames * FRAME_SHIFT_SAMPLES :].copy()
        if not frames:
            return np.zeros((0, NUM_BINS), np.float32)
        return log_mel(power_spectra(known))


def fbank(samples: FloatArray) -> FloatArray:
    """Return (T, F) float32 log-mel energies of `samples`, (N,) float32 in [-1, 1] at 16 kHz."""
    return StreamingFbank().accept(samples)
