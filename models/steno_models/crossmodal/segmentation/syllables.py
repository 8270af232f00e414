"""Syllable-like pieces by a sense of rhythm (Räsänen, Doyle, Frank 2015; Cognition 2018).

Envelopes of auditory bands push oscillators that are tuned to the rhythm of syllables, 5 Hz. Where
their swing, summed over the strongest bands as logarithms, is lowest, a syllable ends:

    ẍ_b = ω² (e_b - x_b) - (ω / Q) ẋ_b,   sonority = Σ over the strongest b of log x_b
"""

import numpy as np

from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.segmentation.kernels import (
    DoubleArray,
    band_envelopes,
    oscillate,
    valleys,
)
from steno_models.types import FloatArray, LongArray

BANDS = 20
LOWEST_HZ, HIGHEST_HZ = 50.0, 7500.0
RHYTHM_HZ = 5.0
Q = 0.5  # critical damping
STRONGEST = 8
DEPTH = 0.01  # of a valley, as a share of the whole range
CURVE_RATE = 1000
_FACTOR = SAMPLE_RATE // CURVE_RATE
_FLOOR = 1e-5  # of full scale: what is fainter is silence
# A push at time 0 swings an oscillator of critical damping farthest at 1 / ω.
_DELAY_S = 1.0 / (2.0 * np.pi * RHYTHM_HZ)


def sonority(samples: FloatArray) -> DoubleArray:
    """Return (M,) how sonorous each millisecond of `samples`, (N,), is, scaled to 0 to 1.

    The oscillators' delay is taken out. Samples that are all alike give zeros.
    """
    centres_hz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS)
    delay = round(_DELAY_S * CURVE_RATE)
    padded = np.concatenate([samples, np.zeros(delay * _FACTOR, np.float32)])
    envelopes = band_envelopes(padded, centres_hz, SAMPLE_RATE, _FACTOR)
    swing = oscillate(envelopes, CURVE_RATE, RHYTHM_HZ, Q)[delay:]
    strongest = np.sort(np.maximum(swing, _FLOOR), axis=1)[:, -STRONGEST:]
    curve: DoubleArray = np.log10(strongest).sum(axis=1)
    if len(curve) == 0:
        return curve
    spread = np.ptp(curve)
    scaled: DoubleArray = (curve - curve.min()) / spread if spread > 0 else np.zeros(len(curve))
    return scaled


def syllable_borders(curve: FloatArray, depth: float = DEPTH) -> LongArray:
    """Return the frames at which syllables end, rising, by the (T,) sonority of all frames."""
    found: LongArray = valleys(curve.astype(np.float64), depth)
    return found
