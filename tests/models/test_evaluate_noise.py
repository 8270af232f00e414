"""Speech that is heard again in noise."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from steno_models import __main__ as program
from steno_models.errors import DataError
from steno_models.evaluate_noise import in_noise, noises

CLIP = Path(__file__).parents[1] / "data/librivox/sense_and_sensibility_01_austen_64kb-0870.flac"
RNG = np.random.default_rng(1)
SPEECH = (0.1 * RNG.standard_normal(16_000)).astype(np.float32)
NOISES = [(0.1 * RNG.standard_normal(4_000)).astype(np.float32) for _ in range(5)]


@pytest.mark.parametrize("snr_db", [-5.0, 10.0])
def test_noise_is_as_much_weaker_as_was_asked_for(snr_db: float) -> None:
    added = in_noise(NOISES, snr_db)(SPEECH) - SPEECH
    found_db = 10 * np.log10(np.mean(SPEECH**2) / np.mean(added**2))
    assert found_db == pytest.approx(snr_db, abs=0.01)


def test_a_recording_is_in_the_same_noise_whenever_it_is_heard() -> None:
    other = SPEECH[::-1].copy()
    once, mixed = in_noise(NOISES, 10.0), in_noise(NOISES, 10.0)
    mixed(other)
    np.testing.assert_array_equal(once(SPEECH), mixed(SPEECH))


def test_noises_are_folders_and_recordings(tmp_path: Path) -> None:
    folder = tmp_path / "noises"
    folder.mkdir()
    for number, noise in enumerate(NOISES):
        sf.write(folder / f"{number}.wav", noise, 16_000, subtype="FLOAT")
    found = noises([str(folder), str(folder / "3.wav")])
    assert len(found) == len(NOISES) + 1
    np.testing.assert_array_equal(found[-1], NOISES[3])


def test_noise_that_is_none_is_an_error(tmp_path: Path) -> None:
    sf.write(tmp_path / "still.wav", np.zeros(1_000), 16_000)
    with pytest.raises(DataError, match=r"--noise: expected a sound, found silence .*still\.wav"):
        noises([str(tmp_path / "still.wav")])


def test_a_bundle_is_measured_with_and_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sf.write(tmp_path / "hiss.wav", NOISES[0], 16_000, subtype="FLOAT")
    line = {"audio_filepath": str(CLIP), "duration": 4.0, "text": "nothing of the kind"}
    (tmp_path / "dev.jsonl").write_text(json.dumps(line) + "\n")
    command = ["evaluate", "--manifest", str(tmp_path / "dev.jsonl")]
    command += ["--noise", str(tmp_path / "hiss.wav"), "--snr-db", "0", "--json"]
    assert program.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["noise"]["snr_db"] == 0
    assert found["noise"]["audio_s"] == found["audio_s"] == pytest.approx(4.0)
    assert found["noise"]["wer"] > 0
