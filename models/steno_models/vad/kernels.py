"""The compiled loops over a frame: its level, the noise floor, and the gain for WebRTC's detector.

The floor follows Martin 2001, "Noise power spectral density estimation based on optimal smoothing
and minimum statistics", with one band: speech pauses between syllables, noise does not, so the
minimum of a smoothed level over some seconds is the noise. Minima are kept per block, as there.
"""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import leaf
from steno_models.types import FloatArray

DoubleArray = NDArray[np.float64]

SMOOTHING_MS = 60
_BLOCK_MS = 250
BLOCKS = 8

# Digital silence tells nothing about the noise around it.
_DIGITAL_SILENCE_DB = -90.0
_LOWEST_FLOOR_DB = -88.0

# WebRTC's mixtures are made for speech at an ordinary level: quiet speech is raised towards
# _TARGET_PEAK_DB, but its noise never above _LOUDEST_FLOOR_DB.
_TARGET_PEAK_DB = -32.0
_LOUDEST_FLOOR_DB = -65.0
_MAX_GAIN_DB = 30.0


# What is counted of the levels: how many of `recent`, of the blocks, of the newest block's frames.
_RECENT, _NUM_BLOCKS, _BLOCK_FRAMES = 0, 1, 2
# What follows from the levels: the noise floor, how far the last ones stand above it, the gain.
FLOOR, ABOVE, GAIN = 0, 1, 2


@leaf
def frame_level_db(frame: FloatArray, before: float) -> float:
    """Return the level of a frame, (N,), in dB of full scale.

    Samples are pre-emphasised, so that rumble counts less than consonants; `before` is the sample
    that came before the first.
    """
    energy = 0.0
    for i in range(frame.shape[0]):
        emphasised = np.float64(frame[i]) - 0.97 * before
        energy += emphasised * emphasised
        before = np.float64(frame[i])
    return float(10.0 * np.log10(energy / frame.shape[0] + 1e-10))


@leaf
def hear(
    frames: FloatArray, before: float, frame_ms: int, counts: NDArray[np.int64],
    recent: DoubleArray, minima: DoubleArray, maxima: DoubleArray, found: DoubleArray,
    above: DoubleArray, pcm: NDArray[np.int16],
) -> None:  # fmt: skip
    """Take more frames, (K, N): remember their levels, and write them to `pcm` with their gains.

    How far the smoothed level stood above the noise after each is written to `above`, (K,).
    """
    for k in range(frames.shape[0]):
        frame = frames[k]
        note(frame_level_db(frame, before), frame_ms, counts, recent, minima, maxima)
        find(counts, recent, minima, maxima, found)
        above[k] = found[ABOVE]
        before = np.float64(frame[frame.shape[0] - 1])
        scale = np.float32(32768.0 * 10.0 ** (found[GAIN] / 20.0))
        for i in range(frame.shape[0]):
            sample = np.rint(frame[i] * scale)
            pcm[k, i] = np.int16(min(max(sample, np.float32(-32768.0)), np.float32(32767.0)))


@leaf
def note(
    level_db: float, frame_ms: int, counts: NDArray[np.int64], recent: DoubleArray,
    minima: DoubleArray, maxima: DoubleArray,
) -> None:  # fmt: skip
    """Remember the level of one more frame, unless it is digital silence."""
    if level_db <= _DIGITAL_SILENCE_DB:
        return
    counts[_RECENT] = _pushed(recent, counts[_RECENT], level_db)
    smooth = _mean(recent, counts[_RECENT])
    if counts[_BLOCK_FRAMES] == 0 or counts[_BLOCK_FRAMES] == _BLOCK_MS // frame_ms:
        _pushed(minima, counts[_NUM_BLOCKS], smooth)
        counts[_NUM_BLOCKS] = _pushed(maxima, counts[_NUM_BLOCKS], smooth)
        counts[_BLOCK_FRAMES] = 1
        return
    newest = counts[_NUM_BLOCKS] - 1
    minima[newest] = min(minima[newest], smooth)
    maxima[newest] = max(maxima[newest], smooth)
    counts[_BLOCK_FRAMES] += 1


@leaf
def _pushed(values: DoubleArray, count: int, value: float) -> int:
    """Put `value` behind the first `count` of `values`; return how many there are now.

    The oldest goes where there is no room.
    """
    if count == values.shape[0]:
        for i in range(count - 1):
            values[i] = values[i + 1]
        count -= 1
    values[count] = value
    return count + 1


@leaf
def _mean(values: DoubleArray, count: int) -> float:
    """Return the mean of the first `count` of `values`."""
    total = 0.0
    for i in range(count):
        total += values[i]
    return total / count


@leaf
def find(
    counts: NDArray[np.int64], recent: DoubleArray, minima: DoubleArray, maxima: DoubleArray,
    found: DoubleArray,
) -> None:  # fmt: skip
    """Write to `found` what follows from the levels."""
    lowest, highest = _LOWEST_FLOOR_DB, _TARGET_PEAK_DB
    if counts[_NUM_BLOCKS] > 0:
        lowest, highest = minima[0], maxima[0]
        for i in range(1, counts[_NUM_BLOCKS]):
            lowest = min(lowest, minima[i])
            highest = max(highest, maxima[i])
    floor = max(lowest, _LOWEST_FLOOR_DB)
    wanted = min(_TARGET_PEAK_DB - highest, _LOUDEST_FLOOR_DB - floor)
    found[FLOOR] = floor
    found[ABOVE] = _mean(recent, counts[_RECENT]) - floor if counts[_RECENT] > 0 else 0.0
    found[GAIN] = min(max(wanted, 0.0), _MAX_GAIN_DB)
