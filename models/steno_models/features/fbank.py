"""Log-mel filter bank energies as Kaldi computes them, whole and incrementally.

80 triangular bins on the mel scale from 20 Hz to 7.6 kHz, natural logarithm of their energy;
`extractor.py` has the framing.
"""

import kaldi_native_fbank as knf

from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
    FRAME_SHIFT_SAMPLES,
    SAMPLE_RATE,
    StreamingExtractor,
    frame_options,
)
from steno_models.types import FloatArray

__all__ = [
    "FRAME_LENGTH_SAMPLES",
    "FRAME_SHIFT_SAMPLES",
    "NUM_BINS",
    "SAMPLE_RATE",
    "StreamingFbank",
    "fbank",
    "mel_options",
]

NUM_BINS = 80


def mel_options() -> knf.MelBanksOptions:
    """Return the filter bank: its bins and the band that they share."""
    options = knf.MelBanksOptions()
    options.num_bins = NUM_BINS
    options.low_freq = 20.0
    options.high_freq = -400.0  # counted from 8 kHz
    return options


def _options() -> knf.FbankOptions:
    options = knf.FbankOptions()
    options.frame_opts = frame_options()
    options.mel_opts = mel_options()
    return options


class StreamingFbank(StreamingExtractor):
    """The incremental form: samples in, frames of (80,) float32 log-mel energies out."""

    def __init__(self) -> None:
        super().__init__(knf.OnlineFbank(_options()))


def fbank(samples: FloatArray) -> FloatArray:
    """Return (T, F) float32 log-mel energies of `samples`, (N,) float32 in [-1, 1] at 16 kHz."""
    return StreamingFbank().accept(samples)
