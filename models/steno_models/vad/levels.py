"""How loud it was lately: as a value, and as a meter that hears frame after frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.types import FloatArray
from steno_models.vad.kernels import ABOVE, BLOCKS, FLOOR, GAIN, SMOOTHING_MS, find, hear, note

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Levels:
    """What is remembered of the levels heard so far, as a value.

    Attributes:
        frame_ms: the length of a frame.
        recent: levels of the last 60 ms, newest last.
        minima: the lowest smoothed level of each of the last blocks, newest last.
        maxima: the highest one.
        block_frames: how many frames the newest block has.
    """

    frame_ms: int
    recent: tuple[float, ...] = ()
    minima: tuple[float, ...] = ()
    maxima: tuple[float, ...] = ()
    block_frames: int = 0


class LevelMeter:
    """Hears frame after frame; goes on from what `levels` remember."""

    def __init__(self, levels: Levels) -> None:
        self._frame_ms = levels.frame_ms
        self._counts = np.array(
            [len(levels.recent), len(levels.minima), levels.block_frames], np.int64
        )
        self._recent = _filled(levels.recent, SMOOTHING_MS // levels.frame_ms)
        self._minima = _filled(levels.minima, BLOCKS)
        self._maxima = _filled(levels.maxima, BLOCKS)
        self._found = np.zeros(3)
        self._memory = (self._counts, self._recent, self._minima, self._maxima)
        find(*self._memory, self._found)

    @property
    def levels(self) -> Levels:
        """What another meter needs to go on from here."""
        recent, blocks, block_frames = self._counts.tolist()
        return Levels(
            self._frame_ms,
            tuple(self._recent[:recent].tolist()),
            tuple(self._minima[:blocks].tolist()),
            tuple(self._maxima[:blocks].tolist()),
            block_frames,
        )

    @property
    def floor_db(self) -> float:
        """The level of the noise: the lowest of the last two seconds."""
        return float(self._found[FLOOR])

    @property
    def above_floor_db(self) -> float:
        """How far the smoothed level stands above the noise, 0 before anything was heard."""
        return float(self._found[ABOVE])

    @property
    def gain_db(self) -> float:
        """By how much to raise the sound before WebRTC's detector hears it."""
        return float(self._found[GAIN])

    def hear(self, frames: FloatArray, before: float) -> tuple[bytes, list[float]]:
        """Take more frames, (K, N), that came after the sample `before`.

        Returns:
            The frames with their gains, in 16 bits, for WebRTC's detector; and after each of them,
            how far the smoothed level stood above the noise, in dB.
        """
        above, pcm = np.zeros(len(frames)), np.zeros(frames.shape, np.int16)
        hear(frames, before, self._frame_ms, *self._memory, self._found, above, pcm)
        return pcm.tobytes(), above.tolist()

    def note(self, level_db: float) -> None:
        """Take the level of one more frame."""
        note(level_db, self._frame_ms, *self._memory)
        find(*self._memory, self._found)


def _filled(values: tuple[float, ...], size: int) -> DoubleArray:
    """Return (size,) with the values at its start."""
    array = np.zeros(size)
    array[: len(values)] = values
    return array
