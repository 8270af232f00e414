"""Fitting the speech gate: from recordings with and without words to a bundle that tells them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models import __main__ as program
from steno_models import bundle, speech_gate_command
from steno_models.audio import SAMPLE_RATE
from steno_models.errors import DataError
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.speech_gate_command import Piece, fit, outcomes, table
from steno_models.training.wordless import KINDS
from steno_models.vad.speech_gate import FEATURES, SUMS


def pieces(group: str, count: int, *, is_speech: bool, dynamism: float) -> list[Piece]:
    """Return pieces of ten windows with that dynamism a step, give or take."""
    rng = np.random.default_rng(len(group))
    made = []
    for number in range(count):
        windows = rng.uniform(2, 4, (10, len(SUMS) + 1))
        windows[:, SUMS.index("dynamism")] = dynamism * rng.uniform(0.8, 1.2, 10)
        windows[:, -1] = 32
        windows[0, 0] = 0  # nothing heard yet
        made.append(Piece(group, number % 2, is_speech, windows, 8.0))
    return made


def test_what_was_fitted_tells_speech_from_the_rest() -> None:
    speech = pieces("speech", 10, is_speech=True, dynamism=10.0)
    music = pieces("music", 10, is_speech=False, dynamism=2.0)
    gate = fit([*speech, *music])
    found = {one.group: one for one in outcomes(gate, [*speech, *music])}
    assert (found["speech"].opened, found["music"].opened) == (10, 0)
    assert found["speech"].minutes == pytest.approx(80 / 60)
    assert found["speech"].delays_s == (0.0,) * 10
    assert gate.weights[FEATURES.index("dynamism")] > 0
    assert table(list(found.values()), "").row_count == 2


def test_speech_and_what_is_none_are_both_needed() -> None:
    speech = pieces("speech", 2, is_speech=True, dynamism=10.0)
    with pytest.raises(DataError, match="and in what has no words, found 18 and 0"):
        fit(speech)


def test_the_program_fits_a_bundle_and_seals_it(
    tiny_bundle: Path,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(speech_gate_command, "SYNTHETIC_PIECES", 2 * len(KINDS))
    noises = tmp_path / "noises"
    noises.mkdir()
    for number in range(2):
        sound = np.random.default_rng(number).normal(0, 0.1, 3 * SAMPLE_RATE)
        soundfile.write(noises / f"{number}.wav", sound, SAMPLE_RATE)
    manifest = clips / "librivox" / "manifest.jsonl"
    command = ["speech-gate", "--bundle", str(tiny_bundle), "--manifest", str(manifest)]
    assert program.main([*command, "--wordless", str(noises)]) == 0
    shown = capsys.readouterr().out
    assert "librivox/manifest in noise" in shown
    assert "synthetic music" in shown
    recogniser = bundle.load(tiny_bundle).recogniser
    assert isinstance(recogniser, LexiconRecogniser)
    gate = recogniser.speech_gate
    assert gate is not None
    assert np.isfinite([*gate.weights, gate.bias]).all()
    assert program.main([*command, "--wordless", str(tmp_path / "nowhere")]) == 1
    assert "expected recordings without words" in capsys.readouterr().err
