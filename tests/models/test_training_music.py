"""Music made by a program: long enough, tonal, repeatable, and never half there."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import ConfigError
from steno_models.training.music import _INSTRUMENTS, drum, music, tone
from steno_models.training.music_folder import music_folder


@pytest.mark.parametrize("seed", range(4))
def test_a_piece_is_as_long_as_asked_and_not_too_loud(seed: int) -> None:
    samples = music(2.5, np.random.default_rng(seed))
    assert samples.shape == (40_000,)
    assert samples.dtype == np.float32
    peak_db = 20 * np.log10(np.abs(samples).max())
    assert -30.01 <= peak_db <= -1.99
    quarters = np.abs(samples.reshape(4, -1)).max(axis=1)
    assert (quarters > 0).all()


def test_a_seed_repeats_its_piece() -> None:
    first, again, other = (music(1.0, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("instrument", _INSTRUMENTS)
def test_a_tone_has_its_partials_and_nothing_between_them(instrument: object) -> None:
    sound = tone(200.0, 1.0, instrument, np.random.default_rng(5))  # type: ignore[arg-type]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hertz = np.arange(len(spectrum))
    near = np.abs(hertz - 200 * np.round(hertz / 200)) <= 0.03 * hertz + 5
    assert spectrum[near & (hertz > 150)].sum() > 0.95 * spectrum.sum()
    assert spectrum[hertz > 7_600].sum() < 1e-3 * spectrum.sum()


def test_a_stroke_dies_away() -> None:
    for seed in range(5):
        stroke = np.abs(drum(0.2, np.random.default_rng(seed)))
        assert stroke[:800].max() > 0
        assert np.isfinite(stroke).all()


def test_a_folder_is_made_once_and_grows_by_pieces(tmp_path: Path) -> None:
    folder = music_folder(tmp_path, 0.005, seed=1)
    files = sorted(folder.glob("*.flac"))
    total_s = sum(soundfile.info(str(file)).duration for file in files)
    assert 18 - 9 <= total_s <= 18
    times = [file.stat().st_mtime_ns for file in files]
    assert music_folder(tmp_path, 0.005, seed=1) == folder
    assert [file.stat().st_mtime_ns for file in files] == times
    longer = music_folder(tmp_path, 0.0075, seed=1)
    assert longer != folder
    assert (longer / files[0].name).read_bytes() == files[0].read_bytes()
    assert not list(tmp_path.glob("*.draft"))


def test_less_than_a_piece_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"expected at least 0\.0025 hours of music, found 0\.001"
    ):
        music_folder(tmp_path, 0.001)
