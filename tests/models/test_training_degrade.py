import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import ConfigError
from steno_models.training.degrade import Degrade, find_recordings
from steno_models.types import FloatArray


def speech() -> FloatArray:
    times_s = np.arange(16_000) / 16_000
    tone: FloatArray = (0.1 * np.sin(2 * np.pi * 300 * times_s)).astype(np.float32)
    return tone


def write_noise(folder: Path) -> Path:
    (folder / "below").mkdir()
    path = folder / "below" / "hiss.wav"
    soundfile.write(str(path), np.random.default_rng(0).normal(0, 0.1, 8_000), 16_000)
    (folder / "readme.txt").write_text("noise")
    return path


def test_noise_stands_between_the_ratios_asked_for(tmp_path: Path) -> None:
    degrade = Degrade((write_noise(tmp_path),), room_share=0.0, noise_share=1.0, snr_db=(5, 25))
    ratios_db = []
    for seed in range(60):
        noise = degrade(speech(), np.random.default_rng(seed)) - speech()
        ratios_db.append(10 * np.log10(np.mean(speech() ** 2) / np.mean(noise**2)))
    assert 4.9 < min(ratios_db) < 8
    assert 22 < max(ratios_db) < 25.1


def test_shares_say_how_many_are_changed(tmp_path: Path) -> None:
    degrade = Degrade((write_noise(tmp_path),), room_share=0.25, noise_share=0.4)
    changed = [
        not np.array_equal(degrade(speech(), np.random.default_rng(seed)), speech())
        for seed in range(300)
    ]
    assert np.mean(changed) == pytest.approx(1 - 0.75 * 0.6, abs=0.1)


def test_the_same_numbers_give_the_same_sound_after_a_journey_to_another_process(
    tmp_path: Path,
) -> None:
    degrade = Degrade((write_noise(tmp_path),), room_share=1.0, noise_share=1.0)
    other = pickle.loads(pickle.dumps(degrade))  # noqa: S301 - what a process pool does
    first, second = (each(speech(), np.random.default_rng(3)) for each in (degrade, other))
    np.testing.assert_array_equal(first, second)
    assert len(first) == len(speech())


def test_recordings_are_found_at_any_depth(tmp_path: Path) -> None:
    assert find_recordings(tmp_path / "none") == []
    path = write_noise(tmp_path)
    assert find_recordings(tmp_path) == [path]


def test_noise_without_recordings_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected recordings of noise"):
        Degrade(())
    assert np.array_equal(
        Degrade((), room_share=0.0, noise_share=0.0)(speech(), np.random.default_rng(0)), speech()
    )
