"""Log-mel filter bank energies as Kaldi computes them, whole and incrementally.

Both forms run the same code of `kaldi-native-fbank` and give the same numbers for any chunking:
25 ms Povey windows every 10 ms (100 frames a second), no dither, `snip_edges`.
"""

import kaldi_native_fbank as knf
import numpy as np

from steno_models.types import FloatArray

SAMPLE_RATE = 16_000
FRAME_SHIFT_SAMPLES = 160
FRAME_LENGTH_SAMPLES = 400
NUM_BINS = 80


def _options() -> knf.FbankOptions:
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = True
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.mel_opts.num_bins = NUM_BINS
    options.mel_opts.low_freq = 20.0
    options.mel_opts.high_freq = -400.0
    return options


class StreamingFbank:
    """The incremental form: samples in, the frames that they complete out."""

    def __init__(self) -> None:
        self._fbank = knf.OnlineFbank(_options())
        self._taken_frames = 0

    def accept(self, samples: FloatArray) -> FloatArray:
        """Return the new frames, (T, F) float32 log-mel energies, after `samples`, (N,) in [-1, 1]."""
        # Kaldi's scale is that of 16-bit integers; it only shifts the log energies.
        self._fbank.accept_waveform(SAMPLE_RATE, (samples * 32768.0).tolist())
        ready = self._fbank.num_frames_ready
        frames = np.empty((ready - self._taken_frames, NUM_BINS), np.float32)
        for row, index in zip(frames, range(self._taken_frames, ready), strict=True):
            # A frame is a view into the extractor's own memory: copied before it is dropped.
            row[:] = self._fbank.get_frame(index)
        self._fbank.pop(len(frames))
        self._taken_frames = ready
        return frames


def fbank(samples: FloatArray) -> FloatArray:
    """Return (T, F) float32 log-mel energies of `samples`, (N,) float32 in [-1, 1] at 16 kHz."""
    return StreamingFbank().accept(samples)
