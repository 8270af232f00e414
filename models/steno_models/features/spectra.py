"""Power spectra of frames, and the mel bands that sum them up, as Kaldi has them.

Of each frame the mean goes off, then it is pre-emphasised by 0.97 and weighed with Povey's window;
512 points of it are transformed.
"""

from functools import lru_cache

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray

from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
    FRAME_SHIFT_SAMPLES,
    frame_options,
)
from steno_models.features.kernels import sum_bands
from steno_models.types import FloatArray

NUM_BINS = 80
_FFT_SAMPLES = 512
_EMPHASIS = np.float32(0.97)


def power_spectra(samples: FloatArray) -> FloatArray:
    """Return (T, 257) float32 power spectra of `samples`, (N,) float32 in [-1, 1]; N at least 400.

    Kaldi's scale is that of 16-bit integers; it only shifts the log energies.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, FRAME_LENGTH_SAMPLES)
    frames = windows[::FRAME_SHIFT_SAMPLES] * np.float32(32768)
    frames -= frames.mean(axis=1, keepdims=True)
    emphasised = frames.copy()
    emphasised[:, 1:] -= _EMPHASIS * frames[:, :-1]
    emphasised[:, 0] -= _EMPHASIS * frames[:, 0]
    emphasised *= _povey_window()
    spectra = np.fft.rfft(emphasised, _FFT_SAMPLES)
    return np.asarray(spectra.real**2 + spectra.imag**2, np.float32)


def mel_options() -> knf.MelBanksOptions:
    """Return the filter bank: its bins and the band that they share."""
    options = knf.MelBanksOptions()
    options.num_bins = NUM_BINS
    options.low_freq = 20.0
    options.high_freq = -400.0  # counted from 8 kHz
    return options


@lru_cache(maxsize=256)
def mel_weights(warp: float = 1.0) -> FloatArray:
    """Return the triangles, (257, F), of the filter bank warped by a factor."""
    banks = knf.MelBanks(mel_options(), frame_options(), warp)
    return np.ascontiguousarray(np.asarray(banks.get_matrix(), np.float32).T)


def log_mel(power: FloatArray) -> FloatArray:
    """Return (T, F) log energies of the unwarped bands of power spectra, (T, 257).

    Each frame is summed up by itself, so that frames are the same however many come at once.
    """
    weights, begin, end = _triangles()
    energies = np.empty((len(power), len(begin)), np.float32)
    sum_bands(power, weights, begin, end, energies)
    return np.asarray(np.log(np.maximum(energies, np.finfo(np.float32).eps)), np.float32)


@lru_cache(maxsize=1)
def _triangles() -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Return (F, 257) weights, and where each band begins and ends."""
    weights = np.ascontiguousarray(mel_weights().T)
    begin = np.argmax(weights > 0, axis=1)
    end = weights.shape[1] - np.argmax(weights[:, ::-1] > 0, axis=1)
    return weights, begin, end


@lru_cache(maxsize=1)
def _povey_window() -> FloatArray:
    phase = 2 * np.pi * np.arange(FRAME_LENGTH_SAMPLES) / (FRAME_LENGTH_SAMPLES - 1)
    return np.asarray((0.5 - 0.5 * np.cos(phase)) ** 0.85, np.float32)
