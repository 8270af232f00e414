"""Compiled loops of segmentation: envelopes, oscillators, and paths over landmarks."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.types import FloatArray, LongArray

DoubleArray = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def band_envelopes(
    samples: FloatArray, centres_hz: DoubleArray, rate: int, factor: int
) -> DoubleArray:
    """Return (M, B) envelopes of gammatone bands, means over `factor` samples each.

    A gammatone filter of order 4 is its band shifted to 0 Hz and four times a low-pass of one
    pole, whose absolute value is the envelope (Holdsworth et al. 1988); the bandwidth is 1.019
    ERB (Glasberg, Moore 1990).

    Args:
        samples: (N,).
        centres_hz: (B,).
        rate: samples a second.
        factor: samples of one mean.
    """
    M, B = samples.size // factor, centres_hz.size
    found = np.zeros((M, B))
    for b in range(B):
        width_hz = 1.019 * 24.7 * (4.37e-3 * centres_hz[b] + 1.0)
        keep = math.exp(-2.0 * math.pi * width_hz / rate)
        gain = 1.0 - keep
        angle = -2.0 * math.pi * centres_hz[b] / rate
        turn_re, turn_im = math.cos(angle), math.sin(angle)
        re, im = 1.0, 0.0
        a_re = a_im = b_re = b_im = c_re = c_im = d_re = d_im = 0.0
        for m in range(M):
            total = 0.0
            for n in range(m * factor, (m + 1) * factor):
                re, im = re * turn_re - im * turn_im, re * turn_im + im * turn_re
                x = np.float64(samples[n])
                a_re += gain * (x * re - a_re)
                a_im += gain * (x * im - a_im)
                b_re += gain * (a_re - b_re)
                b_im += gain * (a_im - b_im)
                c_re += gain * (b_re - c_re)
                c_im += gain * (b_im - c_im)
                d_re += gain * (c_re - d_re)
                d_im += gain * (c_im - d_im)
                total += math.sqrt(d_re * d_re + d_im * d_im)
            found[m, b] = total / factor
            length = math.sqrt(re * re + im * im)
            re, im = re / length, im / length
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def oscillate(envelopes: DoubleArray, rate: float, frequency_hz: float, q: float) -> DoubleArray:
    """Return (M, B) how far damped oscillators swing that `envelopes`, (M, B), push.

    ẍ = ω² (e - x) - (ω / Q) ẋ  with  ω = 2π `frequency_hz`   (Räsänen, Doyle, Frank 2018),
    by steps of semi-implicit Euler.
    """
    M, B = envelopes.shape
    omega = 2.0 * math.pi * frequency_hz
    step = 1.0 / rate
    found = np.empty((M, B))
    for b in range(B):
        x = v = 0.0
        for m in range(M):
            v += step * (omega * omega * (envelopes[m, b] - x) - omega / q * v)
            x += step * v
            found[m, b] = x
    return found


@njit(nogil=True, cache=True)
def valleys(curve: DoubleArray, depth: float) -> LongArray:
    """Return where `curve`, (M,), has a minimum that is `depth` below the peaks on both sides."""
    M = curve.size
    found = np.empty(M, np.int64)
    number = 0
    lowest, place, highest = np.inf, 0, -np.inf
    falling = False
    for m in range(M):
        value = curve[m]
        if falling:
            if value < lowest:
                lowest, place = value, m
            if value > lowest + depth:
                found[number] = place
                number += 1
                falling, highest = False, value
        else:
            highest = max(highest, value)
            if value < highest - depth:
                falling, lowest, place = True, value, m
    return found[:number]


@njit(nogil=True, cache=True)
def best_path(costs: DoubleArray) -> tuple[float, LongArray]:
    """Return the least total cost, and where the segments of that segmentation end.

    γ[j] = min over m of γ[j - m] + c[j, m]                         (Kamper et al. 2017, ASRU)

    Args:
        costs: (L, W): [j, m] of the segment of m + 1 steps that ends after step j; infinite where
            there may be none.
    """
    L, W = costs.shape
    best = np.full(L + 1, np.inf)
    best[0] = 0.0
    back = np.zeros(L + 1, np.int64)
    for j in range(L):
        for m in range(min(W, j + 1)):
            value = best[j - m] + costs[j, m]
            if value < best[j + 1]:
                best[j + 1], back[j + 1] = value, m + 1
    ends = np.empty(L, np.int64)
    number, j = 0, L
    while j > 0 and back[j] > 0:
        ends[number] = j
        number += 1
        j -= back[j]
    return float(best[L]), ends[:number][::-1].copy()


@njit(nogil=True, cache=True)
def drawn_path(scores: DoubleArray, chances: DoubleArray) -> LongArray:
    """Return where the segments of a segmentation end that is drawn by its probability.

    Forward filtering, backward sampling (Kamper et al. 2017, CSL):

    α[j] = Σ over m of α[j - m] e^s[j, m],   P(last segment has m steps | it ends at j)
         = e^s[j, m] α[j - m] / α[j]

    Args:
        scores: (L, W) logarithms, laid out as in `best_path`; -inf where there may be none.
        chances: (L,) uniform in [0, 1).
    """
    L, W = scores.shape
    alpha = np.full(L + 1, -np.inf)
    alpha[0] = 0.0
    for j in range(L):
        most = -np.inf
        for m in range(min(W, j + 1)):
            most = max(most, alpha[j - m] + scores[j, m])
        if most == -np.inf:
            continue
        total = 0.0
        for m in range(min(W, j + 1)):
            total += math.exp(alpha[j - m] + scores[j, m] - most)
        alpha[j + 1] = most + math.log(total)
    ends = np.empty(L, np.int64)
    number, j = 0, L
    while j > 0 and alpha[j] > -np.inf:
        ends[number] = j
        left = chances[number]
        number += 1
        chosen = 0
        for m in range(min(W, j)):
            share = math.exp(alpha[j - 1 - m] + scores[j - 1, m] - alpha[j])
            if share > 0.0:
                chosen = m + 1
                left -= share
                if left < 0.0:
                    break
        j -= chosen
    return ends[:number][::-1].copy()
