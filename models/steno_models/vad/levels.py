"""How loud it was lately: the noise floor, the peak, and the gain that makes quiet speech heard.

The floor follows Martin 2001, "Noise power spectral density estimation based on optimal smoothing
and minimum statistics", with one band: speech pauses between syllables, noise does not, so the
minimum of a smoothed level over some seconds is the noise. Minima are kept per block, as there.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from steno_models.types import FloatArray

_SMOOTHING_MS = 60
_BLOCK_MS = 250
_BLOCKS = 8

# Digital silence tells nothing about the noise around it.
_DIGITAL_SILENCE_DB = -90.0
_LOWEST_FLOOR_DB = -88.0

# WebRTC's mixtures are made for speech at an ordinary level: quiet speech is raised towards
# _TARGET_PEAK_DB, but its noise never above _LOUDEST_FLOOR_DB.
_TARGET_PEAK_DB = -32.0
_LOUDEST_FLOOR_DB = -65.0
_MAX_GAIN_DB = 30.0


def frame_levels_db(samples: FloatArray, before: float, frame_samples: int) -> NDArray[np.float64]:
    """Return the level of each frame of `samples`, (T * frame_samples,), as (T,) dB of full scale.

    Samples are pre-emphasised, so that rumble counts less than consonants; `before` is the sample
    that came before the first.
    """
    exact = samples.astype(np.float64)
    emphasised = exact - 0.97 * np.concatenate([[before], exact[:-1]])
    power = np.mean(emphasised.reshape(-1, frame_samples) ** 2, axis=1)
    return np.asarray(10 * np.log10(power + 1e-10))


@dataclass(frozen=True, slots=True)
class Levels:
    """What is remembered of the levels heard so far.

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

    def heard(self, level_db: float) -> Self:
        """Return the levels after one more frame."""
        if level_db <= _DIGITAL_SILENCE_DB:
            return self
        recent = (*self.recent, level_db)[-(_SMOOTHING_MS // self.frame_ms) :]
        smooth = sum(recent) / len(recent)
        if self.block_frames in {0, _BLOCK_MS // self.frame_ms}:
            minima = (*self.minima, smooth)[-_BLOCKS:]
            maxima = (*self.maxima, smooth)[-_BLOCKS:]
            return replace(self, recent=recent, minima=minima, maxima=maxima, block_frames=1)
        return replace(
            self,
            recent=recent,
            minima=(*self.minima[:-1], min(self.minima[-1], smooth)),
            maxima=(*self.maxima[:-1], max(self.maxima[-1], smooth)),
            block_frames=self.block_frames + 1,
        )

    @property
    def floor_db(self) -> float:
        """The level of the noise: the lowest of the last two seconds."""
        return max(min(self.minima, default=_LOWEST_FLOOR_DB), _LOWEST_FLOOR_DB)

    @property
    def above_floor_db(self) -> float:
        """How far the smoothed level stands above the noise, 0 before anything was heard."""
        return sum(self.recent) / len(self.recent) - self.floor_db if self.recent else 0.0

    @property
    def gain_db(self) -> float:
        """By how much to raise the sound before WebRTC's detector hears it."""
        peak = max(self.maxima, default=_TARGET_PEAK_DB)
        wanted = min(_TARGET_PEAK_DB - peak, _LOUDEST_FLOOR_DB - self.floor_db)
        return min(max(wanted, 0.0), _MAX_GAIN_DB)
