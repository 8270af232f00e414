"""Music made by a program: chords, a melody, a bass and drums, to learn from that it is no speech.

That recognisers need music among what has no words is the reason of Snyder et al. 2015, "MUSAN: a
music, speech, and noise corpus". This music is synthetic, so it can be had without a licence and
as much as wanted. Tones are sums of partials under an envelope (Risset & Mathews 1969, "Analysis
of musical-instrument tones"), drums are noise that dies away.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.audio import SAMPLE_RATE
from steno_models.types import FloatArray

Samples = NDArray[np.float64]
Partials = Callable[[float, NDArray[np.int64], np.random.Generator], Samples]
"""From the pitch in hertz and the numbers of partials, (P,), to their amplitudes, (P,)."""

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MINOR = (0, 2, 3, 5, 7, 8, 10)
_MOST_PARTIALS = 40
_HIGHEST_HZ = 7_500
_RELEASE_SAMPLES = 400


@dataclass(frozen=True, slots=True)
class _Piece:
    """What all voices of a piece share: its bar, its key, and which voice has which instrument."""

    beat_s: float
    root: int
    scale: tuple[int, ...]
    instruments: tuple[Partials, ...]

    def pitch_hz(self, degree: int, octave: int) -> float:
        """Return the pitch of a degree of the scale, the root being degree 0 of octave 0."""
        above, within = divmod(degree, len(self.scale))
        midi = self.root + self.scale[within] + 12 * (above + octave)
        return float(440.0 * 2 ** ((midi - 69) / 12))


def music(duration_s: float, rng: np.random.Generator) -> FloatArray:
    """Return a piece of `duration_s` seconds, (N,) float32 at 16 kHz, peaking at −2 to −30 dB."""
    samples = np.zeros(round(duration_s * SAMPLE_RATE))
    piece = _Piece(
        beat_s=60 / rng.uniform(60, 170),
        root=int(rng.integers(36, 60)),
        scale=_MAJOR if rng.random() < 0.5 else _MINOR,
        instruments=tuple(_INSTRUMENTS[i] for i in rng.integers(len(_INSTRUMENTS), size=3)),
    )
    chords, melody, bass, drums = rng.random(4) < (0.8, 0.8, 0.6, 0.6)
    melody = melody or not (chords or bass)  # drums alone are no music
    degree = 0
    for beat, start in enumerate(range(0, len(samples), round(piece.beat_s * SAMPLE_RATE))):
        left = samples[start:]  # what follows sounds from here on
        if beat % 4 == 0:
            degree = int(rng.integers(7))
            if chords:
                _play_chord(left, piece, degree, rng)
        if melody:
            _play_melody(left, piece, degree, rng)
        if bass:
            _add(
                left,
                0.5 * tone(piece.pitch_hz(degree, -1), piece.beat_s, piece.instruments[2], rng),
            )
        if drums:
            _play_drums(left, piece.beat_s, rng)
    if rng.random() < 0.4:
        samples = _in_a_hall(samples, rng)
    peak = 10 ** (-rng.uniform(2, 30) / 20)
    return np.asarray(samples * (peak / max(float(np.abs(samples).max()), 1e-9)), np.float32)


def tone(
    pitch_hz: float, duration_s: float, partials: Partials, rng: np.random.Generator
) -> Samples:
    """Return one tone, (N,): partials up to 7.5 kHz, sometimes with vibrato, under an envelope."""
    times_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    depth = rng.uniform(0, 0.006) if rng.random() < 0.4 else 0.0
    sway = 1 + depth * np.sin(2 * np.pi * rng.uniform(4, 7) * times_s)
    phase = 2 * np.pi * pitch_hz * np.cumsum(sway) / SAMPLE_RATE
    numbers = np.arange(1, 1 + max(1, min(_MOST_PARTIALS, int(_HIGHEST_HZ // pitch_hz))))
    amplitudes = partials(pitch_hz, numbers, rng)
    sound = np.zeros(len(times_s))
    for number, amplitude in zip(numbers, amplitudes, strict=True):
        sound += amplitude * np.sin(number * phase + rng.uniform(0, 2 * np.pi))
    return sound * _envelope(times_s, rng)


def drum(duration_s: float, rng: np.random.Generator) -> Samples:
    """Return one stroke, (N,): white noise or, for a deep drum, its running sum."""
    times_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    stroke = rng.standard_normal(len(times_s)) * np.exp(-times_s / rng.uniform(0.01, 0.07))
    if rng.random() < 0.5:
        stroke = np.cumsum(stroke)
        stroke /= max(float(np.abs(stroke).max()), 1e-9)
    return stroke * rng.uniform(0.1, 0.9)


def _plucked(_pitch_hz: float, numbers: NDArray[np.int64], rng: np.random.Generator) -> Samples:
    return np.power(numbers.astype(np.float64), -rng.uniform(1.2, 2.5))


def _bowed(_pitch_hz: float, numbers: NDArray[np.int64], _rng: np.random.Generator) -> Samples:
    return 1.0 / numbers  # a sawtooth


def _blown(_pitch_hz: float, numbers: NDArray[np.int64], _rng: np.random.Generator) -> Samples:
    return (numbers % 2) / numbers  # a square wave: odd partials alone


def _sung(pitch_hz: float, numbers: NDArray[np.int64], rng: np.random.Generator) -> Samples:
    formant_hz, width_hz = rng.uniform(300, 2500), rng.uniform(300, 900)
    resonance: Samples = np.exp(-(((numbers * pitch_hz - formant_hz) / width_hz) ** 2))
    return resonance + 0.3 / numbers


_INSTRUMENTS: tuple[Partials, ...] = (_plucked, _bowed, _blown, _sung)


def _envelope(times_s: Samples, rng: np.random.Generator) -> Samples:
    """Return how loud a tone is over time, (N,): attack, decay, and a release without a click."""
    rising = np.minimum(1.0, times_s / rng.uniform(0.002, 0.12))
    loudness = rising * np.exp(-times_s / rng.uniform(0.1, 2.5))
    release = min(len(times_s), _RELEASE_SAMPLES)
    loudness[len(times_s) - release :] *= np.linspace(1, 0, release)
    return loudness


def _play_chord(left: Samples, piece: _Piece, degree: int, rng: np.random.Generator) -> None:
    for third in (0, 2, 4):
        pitch_hz = piece.pitch_hz(degree + third, 0)
        _add(left, 0.3 * tone(pitch_hz, 4 * piece.beat_s, piece.instruments[0], rng))


def _play_melody(left: Samples, piece: _Piece, degree: int, rng: np.random.Generator) -> None:
    """Play one, two or four notes within a beat, some of them left out."""
    notes = int(rng.choice((1, 2, 2, 4)))
    length_s = piece.beat_s / notes
    for note in range(notes):
        if rng.random() < 0.2:
            continue
        pitch_hz = piece.pitch_hz(degree + int(rng.integers(8)), int(rng.integers(1, 3)))
        sound = tone(pitch_hz, length_s * rng.uniform(0.6, 1.5), piece.instruments[1], rng)
        _add(left[round(note * length_s * SAMPLE_RATE) :], 0.5 * sound)


def _play_drums(left: Samples, beat_s: float, rng: np.random.Generator) -> None:
    for place in (0.0, 0.5):
        _add(left[round(place * beat_s * SAMPLE_RATE) :], drum(rng.uniform(0.03, 0.2), rng))


def _in_a_hall(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return `samples`, (N,), with a third of a second of echo."""
    times = np.arange(6_000)
    impulse = rng.standard_normal(len(times)) * np.exp(-times / 1_800)
    impulse[0] = 8.0
    padded = 1 << (len(samples) + len(impulse) - 1).bit_length()
    spectrum = np.fft.rfft(samples, padded) * np.fft.rfft(impulse, padded)
    wet: Samples = np.fft.irfft(spectrum, padded)[: len(samples)]
    return wet


def _add(left: Samples, sound: Samples) -> None:
    """Add `sound` at the start of `left`, as much of it as there is room for."""
    room = min(len(left), len(sound))
    left[:room] += sound[:room]
