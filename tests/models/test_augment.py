"""Augmentation measured: ratios, room tails, durations, pitches and masks are as asked."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.audio import read_file
from steno_models.features.fbank import fbank
from steno_models.training.augment import (
    Masks,
    add_noise,
    convolve,
    reverberate,
    room_impulse,
    spec_augment,
    speed_perturb,
    volume,
    vtlp,
)
from steno_models.types import FloatArray


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(samples: int, seed: int, scale: float = 0.05) -> FloatArray:
    """Return white noise, (N,)."""
    return np.asarray(rng(seed).standard_normal(samples) * scale, np.float32)


def tone(hertz: float, seconds: float = 1.0) -> FloatArray:
    """Return a sine at 16 kHz, (N,)."""
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * np.arange(16_000 * seconds) / 16_000), "f4")


def power_db(samples: FloatArray) -> float:
    """Return the mean power in dB of full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def runs(marks: np.ndarray) -> list[tuple[int, int]]:
    """Return (start, length) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[0, marks.astype(int), 0]))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@settings(deadline=None, max_examples=60)
@given(
    frames=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    widest=st.integers(0, 100),
    longest=st.integers(0, 150),
    share=st.floats(0, 1),
)
def test_masks_are_whole_bands_and_stretches_within_their_bounds(
    frames: int, seed: int, widest: int, longest: int, share: float
) -> None:
    features = noise(frames * 80, 1).reshape(frames, 80)
    masks = Masks(1, widest, 1, longest, share)
    masked = spec_augment(features, rng(seed), masks)
    hidden = masked != features
    bands, stretches = runs(hidden.all(axis=0)), runs(hidden.all(axis=1))
    if hidden.all():  # one of the two covers everything
        assert widest >= 80 or min(longest, share * frames) >= frames
        return
    assert len(bands) <= 1
    assert len(stretches) <= 1
    assert all(width <= widest for _, width in bands)
    assert all(length <= min(longest, share * frames) for _, length in stretches)
    expected = hidden.all(axis=0)[None, :] | hidden.all(axis=1)[:, None]
    np.testing.assert_array_equal(hidden, expected)
    np.testing.assert_array_equal(masked[hidden], np.full(hidden.sum(), features.mean()))


def test_masks_fall_everywhere_and_are_as_wide_as_allowed() -> None:
    features = noise(50 * 20, 2).reshape(50, 20)
    masks = Masks(1, 5, 1, 10, 1.0)
    hidden = np.array([spec_augment(features, rng(seed), masks) != features for seed in range(400)])
    widths = [sum(length for _, length in runs(h.all(axis=0))) for h in hidden]
    lengths = [sum(length for _, length in runs(h.all(axis=1))) for h in hidden]
    assert set(widths) == set(range(6))
    assert set(lengths) == set(range(11))
    assert hidden.any(axis=0).all()


def test_a_seed_repeats_its_masks_and_leaves_the_features_alone() -> None:
    features = noise(8000, 3).reshape(100, 80)
    kept = features.copy()
    first, second = (spec_augment(features, rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(features, kept)
    assert spec_augment(np.zeros((0, 80), np.float32), rng()).shape == (0, 80)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_speed_changes_duration_and_pitch(factor: float) -> None:
    faster = speed_perturb(tone(1000, 2), factor)
    assert len(faster) == pytest.approx(32_000 / factor, abs=1)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(len(faster))))
    assert np.argmax(spectrum) * 16_000 / len(faster) == pytest.approx(1000 * factor, abs=1)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
@pytest.mark.parametrize("noise_samples", [700, 16_000, 50_000])
def test_noise_is_as_strong_as_asked(snr_db: float, noise_samples: int) -> None:
    speech = noise(16_000, 4) * np.float32(0.1)
    mixed = add_noise(speech, noise(noise_samples, 5), snr_db, rng())
    assert power_db(speech) - power_db(mixed - speech) == pytest.approx(snr_db, abs=0.1)


def test_noise_that_would_clip_turns_everything_down() -> None:
    speech = tone(500)
    mixed = add_noise(speech, noise(16_000, 6), -20.0, rng())
    assert np.abs(mixed).max() == pytest.approx(1.0)
    share = np.dot(mixed, speech) / np.dot(speech, speech)
    assert power_db(share * speech) - power_db(mixed - share * speech) == pytest.approx(-20, abs=1)


def test_no_noise_leaves_speech_as_it_is() -> None:
    speech = tone(500)
    np.testing.assert_array_equal(add_noise(speech, np.zeros(10, np.float32), 0.0, rng()), speech)
    assert len(add_noise(speech[:0], speech, 0.0, rng())) == 0


def test_fast_convolution_is_convolution() -> None:
    a, b = noise(1000, 8, 1.0), noise(77, 9, 1.0)
    np.testing.assert_allclose(convolve(a, b), np.convolve(a, b), atol=1e-4)


@pytest.mark.parametrize("rt60_s", [0.1, 0.3, 0.6])
def test_a_room_dies_away_in_the_time_asked(rt60_s: float) -> None:
    # Schroeder 1965: the energy still to come, backward integrated, falls along a straight line.
    measured = []
    for seed in range(8):
        tail = room_impulse(rng(seed), rt60_s)[80:].astype(np.float64)
        decay_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))
        inside = np.flatnonzero((decay_db < -5) & (decay_db > -25))
        slope_db_s = np.polyfit(inside / 16_000, decay_db[inside], 1)[0]
        measured.append(-60 / slope_db_s)
    assert np.mean(measured) == pytest.approx(rt60_s, rel=0.1)


def test_the_direct_path_comes_first_and_is_as_strong_as_asked() -> None:
    impulse = room_impulse(rng(), 0.4, direct_to_tail_db=6.0)
    assert np.argmax(np.abs(impulse)) == 0
    assert -10 * np.log10(np.sum(impulse[1:] ** 2)) == pytest.approx(6, abs=0.01)


def test_reverberation_keeps_length_level_and_place() -> None:
    speech = np.zeros(16_000, np.float32)
    speech[3000:9000] = noise(6000, 10)
    wet = reverberate(speech, rng(1))
    assert len(wet) == len(speech)
    assert power_db(wet) == pytest.approx(power_db(speech), abs=0.01)
    np.testing.assert_allclose(wet[:3000], 0, atol=1e-6)
    assert power_db(wet[9000:]) > -60
    lags = np.correlate(wet[2000:10_000], speech[2500:9500], "valid")
    assert np.argmax(lags) == 500
    assert len(reverberate(speech[:0], rng())) == 0


def test_volume_is_as_asked_and_never_beyond_full_scale() -> None:
    speech = tone(500)
    assert power_db(volume(speech, -12)) == pytest.approx(power_db(speech) - 12, abs=0.01)
    assert np.abs(volume(speech, 40)).max() == 1


def test_an_unchanged_vocal_tract_gives_the_plain_features(clips: Path) -> None:
    speech = read_file(min((clips / "librivox").glob("*.flac")))
    np.testing.assert_allclose(vtlp(speech, 1.0), fbank(speech), atol=2e-3)
    assert vtlp(speech[:399], 0.9).shape == (0, 80)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("hertz", [400.0, 1000.0, 3000.0])
def test_a_shorter_vocal_tract_raises_what_stands_at_a_frequency(
    factor: float, hertz: float
) -> None:
    bins = np.arange(80)

    def centre(features: FloatArray) -> float:
        energies = np.exp(features.mean(axis=0) - features.mean(axis=0).max()) ** 2
        return float(np.sum(bins * energies) / np.sum(energies))

    warped = centre(vtlp(tone(hertz), factor))
    assert warped == pytest.approx(centre(fbank(tone(hertz * factor))), abs=0.3)
    assert (warped > centre(fbank(tone(hertz)))) == (factor > 1)
