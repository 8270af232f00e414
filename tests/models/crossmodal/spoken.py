"""Speech for tests: frames that are planted, and tones that stand for words."""

from collections.abc import Sequence

import numpy as np

from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.speech import WIDTH, Speech
from steno_models.crossmodal.synthesis.espeak import Spoken, Voice
from steno_models.types import FloatArray, IntArray

WORD_S = 0.25


class Frames:
    """Recordings in memory, as a cache of features gives them."""

    def __init__(self, recordings: Sequence[FloatArray]) -> None:
        self._recordings = recordings

    @property
    def keys(self) -> Sequence[str]:
        return [f"r{place}" for place in range(len(self._recordings))]

    @property
    def lengths(self) -> IntArray:
        return np.array([[len(each)] for each in self._recordings], np.int32)

    def read(self, utterance: int, variant: int) -> FloatArray:
        assert variant == 0
        return self._recordings[utterance]


def planted(
    recordings: int = 6, words: int = 8, *, seed: int = 0, said: list[int] | None = None
) -> tuple[Speech, list[list[int]]]:
    """Return speech of three words, 20 frames each, valleys of sonority between, and which."""
    random = np.random.default_rng(seed)
    shapes = random.normal(size=(3, 20, WIDTH)).astype(np.float32)
    found, every = [], []
    for _ in range(recordings):
        own = said or random.integers(3, size=words).tolist()
        frames = np.concatenate([shapes[word] for word in own])
        frames += 0.05 * random.normal(size=frames.shape).astype(np.float32)
        frames[:, 0] = 5.0 + 0.1 * frames[:, 0]
        frames[:, -1] = np.tile(np.sin(np.pi * (np.arange(20) + 0.5) / 20), words)
        found.append(frames)
        every.append(own)
    return Speech(Frames(found), ["one"] * recordings), every


def tones(words: Sequence[str], voice: Voice) -> Spoken:
    """Return a tone for each word, whose pitch its letters decide, with a fall at its end."""
    samples = round(WORD_S * SAMPLE_RATE)
    times = np.arange(samples) / SAMPLE_RATE
    swell = np.sin(np.pi * times / WORD_S)
    parts = []
    for word in words:
        pitch = 200.0 + 37.0 * (sum(map(ord, word)) % 40) + voice.pitch
        parts.append(0.3 * swell * np.sin(2 * np.pi * pitch * times))
    starts = [WORD_S * place for place in range(len(words))]
    whole = np.concatenate(parts).astype(np.float32)
    return Spoken(whole, starts, [start + WORD_S for start in starts])
