"""Words where there are none: counted by the program, and none of them found by the bundle."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.progress import Progress

from steno_models import __main__ as program
from steno_models import bundle
from steno_models.audio import SAMPLE_RATE
from steno_models.evaluate_wordless import listen, report, sounds
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.training.wordless import wordless
from steno_models.types import FloatArray


def write(folder: Path, pieces: int, seconds: float) -> Path:
    """Write synthetic sounds into `folder`, none that the gate of the bundle was fitted on."""
    folder.mkdir()
    made = islice(wordless(np.random.default_rng(99), seconds), pieces)
    for number, (kind, sound) in enumerate(made):
        soundfile.write(folder / f"{number}-{kind}.wav", sound, SAMPLE_RATE)
    return folder


def test_words_are_counted_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "noise", 3, 2.0)
    answers = iter(["", "and it", "the"])

    def hear(samples: FloatArray) -> str:
        assert len(samples) == 2 * SAMPLE_RATE
        return next(answers)

    found = listen([str(folder)], hear, Progress(disable=True))
    report(found, "tiny", as_json=True)
    numbers = json.loads(capsys.readouterr().out)
    assert (numbers["words"], numbers["minutes"]) == (3, pytest.approx(0.1))
    assert numbers["sounds"][0]["texts"] == ["and it", "the"]
    report(found, "tiny", as_json=False)
    shown = capsys.readouterr().out
    assert "and it" in shown
    assert " 0.1 " in shown


def test_a_manifest_is_listened_to_like_a_folder(clips: Path) -> None:
    manifest = clips / "librivox" / "manifest.jsonl"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    lengths = [len(sound) / SAMPLE_RATE for sound in sounds(str(manifest))]
    assert lengths == pytest.approx([line["duration"] for line in lines], abs=0.1)


def test_what_has_no_recordings_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["evaluate", "--wordless", str(tmp_path)]) == 1
    assert f"in {tmp_path}, found none" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        program.main(["evaluate", "--wordless", str(tmp_path), "--manifest", "dev.jsonl"])
    assert "not allowed with" in capsys.readouterr().err


def test_the_embedded_bundle_hears_no_words_in_silence_noise_tones_and_music(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser = bundle.load("en").first_pass
    assert isinstance(recogniser, LexiconRecogniser)
    assert recogniser.speech_gate is not None
    folder = write(tmp_path / "sounds", 8, 6.0)
    assert program.main(["evaluate", "--wordless", str(folder), "--streaming", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["minutes"] == pytest.approx(0.8)
    assert numbers["sounds"][0]["recordings"] == 8
    assert numbers["words"] == 0
