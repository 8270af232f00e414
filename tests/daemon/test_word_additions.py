"""A small sample of the campaign of word additions, without a daemon."""

import shutil

import pytest
from tests.daemon.espeak_phones import spoken_phones
from tests.daemon.word_additions import Way, chosen, sentence

from steno_models import bundle
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import AddedWord, Wishes
from steno_models.vocabulary import Extender

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng")


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("judges", "JH AH JH IH Z"),
        ("thing", "TH IH NG"),
        ("measure", "M EH ZH ER"),
        ("boat", "B OW T"),
        ("yellow", "Y EH L OW"),
    ],
)
def test_ordinary_words_are_said_as_the_dictionary_has_them(word: str, phones: str) -> None:
    assert spoken_phones(word) == phones


def test_words_that_are_added_as_they_are_said_are_heard_one_after_the_other() -> None:
    loaded = bundle.load("en")
    extend, recogniser = Extender.of(loaded), loaded.first_pass
    assert extend is not None
    assert isinstance(recogniser, LexiconRecogniser)
    general, added = recogniser.language_models["general"], list[AddedWord]()
    heard: list[str] = []
    words = chosen(5, 2)
    for number, word in enumerate(words):
        new = word.by(Way.GIVEN, None)
        added.append(AddedWord(new.text, new.pronunciations, turn=number))
        model = extend(general, Wishes(tuple(added))).model
        log_probs = recogniser.log_probs(fbank(sentence(number, word.text)))
        [best] = model.search.finish(model.search.step(log_probs, model.search.start()))
        heard += {model.words[one.word] for one in best.words} & {word.text}
    assert len(heard) >= len(words) - 1
