"""Slopes of features over time, appended to them, whole and incrementally.

Furui 1986: how a spectrum moves tells as much as where it is. Kaldi's (and HTK's) delta is the
slope of the straight line that fits the 2n + 1 frames around t best,

    d_t = sum_{j=-n..n} j x_{t+j} / sum_{j=-n..n} j^2,

and a higher order is the slope of the order below. Past the edges the first and the last frame
are repeated.
"""

import numpy as np
from numpy.typing import NDArray

from steno_models.types import FloatArray


def delta_kernels(order: int, window: int) -> tuple[NDArray[np.float64], ...]:
    """Return the weights of orders 0 to `order`, each (1 + 2 * order * window,), centred."""
    offsets = np.arange(-window, window + 1, dtype=np.float64)
    slope = offsets / np.sum(offsets**2)
    kernels = [np.ones(1)]
    for _ in range(order):
        kernels.append(np.convolve(kernels[-1], slope))
    return tuple(np.pad(kernel, (order * window - len(kernel) // 2)) for kernel in kernels)


class StreamingDeltas:
    """The incremental form, `order * window` frames behind its input until `finish`."""

    def __init__(self, order: int = 2, window: int = 2) -> None:
        self._kernels = delta_kernels(order, window)
        self._margin_frames = order * window
        self._pending: FloatArray | None = None

    def accept(self, features: FloatArray) -> FloatArray:
        """Return the frames, (T', F * (order + 1)), that `features`, (T, F), complete."""
        if self._pending is None:
            if len(features) == 0:
                return np.zeros((0, features.shape[1] * len(self._kernels)), np.float32)
            self._pending = np.repeat(features[:1], self._margin_frames, axis=0)
        padded = np.concatenate([self._pending, features])
        ready = max(len(padded) - 2 * self._margin_frames, 0)
        self._pending = padded[ready:]
        return self._slopes(padded, ready)

    def finish(self) -> FloatArray:
        """Return the last frames, as many as are still owed, and be ready for a new stream."""
        if self._pending is None:
            raise ValueError("expected at least one frame before the end, found none")
        last = self.accept(np.repeat(self._pending[-1:], self._margin_frames, axis=0))
        self._pending = None
        return last

    def _slopes(self, padded: FloatArray, frames: int) -> FloatArray:
        # One shifted multiple after the other: each frame's sum is the same in any chunking,
        # which a matrix product does not promise.
        columns = []
        for kernel in self._kernels:
            total = np.zeros((frames, padded.shape[1]))
            for shift in np.flatnonzero(kernel):
                total += kernel[shift] * padded[shift : shift + frames]
            columns.append(total)
        return np.concatenate(columns, axis=1).astype(np.float32)


def add_deltas(features: FloatArray, order: int = 2, window: int = 2) -> FloatArray:
    """Return `features`, (T, F), with their slopes: (T, F * (order + 1)) float32."""
    if len(features) == 0:
        return np.zeros((0, features.shape[1] * (order + 1)), np.float32)
    deltas = StreamingDeltas(order, window)
    return np.concatenate([deltas.accept(features), deltas.finish()])
