"""Augmentation of features measured: levels, ratios, durations and places are as asked."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.training.feature_augment import (
    add_noise_energies,
    shift_volume,
    tempo_positions,
    warp_frequency,
    warp_tempo,
)
from steno_models.types import FloatArray


def log_energies(frames: int, seed: int = 0, level: float = 8.0) -> FloatArray:
    return np.random.default_rng(seed).normal(level, 2, (frames, 80)).astype(np.float32)


def level_db(features: FloatArray) -> float:
    return float(10 * np.log10(np.exp(features.astype(np.float64)).mean()))


def test_volume_moves_every_energy_alike() -> None:
    features = log_energies(20)
    louder = shift_volume(features, 1.0)
    assert louder.dtype == np.float32
    assert level_db(louder) - level_db(features) == pytest.approx(10 * np.log10(np.e), abs=1e-3)
    np.testing.assert_allclose(louder - features, 1.0, atol=1e-5)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 5.0, 15.0])
@pytest.mark.parametrize("noise_frames", [7, 60, 300])
def test_noise_energies_add_up_to_the_ratio_asked_for(snr_db: float, noise_frames: int) -> None:
    speech, noise = log_energies(60), log_energies(noise_frames, 1, level=-3.0)
    mixed = add_noise_energies(speech, noise, snr_db, np.random.default_rng(0))
    assert mixed.dtype == np.float32
    added = np.exp(mixed.astype(np.float64)) - np.exp(speech.astype(np.float64))
    assert (added > -1e-2).all()
    found_db = level_db(speech) - 10 * np.log10(added.mean())
    assert found_db == pytest.approx(snr_db, abs=0.05)


def test_noise_starts_anywhere_and_goes_round() -> None:
    speech = np.full((6, 2), -50, np.float32)
    noise = np.repeat(np.arange(4, dtype=np.float32)[:, None], 2, axis=1)
    starts = set()
    for seed in range(40):
        mixed = add_noise_energies(speech, noise, -200.0, np.random.default_rng(seed))
        order = np.round(mixed[:, 0] - mixed[:, 0].min()).astype(int).tolist()
        assert [(b - a) % 4 for a, b in pairwise(order)] == [1] * 5
        starts.add(order[0])
    assert starts == {0, 1, 2, 3}


def test_without_frames_or_noise_nothing_is_added() -> None:
    speech, rng = log_energies(5), np.random.default_rng(0)
    np.testing.assert_array_equal(add_noise_energies(speech, speech[:0], 5.0, rng), speech)
    assert add_noise_energies(speech[:0], speech, 5.0, rng).shape == (0, 80)


@settings(deadline=None, max_examples=60)
@given(frames=st.integers(1, 300), factor=st.floats(0.8, 1.25))
def test_tempo_changes_duration_and_nothing_else(frames: int, factor: float) -> None:
    ramp = np.repeat(np.arange(frames, dtype=np.float32)[:, None], 3, axis=1)
    warped = warp_tempo(ramp, factor)
    assert len(warped) == max(1, int(frames / factor))
    positions = tempo_positions(frames, factor)
    np.testing.assert_allclose(warped, np.repeat(positions[:, None], 3, axis=1), atol=1e-3)
    np.testing.assert_allclose(np.diff(positions[:-1]), factor)


def test_a_tempo_of_one_leaves_features_as_they_are() -> None:
    features = log_energies(30)
    np.testing.assert_array_equal(warp_tempo(features, 1.0), features)
    assert warp_tempo(features[:0], 1.1).shape == (0, 80)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_a_warped_bin_shows_what_stood_at_the_factor_times_it(factor: float) -> None:
    bins = np.tile(np.arange(80, dtype=np.float32), (4, 1))
    warped = warp_frequency(bins, factor)
    assert warped.dtype == np.float32
    np.testing.assert_allclose(warped[0], np.clip(np.arange(80) * factor, 0, 79), atol=1e-4)
