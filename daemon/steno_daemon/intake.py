"""A client's bytes as samples at 16 kHz, at exact positions of the stream.

The count of a client's own samples decides every position, so that two hours and many `finalize`s
later a second is still a second.
"""

import numpy as np

from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.wire import Start
from steno_models.audio import AudioFormat, PcmDecoder, Resampler
from steno_models.types import FloatArray


class Intake:
    """Decodes and resamples one stream; its bytes may be cut anywhere."""

    def __init__(self, start: Start) -> None:
        self.format = AudioFormat.named(
            start.encoding.removeprefix("pcm_"), start.rate, start.channels
        )
        self._decoder = PcmDecoder(self.format)
        self._resampler = Resampler(start.rate, SAMPLE_RATE)
        self._bytes = 0
        self._given_samples = 0

    @property
    def received_samples(self) -> int:
        """Whole samples of one channel so far, at the client's rate."""
        return self._bytes // self.format.block_bytes

    @property
    def loose_bytes(self) -> int:
        """Bytes at the end that do not make a whole sample yet."""
        return self._bytes % self.format.block_bytes

    @property
    def position(self) -> int:
        """Where in the 16 kHz stream the next sample of the client falls."""
        return round(self.received_samples * SAMPLE_RATE / self.format.sample_rate)

    def accept(self, data: bytes) -> FloatArray:
        """Return the 16 kHz samples, (N,), that `data` completes."""
        self._bytes += len(data)
        return self._give(self._resampler.accept(self._decoder.accept(data)))

    def flush(self) -> FloatArray:
        """Return the samples that the resampler still held, up to `position` exactly."""
        rest = self._resampler.finish()
        missing = max(0, self.position - self._given_samples)
        padded = np.zeros(missing, np.float32)
        padded[: len(rest)] = rest[:missing]
        return self._give(padded)

    def client_samples(self, position: int) -> int:
        """Return how many of the client's samples lie before a position at 16 kHz."""
        return min(self.received_samples, position * self.format.sample_rate // SAMPLE_RATE)

    def _give(self, samples: FloatArray) -> FloatArray:
        self._given_samples += len(samples)
        return samples
