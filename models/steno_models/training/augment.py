"""More recordings than were recorded: pure functions from sound or features to others like them.

Each takes what is random as an argument, a `numpy.random.Generator` or the number itself, so that
a seed repeats a whole training run.

Speed: Ko et al. 2015, "Audio augmentation for speech recognition". Vocal tract length: Jaitly &
Hinton 2013. Rooms: Polack 1988 (a tail is noise that dies away exponentially). Masks: Park et al.
2019, "SpecAugment", without its time warping, which the paper finds to give least.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.audio import SAMPLE_RATE, resample
from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
)
from steno_models.features.spectra import NUM_BINS, mel_weights, power_spectra
from steno_models.types import FloatArray

_FFT_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class Masks:
    """How much of the features `spec_augment` hides; the policy "LD" of Park et al. 2019.

    Attributes:
        frequency_masks: how many bands.
        frequency_bins: the widest band, in bins.
        time_masks: how many stretches of time.
        time_frames: the longest stretch, in frames.
        time_share: the longest stretch as a share of the recording, for short ones.
    """

    frequency_masks: int = 2
    frequency_bins: int = 27
    time_masks: int = 2
    time_frames: int = 100
    time_share: float = 0.2


def spec_augment(
    features: FloatArray, rng: np.random.Generator, masks: Masks | None = None
) -> FloatArray:
    """Return `features`, (T, F), with bands and stretches replaced by their mean value."""
    masks = masks or Masks()
    T, F = features.shape
    masked = features.copy()
    if T == 0:
        return masked
    mean = features.mean()
    for _ in range(masks.frequency_masks):
        masked[:, _span(rng, F, min(masks.frequency_bins, F))] = mean
    longest_frames = min(masks.time_frames, int(masks.time_share * T))
    for _ in range(masks.time_masks):
        masked[_span(rng, T, longest_frames)] = mean
    return masked


def _span(rng: np.random.Generator, length: int, widest: int) -> slice:
    """Return a span of 0 to `widest` within `length`, every width and every place as likely."""
    width = int(rng.integers(0, widest + 1))
    start = int(rng.integers(0, length - width + 1))
    return slice(start, start + width)


def speed_perturb(samples: FloatArray, factor: float) -> FloatArray:
    """Return `samples`, (N,), spoken `factor` times as fast and as high: (N / factor,)."""
    return resample(samples, round(SAMPLE_RATE * factor), SAMPLE_RATE)


def volume(samples: FloatArray, gain_db: float) -> FloatArray:
    """Return `samples`, (N,), louder by `gain_db`, clipped where that exceeds full scale."""
    louder: FloatArray = np.clip(samples * np.float32(10 ** (gain_db / 20)), -1.0, 1.0)
    return louder


def add_noise(
    samples: FloatArray, noise: FloatArray, snr_db: float, rng: np.random.Generator
) -> FloatArray:
    """Return `samples`, (N,), in `noise` that is weaker by `snr_db` over the whole recording.

    The noise starts anywhere and is repeated as often as needed. What would exceed full scale is
    turned down as a whole, which leaves the ratio as it is.
    """
    if len(samples) == 0 or not np.any(noise):
        return samples
    start = int(rng.integers(len(noise)))
    background = np.resize(np.roll(noise, -start), len(samples)).astype(np.float64)
    wanted_power = np.mean(samples.astype(np.float64) ** 2) * 10 ** (-snr_db / 10)
    scale = np.sqrt(wanted_power / max(float(np.mean(background**2)), 1e-20))
    return _within_full_scale(samples + scale * background)


def room_impulse(
    rng: np.random.Generator, rt60_s: float, direct_to_tail_db: float = 3.0
) -> FloatArray:
    """Return the impulse response of a room, (M,): the direct path at sample 0, then a tail.

    The tail is noise whose level falls by 60 dB in `rt60_s` seconds; all of it together is weaker
    than the direct path by `direct_to_tail_db`.
    """
    times_s = np.arange(round(rt60_s * SAMPLE_RATE)) / SAMPLE_RATE
    # 60 dB are a factor of 1000 in amplitude: exp(-ln(1000) t / RT60).
    tail = rng.standard_normal(len(times_s)) * np.exp(-np.log(1000) * times_s / rt60_s)
    before_first_echo = int(rng.uniform(0.001, 0.005) * SAMPLE_RATE)
    tail[:before_first_echo] = 0
    tail *= 10 ** (-direct_to_tail_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail, np.float32)


def reverberate(
    samples: FloatArray, rng: np.random.Generator, rt60_s: tuple[float, float] = (0.1, 0.6)
) -> FloatArray:
    """Return `samples`, (N,), in a room drawn at random: as long, as loud and as timed as before.

    RT60 is uniform within `rt60_s`, the direct path 0 to 10 dB above the tail.
    """
    if len(samples) == 0:
        return samples
    impulse = room_impulse(rng, rng.uniform(*rt60_s), rng.uniform(0.0, 10.0))
    wet = convolve(samples, impulse)[: len(samples)].astype(np.float64)
    wet *= np.sqrt(np.sum(samples.astype(np.float64) ** 2) / max(float(np.sum(wet**2)), 1e-20))
    return _within_full_scale(wet)


def _within_full_scale(samples: NDArray[np.float64]) -> FloatArray:
    return np.asarray(samples / max(1.0, float(np.abs(samples).max())), np.float32)


def convolve(samples: FloatArray, impulse: FloatArray) -> FloatArray:
    """Return the full convolution, (N + M - 1,), of (N,) and (M,), through the Fourier domain."""
    length = len(samples) + len(impulse) - 1
    padded = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(samples.astype(np.float64), padded)
    spectrum *= np.fft.rfft(impulse.astype(np.float64), padded)
    return np.fft.irfft(spectrum, padded)[:length].astype(np.float32)


def vtlp(samples: FloatArray, factor: float) -> FloatArray:
    """Return log-mel energies, (T, F), of `samples`, (N,), as of another length of vocal tract.

    What stood at f is found at `factor` f (Jaitly & Hinton 2013), as from a shorter tract
    for factors above 1. Near the edges of the band the map is bent, so that no bin leaves it;
    1.0 gives `fbank`, and 0.9 to 1.1 are speakers one meets.
    """
    if len(samples) < FRAME_LENGTH_SAMPLES:
        return np.zeros((0, NUM_BINS), np.float32)
    power = power_spectra(samples)
    energies = power @ mel_weights(factor)
    return np.asarray(np.log(np.maximum(energies, np.finfo(np.float32).eps)), np.float32)
