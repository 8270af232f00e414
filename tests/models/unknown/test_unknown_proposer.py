"""Unknown words in a segment that somebody spoke: found, named, and no more than can be true."""

import gc
from dataclasses import replace
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
from msgspec import structs
from tests.models.unknown.test_unknown_vocabulary import TABLE, WAYS, _corpus, _weights

from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.quantise import quantise
from steno_models.lm.ngram.trie import assemble
from steno_models.recogniser import AddedWord, LanguageModel, Wishes
from steno_models.search.hypothesis import SearchWord
from steno_models.search.search import BeamSearch
from steno_models.search.topology import ctc
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray
from steno_models.unknown.boosting import Boosted, Tree
from steno_models.unknown.build import write
from steno_models.unknown.proposer import UnknownWords
from steno_models.unknown.stretches import MOST_EVENTS, Stretch, chosen, deficit, stretches
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import DETECTION

LEXICON = {"dog": ("D", "AO", "G"), "sat": ("S", "AE", "T"), "the": ("DH", "AH")}


def _model() -> LanguageModel:
    """Return a language model of three words, all alike."""
    words = (*LEXICON, "<s>", "</s>", "<unk>")
    trie, _ = assemble(len(words), [])
    log_prob = np.full(len(trie), -1.5)
    log_prob[0], log_prob[1 + words.index("<s>")] = 0.0, NEVER
    lm = quantise(BackoffModel(words, trie, log_prob, np.zeros(1)))
    search = BeamSearch(
        LexiconTree.build([[tuple(TABLE.ids(way))] for way in LEXICON.values()]),
        lm,
        topology=ctc(len(TABLE)),
        start_state=0,
        end_word=words.index("</s>"),
    )
    return LanguageModel(search, words)


def _spoken(*ways: tuple[str, ...]) -> FloatArray:
    """A sound in which each phone lasts two steps and words a blank one."""
    path = [token for way in ways for phone in TABLE.ids(way) for token in (phone, phone)]
    rows = np.full((len(path), len(TABLE)), -7.0, np.float32)
    rows[np.arange(len(path)), path] = -0.05
    return rows


@pytest.fixture
def finder(tmp_path: Path) -> UnknownWords:
    counts = {"cat": 4, "cats": 1, "dog": 1, "kat": 1}
    write(tmp_path, counts, WAYS, _corpus(), TABLE)
    far = DETECTION.index("word_deficit")
    tree = Tree(
        feature=(far, -1, -1), bound=(3.0, 0.0, 0.0), lower=(1, 0, 0), value=(0.0, -2.0, 2.0)
    )
    gain = DETECTION.index("candidate_gain")
    small = Tree(
        feature=(gain, -1, -1), bound=(3.0, 0.0, 0.0), lower=(1, 0, 0), value=(0.0, -2.0, 1.0)
    )
    one = DETECTION.index("words")
    alone = Tree(
        feature=(one, -1, -1), bound=(1.5, 0.0, 0.0), lower=(1, 0, 0), value=(0.0, 1.0, -1.0)
    )
    weights = _weights()
    trees = Boosted(trees=(tree, small, alone))
    return UnknownWords(
        CandidateVocabulary.open(tmp_path), structs.replace(weights, detection=trees, threshold=1.0)
    )


def _recognised(model: LanguageModel, log_probs: FloatArray) -> tuple[SearchWord, ...]:
    return model.search.finish(model.search.step(log_probs, model.search.start()))[0].words


def test_a_word_that_the_lexicon_lacks_is_told_of_where_it_was_said(finder: UnknownWords) -> None:
    model = _model()
    log_probs = _spoken(LEXICON["the"], ("K", "AE", "T"), LEXICON["sat"])
    finder.warm_up(model)
    words = _recognised(model, log_probs)
    (told,) = finder(log_probs, words, model)
    assert told.phones == ("K", "AE", "T")
    assert [one.text for one in told.candidates][:2] == ["cat", "kat"]
    assert told.start_step <= 5
    assert told.end_step >= 9
    assert told.log_odds == pytest.approx(4.0)


def test_known_words_are_no_events_and_an_added_one_is_no_candidate(finder: UnknownWords) -> None:
    model = _model()
    plain = _spoken(LEXICON["the"], LEXICON["dog"], LEXICON["sat"])
    assert finder(plain, _recognised(model, plain), model) == ()
    assert finder(plain, (), model) == ()
    log_probs = _spoken(LEXICON["the"], ("K", "AE", "T"), LEXICON["sat"])
    wiser = replace(model, wishes=Wishes(words=(AddedWord("cat", ("K AE T",)),)))
    (told,) = finder(log_probs, _recognised(model, log_probs), wiser)
    assert told.candidates[0].text == "kat"
    assert finder.known(wiser) is finder.known(wiser)
    assert finder.known(wiser).mask.sum() == finder.known(model).mask.sum() + 1


def test_what_a_lexicon_has_is_forgotten_with_it(finder: UnknownWords) -> None:
    first, second = _model(), _model()
    known = ref(finder.known(first))
    mask = finder.known(second).mask
    assert finder.known(replace(second, neural_share=0.5)).mask is mask  # the same words
    del first
    gc.collect()
    assert finder.known(second).mask is mask
    assert known() is None


def _word(place: int, margin: float) -> SearchWord:
    return SearchWord(0, 4 * place, 4 * place + 4, 0.5, margin, -1.0)


def test_of_a_long_segment_the_worst_stretches_are_looked_at() -> None:
    words = [_word(place, -float(place % 10 == 0)) for place in range(200)]
    found = stretches(words, 800)
    assert len(found) == 240
    bad = {place for place in range(200) if place % 10 == 0}
    # the first bad word is in four stretches, each of the other nineteen in ten
    assert sum(bool(bad & set(range(one.first, one.last))) for one in found) == 4 + 19 * 10
    assert deficit(words[0]) == 4.0


def test_a_segment_that_is_bad_all_over_is_no_set_of_unknown_words() -> None:
    found = [Stretch(place, place + 1, 4 * place, 4 * place + 4) for place in range(50)]
    odds = np.arange(50.0)
    assert chosen(found, odds) == list(range(49, 49 - MOST_EVENTS, -1))
