"""Mel-frequency cepstra as Kaldi computes them, whole and incrementally.

Davis & Mermelstein 1980: the discrete cosine transform of log-mel energies packs the smooth shape
of the spectrum into a few nearly uncorrelated numbers, which is what Gaussians with diagonal
covariance want. 13 cepstra with C0 instead of the frame's energy, from 23 bins between 20 Hz and
8 kHz, liftered with 22; `extractor.py` has the framing.
"""

import kaldi_native_fbank as knf

from steno_models.features.extractor import StreamingKaldiExtractor, frame_options
from steno_models.types import FloatArray

NUM_CEPSTRA = 13


def _options() -> knf.MfccOptions:
    options = knf.MfccOptions()
    options.frame_opts = frame_options()
    options.mel_opts.num_bins = 23
    options.mel_opts.low_freq = 20.0
    options.mel_opts.high_freq = 0.0  # counted from 8 kHz
    options.num_ceps = NUM_CEPSTRA
    options.use_energy = False
    return options


class StreamingMfcc(StreamingKaldiExtractor):
    """The incremental form: samples in, frames of (13,) float32 cepstra out."""

    def __init__(self) -> None:
        super().__init__(knf.OnlineMfcc(_options()))


def mfcc(samples: FloatArray) -> FloatArray:
    """Return (T, 13) float32 cepstra of `samples`, (N,) float32 in [-1, 1] at 16 kHz."""
    return StreamingMfcc().accept(samples)
