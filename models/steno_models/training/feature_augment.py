"""More recordings than were recorded, made of features alone: other volumes, tempos and voices.

Pure functions of log-mel energies, (T, F). Unlike the functions of `augment` they need no samples,
so they cost next to nothing and can be drawn anew each time that an utterance comes.
"""

import numpy as np
from numpy.typing import NDArray

from steno_models.types import FloatArray

_NATS_PER_DB = np.log(10) / 10


def shift_volume(features: FloatArray, nats: float) -> FloatArray:
    """Return log energies, (T, F), louder by `nats` (one is 4.3 dB).

    The volume perturbation of Peddinti et al. 2015, "JHU ASpIRE system".
    """
    return features + np.float32(nats)


def add_noise_energies(
    features: FloatArray, noise: FloatArray, snr_db: float, rng: np.random.Generator
) -> FloatArray:
    """Return log energies, (T, F), in `noise`, (M, F), that is weaker by `snr_db` over all of it.

    Energies of independent sounds add up, which is what the "log-add" approximation of Gales &
    Young 1996 says, "Robust continuous speech recognition using parallel model combination";
    training on noise that is added to filter banks is Yin et al. 2015, "Noisy training for deep
    neural networks in speech recognition". The noise starts anywhere and is repeated as often as
    needed.
    """
    if len(features) == 0 or len(noise) == 0:
        return features
    start = int(rng.integers(len(noise)))
    background = noise[(start + np.arange(len(features))) % len(noise)]
    gain_nats = _level_nats(features) - _level_nats(background) - snr_db * _NATS_PER_DB
    mixed: FloatArray = np.logaddexp(features, background + np.float32(gain_nats))
    return mixed


def warp_tempo(features: FloatArray, factor: float) -> FloatArray:
    """Return (T / factor, F): `features`, (T, F), `factor` times as fast, at the same pitch.

    The speech rate distortion of Kanda et al. 2013, "Elastic spectral distortion for low resource
    speech recognition with deep neural networks": frames are interpolated along time.
    """
    at = tempo_positions(len(features), factor)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)[:, None]
    above = features[np.minimum(low + 1, len(features) - 1)]
    warped: FloatArray = features[low] * (1 - share) + above * share
    return warped


def tempo_positions(frames: int, factor: float) -> NDArray[np.float64]:
    """Return where each frame of `warp_tempo` was found among `frames`, (frames / factor,)."""
    kept = max(min(frames, 1), int(frames / factor))
    return np.asarray(np.minimum(np.arange(kept) * factor, frames - 1), np.float64)


def warp_frequency(features: FloatArray, factor: float) -> FloatArray:
    """Return `features`, (T, F), whose bin b was found at `factor` b, between bins if need be.

    The vocal tract length perturbation of Jaitly & Hinton 2013, along the mel scale instead of
    hertz: near enough for the few per cent that voices differ, and without samples.
    """
    F = features.shape[1]
    at = np.clip(np.arange(F) * factor, 0, F - 1)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)
    above = features[:, np.minimum(low + 1, F - 1)]
    warped: FloatArray = features[:, low] * (1 - share) + above * share
    return warped


def _level_nats(features: FloatArray) -> float:
    """Return the logarithm of the mean energy."""
    highest = float(features.max())
    return highest + float(np.log(np.mean(np.exp(features - np.float32(highest)))))
