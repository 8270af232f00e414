"""Sounds without a word, made by a program: silence, noise, tones and music.

What must never be taken for speech is measured on them, and they can be told apart from speech by
whoever learns to. Music is additive synthesis (chords, a melody, a bass and drums, by harmonic
rules loose enough that no two pieces are alike); noise has a spectrum of 1/f^a.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Self

import numpy as np
from numpy.typing import NDArray

from steno_models.audio import SAMPLE_RATE
from steno_models.training.augment import convolve
from steno_models.types import FloatArray

_Sound = NDArray[np.float64]

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
_HIGHEST_HZ = 7500.0
_RELEASE_SAMPLES = 400


def silence(rng: np.random.Generator, num_samples: int) -> _Sound:
    """Return digital silence, or what a converter makes of it: its last bit."""
    return rng.integers(-1, 2, num_samples) / 32768 * float(rng.integers(0, 2))


def noise(rng: np.random.Generator, num_samples: int) -> _Sound:
    """Return noise with a power of 1/f^a, a from 0 (white) over 1 (pink) to 2, that may swell."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    hz = np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE)
    spectrum *= np.maximum(hz, 20.0) ** (-rng.uniform(0, 2) / 2)
    time_s = np.arange(num_samples) / SAMPLE_RATE
    swell = 1 + rng.uniform(0, 1) * np.sin(2 * np.pi * rng.uniform(0.1, 4) * time_s)
    return np.asarray(np.fft.irfft(spectrum, num_samples) * swell)


def tones(rng: np.random.Generator, num_samples: int) -> _Sound:
    """Return up to three sines, steady, gliding or beeping."""
    time_s = np.arange(num_samples) / SAMPLE_RATE
    sound = np.zeros(num_samples)
    for _ in range(int(rng.integers(1, 4))):
        first_hz, last_hz = np.exp(rng.uniform(np.log(80), np.log(4000), 2))
        glide = float(rng.integers(0, 2)) * (last_hz - first_hz) / time_s[-1]
        sine = np.sin(2 * np.pi * (first_hz + glide * time_s / 2) * time_s)
        beep = np.sin(2 * np.pi * rng.uniform(0.5, 5) * time_s) > rng.choice([-2.0, 0.0])
        sound += sine * beep
    return sound


def music(rng: np.random.Generator, num_samples: int) -> _Sound:
    """Return a piece of music: some of four voices, in one key, to beats of one tempo."""
    sound = np.zeros(num_samples)
    beat = round(60 / rng.uniform(60, 170) * SAMPLE_RATE)
    key = _Key(_SCALES[int(rng.integers(2))], int(rng.integers(36, 60)))
    instruments = [_Instrument.drawn(rng) for _ in range(3)]
    has_chords, has_melody, has_bass, has_drums = rng.random(4) < (0.8, 0.8, 0.6, 0.6)
    degree = 0
    for number, begin in enumerate(range(0, num_samples, beat)):
        degree = int(rng.integers(0, 7)) if number % 4 == 0 else degree
        if has_chords and number % 4 == 0:
            for third in (0, 2, 4):
                chord_note = instruments[0].note(rng, key.pitch_hz(degree + third), 4 * beat)
                _add(sound, begin, 0.3 * chord_note)
        if has_melody or not (has_chords or has_bass):
            notes = int(rng.choice([1, 2, 2, 4]))
            for place in range(begin, begin + notes * (beat // notes), beat // notes):
                pitch_hz = key.pitch_hz(degree + 7 + int(rng.integers(0, 15)))
                length = int(beat / notes * rng.uniform(0.6, 1.5))
                _add(sound, place, 0.5 * instruments[1].note(rng, pitch_hz, length))
        if has_bass:
            _add(sound, begin, 0.5 * instruments[2].note(rng, key.pitch_hz(degree - 7), beat))
        if has_drums:
            for place in (begin, begin + beat // 2):
                _add(sound, place, rng.uniform(0.1, 0.9) * _drum(rng))
    return sound if rng.random() < 0.6 else _in_a_hall(rng, sound)


KINDS: tuple[Callable[[np.random.Generator, int], _Sound], ...] = (
    music, noise, music, tones, music, noise, music, silence,
)  # fmt: skip


def wordless(rng: np.random.Generator, seconds: float = 8.0) -> Iterator[tuple[str, FloatArray]]:
    """Yield sounds with the name of their kind, without end; half of them are music.

    Each is (N,) float32 in [-1, 1] at 16 kHz, `seconds` long, 2 to 50 dB below full scale.
    """
    num_samples = round(seconds * SAMPLE_RATE)
    for number in count():
        kind = KINDS[number % len(KINDS)]
        sound = kind(rng, num_samples)
        level_db = -rng.uniform(2, 30) if kind is music else -rng.uniform(2, 50)
        peak = max(float(np.abs(sound).max()), 1e-9)
        gain = 10 ** (level_db / 20) / peak if kind is not silence else 1.0
        yield kind.__name__, (gain * sound).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Key:
    """A scale, in semitones above its first note, and the MIDI number of that note."""

    scale: tuple[int, ...]
    root: int

    def pitch_hz(self, degree: int) -> float:
        """Return the pitch of a note of the scale; 7 degrees are an octave."""
        octave, note = divmod(degree, len(self.scale))
        return float(440 * 2 ** ((self.root + self.scale[note] + 12 * octave - 69) / 12))


@dataclass(frozen=True, slots=True)
class _Instrument:
    """What makes a timbre.

    Attributes:
        slope: the k-th overtone is weaker by k^slope.
        even: how strong the even overtones are; 0 sounds like a clarinet.
        formant_hz: centre of a resonance, as of a voice or a horn; 0 is none.
        attack_s: how long a note takes to come.
        decay_s: how long it takes to go.
        vibrato: by how much of its pitch it wavers.
    """

    slope: float
    even: float
    formant_hz: float
    attack_s: float
    decay_s: float
    vibrato: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Self:
        """Return an instrument at random."""
        return cls(
            slope=rng.uniform(0.8, 2.5),
            even=float(rng.choice([0.0, 1.0, 1.0])),
            formant_hz=float(rng.choice([0.0, rng.uniform(300, 2500)])),
            attack_s=rng.uniform(0.002, 0.12),
            decay_s=rng.uniform(0.1, 3.0),
            vibrato=float(rng.choice([0.0, rng.uniform(0.001, 0.006)])),
        )

    def note(self, rng: np.random.Generator, pitch_hz: float, num_samples: int) -> _Sound:
        """Return a note, (num_samples,)."""
        time_s = np.arange(num_samples) / SAMPLE_RATE
        wavering = 1 + self.vibrato * np.sin(2 * np.pi * rng.uniform(4, 7) * time_s)
        phase = 2 * np.pi * pitch_hz * np.cumsum(wavering) / SAMPLE_RATE
        sound = np.zeros(num_samples)
        for k in range(1, min(40, max(1, int(_HIGHEST_HZ // pitch_hz))) + 1):
            amplitude = k**-self.slope * (self.even if k % 2 == 0 else 1.0)
            if self.formant_hz:
                amplitude += np.exp(-(((k * pitch_hz - self.formant_hz) / 500) ** 2))
            sound += amplitude * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
        envelope = np.minimum(1, time_s / self.attack_s) * np.exp(-time_s / self.decay_s)
        release = min(num_samples, _RELEASE_SAMPLES)
        envelope[num_samples - release :] *= np.linspace(1, 0, release)
        return np.asarray(sound * envelope)


def _drum(rng: np.random.Generator) -> _Sound:
    """Return a stroke: noise that dies away, dull or sharp."""
    stroke = rng.standard_normal(int(rng.uniform(0.03, 0.2) * SAMPLE_RATE))
    stroke *= np.exp(-np.arange(len(stroke)) / SAMPLE_RATE / rng.uniform(0.01, 0.07))
    if rng.random() < 0.5:
        stroke = np.cumsum(stroke)
    return np.asarray(stroke / np.abs(stroke).max())


def _in_a_hall(rng: np.random.Generator, sound: _Sound) -> _Sound:
    """Return `sound` with an echo that dies away within a third of a second."""
    echo = rng.standard_normal(6000) * np.exp(-np.arange(6000) / 1800)
    echo[0] = 8.0
    return convolve(sound.astype(np.float32), echo.astype(np.float32))[: len(sound)].astype(float)


def _add(sound: _Sound, begin: int, part: _Sound) -> None:
    """Add `part` to `sound` from `begin` on, as far as it reaches."""
    end = min(len(sound), begin + len(part))
    if begin < end:
        sound[begin:end] += part[: end - begin]
