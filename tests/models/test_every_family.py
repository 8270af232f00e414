"""Every family's bundle: the same words in any chunking, the same commands, clear complaints."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tomli_w
from tests.daemon.fakes import speak
from tests.models import tiny_bundles as tiny

from steno_models import bundle, bundle_command, calibrate, evaluate, speech_gate_command
from steno_models.bench import measure
from steno_models.errors import BundleError, ConfigError, DataError
from steno_models.hmm_recogniser import HmmRecogniser
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import BundledRecogniser, DecodeOptions, Update, Work
from steno_models.speller_recogniser import SpellerRecogniser
from steno_models.training.manifest import Utterance, read_manifest, write_manifest
from steno_models.transducer_recogniser import TransducerRecogniser
from steno_models.types import FloatArray

SOUND = speak("do mi so", lead_s=0.2, tail_s=0.3)
KINDS: dict[str, Callable[[Path], Path]] = {
    "subwords": tiny.transducer,
    "subwords alone": lambda path: tiny.transducer(path, lm="none", cell="lstm"),
    "subwords, n-gram of tokens": lambda path: tiny.transducer(path, lm="tokens"),
    "phones": lambda path: tiny.transducer(path, units="phones"),
    "speller": tiny.speller,
    "speller alone": lambda path: tiny.speller(path, lm="none"),
    "hmm": tiny.hmm,
    "hmm, spliced": lambda path: tiny.hmm(path, spliced=True),
    "hybrid": tiny.hybrid,
}
OF_EACH_FAMILY = {name: KINDS[name] for name in ("subwords", "speller", "hmm")}


@pytest.fixture(params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return KINDS[request.param](tmp_path / "family")


@pytest.fixture(params=OF_EACH_FAMILY)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return KINDS[request.param](tmp_path / "family")


def heard(
    recogniser: BundledRecogniser, features: FloatArray, cuts: list[int], options: DecodeOptions
) -> list[Update]:
    """What is known after each piece, and at the end."""
    state, found = recogniser.start(options), []
    for piece in np.split(features, cuts):
        [(update, state)] = recogniser.step([Work(piece, state)])
        found.append(update)
    [(update, _)] = recogniser.step([Work(features[:0], state, is_last=True)])
    return [*found, update]


def texts(update: Update) -> list[str]:
    return [word.text for word in update.words]


def test_any_chunking_gives_the_same_and_takes_nothing_stable_back(path: Path) -> None:
    recogniser = bundle.load(path).recogniser
    features = recogniser.features().accept(SOUND)
    options = DecodeOptions(n_best=3)
    whole = heard(recogniser, features, [], options)[-1]
    assert whole.words
    assert 1 <= len(whole.alternatives) <= 3
    assert whole.stable_words == len(whole.words)
    for cuts in ([1, 2, 50], list(range(8, len(features), 8))):
        updates = heard(recogniser, features, cuts, options)
        assert updates[-1].alternatives == whole.alternatives
        assert updates[-1].steps == whole.steps
        stable: list[str] = []
        for update in updates:
            assert texts(update)[: len(stable)] == stable
            stable = texts(update)[: update.stable_words]


def test_words_have_times_in_order_and_confidences(path: Path) -> None:
    recogniser = bundle.load(path).recogniser
    features = recogniser.features().accept(SOUND)
    found = heard(recogniser, features, [100], DecodeOptions(chunk_steps=2))[-1]
    ends = [0, *(word.end_step for word in found.words)]
    for word, before in zip(found.words, ends, strict=False):
        assert before <= word.start_step < word.end_step
        assert 0 <= word.confidence <= 1
    assert 0 <= found.trailing_blank_steps <= found.steps


def test_streams_together_get_what_they_get_alone(one: Path) -> None:
    recogniser = bundle.load(one).recogniser
    sounds = [SOUND, SOUND[8_000:]]
    features = [recogniser.features().accept(sound) for sound in sounds]
    options = [DecodeOptions(), DecodeOptions(chunk_steps=2, beam_scale=0.5)]
    works = [
        Work(x, recogniser.start(o), is_last=True) for x, o in zip(features, options, strict=True)
    ]
    together = [texts(update) for update, _ in recogniser.step(works)]
    assert together == [texts(update) for work in works for update, _ in recogniser.step([work])]


def test_another_language_model_scores_anew_what_was_heard(one: Path) -> None:
    described = bundle.describe(one)
    for ending in ("bin", "lexicon.txt"):
        (one / "lm" / f"legal.{ending}").write_bytes(
            (one / "lm" / f"general.{ending}").read_bytes()
        )
    table = {"language_models": ["general", "legal"]}
    text = (one / "bundle.toml").read_text()
    assert "general" in described.language_models
    (one / "bundle.toml").write_text(text.replace('"general",', '"general", "legal",'))
    bundle_command.seal(one)
    loaded = bundle.load(one)
    assert list(loaded.language_models) == table["language_models"]
    recogniser = loaded.recogniser
    assert isinstance(recogniser, TransducerRecogniser | SpellerRecogniser | HmmRecogniser)
    features = recogniser.features().accept(SOUND)
    [(_, state)] = recogniser.step([Work(features, recogniser.start(DecodeOptions()))])
    other = recogniser.rescored(state, "legal")
    assert other.options.language_model == "legal"
    [(update, _)] = recogniser.step([Work(features[:0], other, is_last=True)])
    assert texts(update) == texts(heard(recogniser, features, [], DecodeOptions())[-1])
    fresh = recogniser.rescored(recogniser.start(DecodeOptions()), "legal")
    assert fresh.options.language_model == "legal"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (DecodeOptions(language_model="legal"), "language models general, found legal"),
        (DecodeOptions(chunk_steps=0), "chunk of 1 step or more, found 0"),
        (DecodeOptions(beam_scale=0), "beam scale above 0, found 0"),
    ],
)
def test_impossible_wishes_are_named(one: Path, options: DecodeOptions, complaint: str) -> None:
    recogniser = bundle.load(one).recogniser
    with pytest.raises(ConfigError, match=complaint):
        recogniser.start(options)


def test_a_search_that_was_made_for_ctc_is_refused(one: Path, tiny_bundle: Path) -> None:
    ctc = bundle.load(tiny_bundle).recogniser
    assert isinstance(ctc, LexiconRecogniser)
    options = DecodeOptions(language_model=ctc.language_models["general"])
    with pytest.raises(ConfigError, match="found one that was made for a search of CTC"):
        bundle.load(one).recogniser.start(options)


def test_nothing_heard_is_no_words(one: Path) -> None:
    recogniser = bundle.load(one).recogniser
    nothing = recogniser.features().accept(np.zeros(0, np.float32))
    [(update, _)] = recogniser.step([Work(nothing, recogniser.start(DecodeOptions()))])
    assert (update.words, update.steps) == ((), 0)
    assert update.missing_frames > 0


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", SOUND, 16_000)
    utterances = [
        Utterance(f"{i}", tmp_path / "a.wav", 0.0, len(SOUND) / 16_000, "see cat tea see", "s")
        for i in range(2)
    ]
    write_manifest(tmp_path / "dev.jsonl", utterances)
    return tmp_path / "dev.jsonl"


@pytest.mark.parametrize("way", [[], ["--streaming"]])
def test_it_is_evaluated(
    one: Path, manifest: Path, way: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["--bundle", str(one), "--manifest", str(manifest), "--json", *way]
    assert evaluate.main(wanted) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reference_words"] == 8


def test_its_confidence_is_calibrated(one: Path, manifest: Path) -> None:
    recogniser = bundle.load(one).recogniser
    judged = calibrate.judge(recogniser, read_manifest(manifest))
    assert judged.measured.shape == (len(judged.correct), 4)
    assert len(judged.correct) > 0
    assert np.isfinite(judged.measured).all()


def test_its_speed_is_measured(one: Path) -> None:
    recogniser = bundle.load(one).recogniser
    assert set(measure(recogniser, SOUND)) == {"features", "recogniser, whole file"}


def test_only_ctc_has_a_speech_gate(one: Path, manifest: Path) -> None:
    wanted = ["--bundle", str(one), "--manifest", str(manifest), "--wordless", str(one)]
    with pytest.raises(ConfigError, match="expected a bundle of the family ctc"):
        speech_gate_command.main(wanted)
    gate = {"weights": [0.0] * 7, "bias": 0.0}
    text = (one / "bundle.toml").read_text()
    (one / "bundle.toml").write_text(text + tomli_w.dumps({"speech_gate": gate}))
    with pytest.raises(BundleError, match="expected no speech gate in"):
        bundle.load(one)


@pytest.mark.parametrize("family", ["ctc", "rnnt", "las", "hmm"])
def test_a_section_that_lacks_is_named(tmp_path: Path, family: str) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    tiny.describe(path, family=family)
    with pytest.raises(BundleError, match=r"expected a section \[\w+\] in the description of"):
        bundle.load(path)


def test_phones_without_words_are_refused(tmp_path: Path) -> None:
    path = tiny.transducer(tmp_path / "alone", units="phones", lm="none")
    with pytest.raises(BundleError, match="expected a language model in"):
        bundle.load(path)
    path = tiny.transducer(tmp_path / "spelled", units="phones")
    (path / "lm" / "general.lexicon.txt").unlink()
    bundle_command.seal(path)
    with pytest.raises(BundleError, match="expected a lexicon of phones at"):
        bundle.load(path)


def test_a_blank_penalty_of_a_transducer_is_refused(tmp_path: Path) -> None:
    path = tiny.transducer(tmp_path / "tiny")
    text = (path / "bundle.toml").read_text()
    (path / "bundle.toml").write_text(text.replace("blank_penalty = 0.0", "blank_penalty = 1.0"))
    with pytest.raises(BundleError, match="expected a blank penalty of 0 in"):
        bundle.load(path)


def test_a_system_for_known_speakers_is_refused(tmp_path: Path) -> None:
    path = tiny.hmm(tmp_path / "tiny", adapted=True)
    with pytest.raises(BundleError, match=r"for any speaker in .* take the stage before it, tri2"):
        bundle.load(path)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tiny.transducer(tmp_path / "tiny")
    text = (path / "bundle.toml").read_text()
    (path / "bundle.toml").write_text(text.replace("predictor_width = 8", "predictor_width = 9"))
    with pytest.raises(BundleError, match="does not fit together"):
        bundle.load(path)


def test_no_words_to_calibrate_on_are_named(one: Path) -> None:
    recogniser = bundle.load(one).recogniser
    with pytest.raises((DataError, ValueError)):
        calibrate.judge(recogniser, [])
