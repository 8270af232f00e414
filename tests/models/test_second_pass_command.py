"""`steno-models tune-second-pass`: weights that make fewer errors, a bundle that stays whole."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.models import second_passes as second
from tests.models.second_passes import candidate
from tests.models.test_recogniser import sound

from steno_models import __main__ as program
from steno_models import bundle
from steno_models.rescoring.combination import Opinion, Weights
from steno_models.rescoring.tuning import Judged, outcome, tuned
from steno_models.second_pass_command import Recording, fitted, report
from steno_models.training.manifest import Utterance, write_manifest
from steno_models.two_pass_recogniser import TwoPassRecogniser


def judged(*entries: tuple[str, float, float, int]) -> Judged:
    """Candidates: words, log score, ln p of each word by the network, errors."""
    return Judged(
        [candidate(text, score) for text, score, _, _ in entries],
        [Opinion(np.full(len(text.split()) + 1, log_prob)) for text, _, log_prob, _ in entries],
        np.array([errors for *_, errors in entries], np.float64),
        spoken=2,
    )


def test_weights_are_found_under_which_the_right_ones_win() -> None:
    lists = [
        judged(("a b", -5.0, -3.0, 1), ("a c", -5.5, -0.5, 0), ("d c", -9.0, -0.4, 2)),
        judged(("a", -4.0, -1.0, 1), ("a b", -6.0, -0.8, 0)),
    ]
    start = Weights(language=0.5)
    assert outcome(lists, start, 1.0).errors == 2
    found = tuned(lists, start, 1.0)
    assert outcome(lists, found, 1.0).errors == 0
    assert found.neural_share > 0
    assert found.attention == 0


def test_weights_that_cannot_be_better_stay() -> None:
    lists = [judged(("a b", -5.0, -3.0, 0)), judged(("a", -4.0, -1.0, 0))]
    start = Weights(language=0.5, neural_share=0.25, word=0.125)
    assert tuned(lists, start, 1.0) == start


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Eight recordings of noise; what is said in them is made up."""
    texts, utterances = ["see cat", "at tea", "see tea", "cat at"] * 2, []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.wav"
        noise = np.repeat(sound(200, seed=number)[:, 0] - 10, 100) / 40
        soundfile.write(path, noise * np.sin(np.arange(len(noise)) / 5), 16_000)
        utterances.append(Utterance(str(number), path, 0.0, len(noise) / 16_000, text, "s"))
    write_manifest(tmp_path / "dev.jsonl", utterances)
    return tmp_path / "dev.jsonl"


def test_a_bundle_gets_a_language_model_and_its_weights(
    tiny_bundle: Path, tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    language = second.recurrent(tmp_path / "lm")
    arguments = ["tune-second-pass", "--bundle", str(tiny_bundle), "--manifest", str(manifest)]
    assert program.main([*arguments, "--language", str(language), "--n-best", "6"]) == 0
    said = capsys.readouterr().out
    assert "each half with what was fitted on the other, 16 words:" in said
    assert "first pass:" in said
    assert "best in the lists:" in said
    found = bundle.load(tiny_bundle)
    assert isinstance(found.recogniser, TwoPassRecogniser)
    section = found.description.second_pass
    assert section is not None
    assert (section.kind, section.n_best, section.budget_ms) == ("language", 6, 200)
    assert section.confidence is not None
    assert "second_pass/language/weights.safetensors" in found.description.files
    assert section.margin == float("inf")
    more = ["--budget-ms", "120", "--context-words", "30", "--margin", "5.5"]
    assert program.main([*arguments, *more]) == 0
    again = bundle.load(tiny_bundle).description.second_pass
    assert again is not None
    assert again.margin == 5.5
    assert (again.n_best, again.budget_ms, again.context_words) == (6, 120, 30)


def test_what_is_said_of_each_half_was_fitted_on_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The one half wants more words, the other fewer: neither helps the other.
    more = Recording(judged(("a", -4.0, -1.0, 1), ("a b", -5.0, -1.0, 0)), (), ("a", "b"))
    fewer = Recording(judged(("a b", -4.0, -1.0, 1), ("a", -5.0, -1.0, 0)), (), ("a",))
    wrong = Recording(judged(("c", -4.0, -1.0, 1)), (), ("d",))
    halves = [more, more, wrong], [fewer, fewer, wrong]
    start = [Weights(language=0.5)]
    for_other = [(fitted(half, start, 1.0), halves[1 - k]) for k, half in enumerate(halves)]
    report(for_other, start[0], 1.0)
    said = capsys.readouterr().out
    assert "first pass: 6 errors" in said
    assert "both passes: 6 errors" in said
    assert "best in the lists: 2 errors" in said
    assert [outcome([more.judged], for_other[k][0].weights, 1.0).errors for k in (0, 1)] == [0, 1]


def test_a_bundle_is_left_as_it_was_where_something_is_wrong(
    tiny_bundle: Path, tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path, path.read_bytes()) for path in tiny_bundle.rglob("*") if path.is_file())
    arguments = ["tune-second-pass", "--bundle", str(tiny_bundle), "--manifest", str(manifest)]
    other = second.recurrent(tmp_path / "lm", ("le", "la", "les"))
    lone = tmp_path / "one.jsonl"
    lone.write_text(manifest.read_text().splitlines()[0])
    assert (
        program.main(
            [*arguments[:-1], str(lone), "--language", str(second.recurrent(tmp_path / "right"))]
        )
        == 1
    )
    assert "expected two recordings or more, found 1" in capsys.readouterr().err
    wrongs = {
        "or --language or --speller, found none": [],
        "expected the folder of a model, found none at": ["--language", str(tmp_path / "no")],
        "one that knows 0 of 4": ["--language", str(other)],
        "expected options of a second pass": ["--language", str(other), "--n-best", "0"],
    }
    for complaint, wrong in wrongs.items():
        assert program.main([*arguments, *wrong]) == 1
        assert complaint in capsys.readouterr().err
    after = sorted((path, path.read_bytes()) for path in tiny_bundle.rglob("*") if path.is_file())
    assert after == before
