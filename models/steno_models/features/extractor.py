"""What extracts features, behind one door: samples in, finished frames out.

The whole and the incremental form of every feature run through here, so both give the same
numbers for any chunking. Framing is the same for all features: 25 ms Povey windows every 10 ms
(100 frames a second) at 16 kHz, no dither, `snip_edges` (no frame reaches past the last sample).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import kaldi_native_fbank as knf
import numpy as np

from steno_models.types import FloatArray

SAMPLE_RATE = 16_000
FRAME_SHIFT_SAMPLES = 160
FRAME_LENGTH_SAMPLES = 400

# Kaldi wants a list of Python floats, 32 bytes a sample, so it never has a whole hour at once.
_BLOCK_SAMPLES = 1 << 16


def frames_of(samples: int) -> int:
    """Return how many frames so many samples complete."""
    return max(0, 1 + (samples - FRAME_LENGTH_SAMPLES) // FRAME_SHIFT_SAMPLES)


class KaldiExtractor(Protocol):
    """What `OnlineFbank` and `OnlineMfcc` have in common."""

    dim: int
    num_frames_ready: int

    def accept_waveform(self, sampling_rate: float, waveform: Sequence[float]) -> None:
        """Append samples on the scale of 16-bit integers."""

    def get_frame(self, frame: int) -> FloatArray:
        """Return frame number `frame`, (F,): a view into the extractor's own memory."""

    def pop(self, frames: int) -> None:
        """Forget the oldest `frames` frames; their numbers stay taken."""


def frame_options() -> knf.FrameExtractionOptions:
    """Return the framing that every feature shares."""
    options = knf.FrameExtractionOptions()
    options.samp_freq = SAMPLE_RATE
    options.frame_shift_ms = 1000 * FRAME_SHIFT_SAMPLES / SAMPLE_RATE
    options.frame_length_ms = 1000 * FRAME_LENGTH_SAMPLES / SAMPLE_RATE
    options.dither = 0.0
    options.snip_edges = True
    return options


class StreamingExtractor(ABC):
    """The incremental form of a feature: samples in, the frames that they complete out."""

    def accept(self, samples: FloatArray) -> FloatArray:
        """Return the new frames, (T, F) float32, after `samples`, (N,) float32 in [-1, 1]."""
        blocks = [
            self._accept_block(samples[start : start + _BLOCK_SAMPLES])
            for start in range(0, max(len(samples), 1), _BLOCK_SAMPLES)
        ]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    @abstractmethod
    def _accept_block(self, samples: FloatArray) -> FloatArray:
        """Return the new frames after samples that are not too many."""


class StreamingKaldiExtractor(StreamingExtractor):
    """One of Kaldi's."""

    def __init__(self, extractor: KaldiExtractor) -> None:
        self._extractor = extractor
        self._taken_frames = 0

    def _accept_block(self, samples: FloatArray) -> FloatArray:
        # Kaldi's scale is that of 16-bit integers; it only shifts the log energies.
        self._extractor.accept_waveform(SAMPLE_RATE, (samples * 32768.0).tolist())
        ready = self._extractor.num_frames_ready
        frames = np.empty((ready - self._taken_frames, self._extractor.dim), np.float32)
        for row, index in zip(frames, range(self._taken_frames, ready), strict=True):
            row[:] = self._extractor.get_frame(index)  # copied: `pop` frees what it views
        self._extractor.pop(len(frames))
        self._taken_frames = ready
        return frames
