"""A stretch of audio addressed by its position in the stream."""

import numpy as np

from steno_models.types import FloatArray


class Tape:
    """Samples `start` to `end` of a stream: appended at the end, forgotten at the start."""

    def __init__(self, first: int = 0) -> None:
        self.start = first
        self.end = first
        self._buffer: FloatArray = np.zeros(16_000, np.float32)
        self._origin = first  # position of _buffer[0]

    def append(self, samples: FloatArray) -> None:
        """Add samples, (N,), after the last one."""
        self._make_room(len(samples))
        at = self.end - self._origin
        self._buffer[at : at + len(samples)] = samples
        self.end += len(samples)

    def read(self, start: int, end: int) -> FloatArray:
        """Return a copy of the samples from `start` up to `end`, (end - start,)."""
        return self._buffer[start - self._origin : end - self._origin].copy()

    def forget_before(self, position: int) -> None:
        """Let go of everything before `position`."""
        self.start = min(max(self.start, position), self.end)

    def _make_room(self, count: int) -> None:
        """Move what is kept to the front, of a larger buffer where that one is too small."""
        if self.end - self._origin + count <= len(self._buffer):
            return
        kept = self._buffer[self.start - self._origin : self.end - self._origin]
        # Twice the need, so that a sample is moved a bounded number of times.
        buffer = np.zeros(max(16_000, 2 * (len(kept) + count)), np.float32)
        buffer[: len(kept)] = kept
        self._buffer, self._origin = buffer, self.start
