"""The candidates that come with the English bundle, on readers whom it never heard."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from steno_models import bundle
from steno_models.audio import read_file
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import DecodeOptions, LanguageModel, Work
from steno_models.search.pronunciations import Pronunciations
from steno_models.text.tokens import TokenTable
from steno_models.unknown.attach import attach, folder_of
from steno_models.unknown.proposer import UnknownWords
from steno_models.unknown.trial import recognised, without

CLIPS = Path(__file__).parents[2] / "data/librivox"
TAKEN = {"dashwood": 870, "leisure": 870, "selfish": 890, "respectable": 920, "amiable": 930}


def clip(number: int) -> Path:
    return CLIPS / f"sense_and_sensibility_01_austen_64kb-0{number}.flac"


@dataclass(frozen=True)
class English:
    """The bundle, its first pass, its words and their sounds, and what finds unknown ones."""

    loaded: bundle.Bundle
    first: LexiconRecogniser
    model: LanguageModel
    lexicon: Pronunciations
    finder: UnknownWords


@cache
def english() -> English:
    loaded = bundle.load("en")
    assert isinstance(loaded.first_pass, LexiconRecogniser)
    symbols = TokenTable.read(loaded.path / "tokens.txt").symbols
    model = loaded.first_pass.language_models["general"]
    lexicon = Pronunciations.read(loaded.path / "lm/general.lexicon.txt", model.words, symbols)
    folder = folder_of(loaded, None)
    assert folder is not None
    return English(loaded, loaded.first_pass, model, lexicon, UnknownWords.open(folder, symbols))


def test_words_that_the_lexicon_lost_are_found_and_named() -> None:
    en, named = english(), []
    for word, number in TAKEN.items():
        log_probs = en.first.log_probs(fbank(read_file(clip(number))))
        model = without(en.model, en.lexicon, {word})
        told = en.finder(log_probs, recognised(model, log_probs), model)
        named += [word for one in told if one.candidates and one.candidates[0].text == word]
    assert len(named) >= len(TAKEN) - 1


def test_a_bundle_tells_of_them_and_hears_the_same_words() -> None:
    en = english()
    folder = folder_of(en.loaded, None)
    assert folder is not None
    telling = attach(en.loaded, folder)
    finals = []
    for recogniser in (en.loaded.recogniser, telling):
        state = recogniser.start(DecodeOptions())
        [(update, _)] = recogniser.step([Work(fbank(read_file(clip(880))), state, is_last=True)])
        finals.append(update)
    assert [word.text for word in finals[0].words] == [word.text for word in finals[1].words]
    assert finals[1].unknown == ()  # eight words that everybody knows
    assert finals[1].unknown_s is not None
