"""Sounds without words: as long and as loud as they should be, and the same for the same seed."""

from itertools import islice

import numpy as np
import pytest

from steno_models.audio import SAMPLE_RATE
from steno_models.training.wordless import KINDS, music, noise, silence, tones, wordless


def test_a_seed_repeats_the_sounds_and_another_changes_them() -> None:
    first, again, other = (
        list(islice(wordless(np.random.default_rng(seed), 1.0), len(KINDS))) for seed in (1, 1, 2)
    )
    assert [kind for kind, _ in first] == [kind.__name__ for kind in KINDS]
    for (_, sound), (_, same) in zip(first, again, strict=True):
        assert np.array_equal(sound, same)
    assert not np.array_equal(first[0][1], other[0][1])


def test_sounds_are_as_long_as_asked_and_within_full_scale() -> None:
    for kind, sound in islice(wordless(np.random.default_rng(3), 1.5), 2 * len(KINDS)):
        assert sound.dtype == np.float32
        assert len(sound) == 1.5 * SAMPLE_RATE
        assert np.isfinite(sound).all()
        peak = np.abs(sound).max()
        assert peak <= (2 / 32768 if kind == "silence" else 10 ** (-2 / 20) + 1e-6)
        assert kind == "silence" or peak > 10 ** (-51 / 20)


def test_half_of_the_sounds_are_music() -> None:
    assert KINDS.count(music) * 2 == len(KINDS)
    assert {music, noise, tones, silence} == set(KINDS)


@pytest.mark.parametrize("seed", range(6))
def test_every_piece_of_music_sounds_most_of_the_time(seed: int) -> None:
    sound = music(np.random.default_rng(seed), 8 * SAMPLE_RATE)
    seconds = sound.reshape(8, SAMPLE_RATE)
    assert (np.abs(seconds).max(axis=1) > 0.01 * np.abs(sound).max()).sum() >= 7


def test_noise_is_never_stronger_at_high_frequencies_than_at_low_ones() -> None:
    for seed in range(5):
        spectrum = np.abs(np.fft.rfft(noise(np.random.default_rng(seed), 4 * SAMPLE_RATE))) ** 2
        low, high = spectrum[400:4000].mean(), spectrum[20_000:].mean()
        assert low > 0.8 * high
