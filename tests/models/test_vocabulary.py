"""Words and phrases that are expected, with the embedded English bundle."""

import io
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import soundfile
import soxr

from steno_models import bundle
from steno_models.audio import read_file
from steno_models.default_boost import default_boost
from steno_models.features.fbank import SAMPLE_RATE, fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import DecodeOptions, LanguageModel, State, Update, Work
from steno_models.types import FloatArray
from steno_models.vocabulary import AddedWord, Extender, Phrase, Source, Wishes

CLIPS = sorted((Path(__file__).parents[1] / "data/librivox").glob("*.flac"))
NAMES = {
    "kowalczyk": "the letter was sent by kowalczyk in the morning",
    "tamsulon": "the doctor gave him tamsulon after lunch",
}
speaks = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng")


@cache
def loaded() -> bundle.Bundle:
    return bundle.load("en")


@cache
def extender() -> Extender:
    found = Extender.of(loaded())
    assert found is not None
    return found


def recogniser() -> LexiconRecogniser:
    found = loaded().first_pass
    assert isinstance(found, LexiconRecogniser)
    return found


def general() -> LanguageModel:
    return recogniser().language_models["general"]


def spoken(text: str) -> FloatArray:
    """The text in a machine's English voice, silence around it."""
    wave = subprocess.run(
        ["espeak-ng", "-v", "en-us", "-s", "130", "--stdout", text],
        check=True,
        capture_output=True,
    ).stdout
    samples, rate = soundfile.read(io.BytesIO(wave), dtype="float32")
    quiet = np.zeros(6_000, np.float32)
    return np.concatenate([quiet, soxr.resample(samples, rate, SAMPLE_RATE), quiet])


@cache
def log_probs(name: str) -> FloatArray:
    found = spoken(NAMES[name]) if name in NAMES else read_file(CLIPS[int(name)])
    return recogniser().log_probs(fbank(found))


def heard(name: str, model: LanguageModel) -> list[str]:
    [best] = model.search.finish(model.search.step(log_probs(name), model.search.start()))
    return [model.words[word.word] for word in best.words]


@speaks
@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_that_is_added_is_heard_and_was_not_before(name: str) -> None:
    assert name not in general().words
    assert name not in heard(name, general())
    found = extender()(general(), Wishes(words=(AddedWord(name),)))
    assert found.taken[0].source is Source.GUESSED
    assert name in heard(name, found.model)
    assert name not in heard(name, general())


@speaks
def test_a_phrase_brings_the_words_that_it_needs() -> None:
    found = extender()(general(), Wishes(phrases=(Phrase("sent by Kowalczyk", 1.0),)))
    assert found.phrases == ("sent by kowalczyk",)
    assert "kowalczyk" in heard("kowalczyk", found.model)


def test_phrases_that_nobody_says_change_nothing() -> None:
    rng = np.random.default_rng(0)
    words = [word for word in general().words[::37] if len(word) > 5]
    phrases = tuple(Phrase(" ".join(rng.choice(words, 3)), 3.0) for _ in range(100))
    found = extender()(general(), Wishes(phrases=phrases))
    assert len(found.phrases) == 100
    for clip in range(len(CLIPS)):
        assert heard(str(clip), found.model) == heard(str(clip), general())


def test_a_stream_beside_one_with_more_words_hears_bit_for_bit_what_it_would_alone() -> None:
    sound = fbank(read_file(CLIPS[1]))
    more = extender()(
        general(), Wishes((AddedWord("kowalczyk", boost=5.0),), (Phrase("an ill disposed", 4.0),))
    ).model

    def stepped(models: list[LanguageModel]) -> tuple[Update, State]:
        states = [recogniser().start(DecodeOptions(language_model=model)) for model in models]
        for begin in range(0, len(sound), 64):
            piece = sound[begin : begin + 64]
            last = begin + 64 >= len(sound)
            work = [Work(piece, state, is_last=last) for state in states]
            results = [recogniser().step([one])[0] for one in work]
            states = [state for _, state in results]
        return results[0]

    (alone, first), (beside, second) = stepped([general()]), stepped([general(), more])
    assert alone == beside
    assert first.search.tokens.tobytes() == second.search.tokens.tobytes()
    assert first.search.links.tobytes() == second.search.links.tobytes()


def test_nothing_is_dropped_in_silence() -> None:
    found = extender()(
        general(),
        Wishes(
            (
                AddedWord("two words"),
                AddedWord("kowalczyk", ("K OW ZZ",)),
                AddedWord("москва"),
                AddedWord("Москва", ("M AA S K V AA",)),
                AddedWord("letter", boost=1.0),
            ),
            (Phrase("привет", 2.0), Phrase("!?", 2.0), Phrase("Terminal 5", 2.0)),
        ),
    )
    assert [(one.text, one.source, one.pronunciations) for one in found.taken] == [
        ("Москва", Source.GIVEN, ("M AA S K V AA",)),
        ("letter", Source.LEXICON, ()),
        ("terminal", Source.LEXICON, ()),
        ("five", Source.LEXICON, ()),
    ]
    assert found.phrases == ("terminal five",)
    reasons = {one.text: one.reason for one in found.refused}
    assert set(reasons) == {"two words", "kowalczyk", "москва", "привет", "!?"}
    assert "found 2" in reasons["two words"]
    assert reasons["kowalczyk"].endswith("found ZZ")
    assert "Latin" in reasons["привет"]


def test_wishes_of_an_extended_model_are_joined() -> None:
    first = extender()(general(), Wishes((AddedWord("kowalczyk"),))).model
    both = extender()(first, Wishes((AddedWord("tamsulon"),), (Phrase("kowalczyk came", 1.0),)))
    assert [one.text for one in both.taken] == ["kowalczyk", "tamsulon", "came"]
    assert both.model.plain is general()
    assert list(both.model.words[-2:]) == ["kowalczyk", "tamsulon"]


@speaks
def test_a_recording_of_a_word_says_how_it_sounds() -> None:
    said = spoken("lemon")[:24_000]
    recording = (said * 32767).astype("<i2").tobytes()
    found = extender()(general(), Wishes((AddedWord("shivonna", recording=recording),)))
    assert found.taken[0].source is Source.HEARD
    heard_first = found.taken[0].pronunciations[0].split()
    assert (heard_first[0], heard_first[-3:]) == ("L", ["M", "AH", "N"])
    short = extender()(general(), Wishes((AddedWord("shivonna", recording=b"\0\0"),)))
    assert "samples or more, found 1" in short.refused[0].reason


@speaks
def test_a_new_word_is_expected_by_its_length_where_nobody_says_how_much() -> None:
    known = 9.0  # enough to be heard, too
    plain = extender()(general(), Wishes((AddedWord("kowalczyk", boost=known),))).model
    usual = extender()(general(), Wishes((AddedWord("kowalczyk"),))).model
    scores = [
        model.search.finish(model.search.step(log_probs("kowalczyk"), model.search.start()))[0]
        for model in (plain, usual)
    ]
    sounds = extender()(general(), Wishes((AddedWord("kowalczyk"),))).taken[0].pronunciations
    gained = scores[1].log_score - scores[0].log_score
    assert all("kowalczyk" in heard("kowalczyk", model) for model in (plain, usual))
    expected = default_boost(min(len(one.split()) for one in sounds), 1)
    assert gained == pytest.approx(expected - known, abs=1e-3)


def test_a_known_word_that_nobody_wants_louder_stays_as_it_is() -> None:
    found = extender()(general(), Wishes((AddedWord("letter", ("L EH D ER",)),))).model
    assert not found.search._model.phrases.most


def test_a_model_that_nobody_has_any_more_is_forgotten() -> None:
    model = replace(general())
    found = extender()(model, Wishes(words=(AddedWord("kowalczyk"),)))
    assert found.taken
    gone = ref(model)
    del model, found
    assert gone() is None
    assert extender()(general(), Wishes(words=(AddedWord("kowalczyk"),))).taken
