"""A model of words as a model of labels, beside all ways to cut the labels into words."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from tests.models import tiny_bundles as tiny

from steno_models.errors import ConfigError
from steno_models.lm.ngram.model import NgramModel
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.word_scorer import WordScorer, WordState, shared_words

SPELLED = [[[1]], [[1, 2]], [[2], [2, 1]], [[1, 2, 1]]]
WORD_SCORE = 0.7


@pytest.fixture
def ngram(tmp_path: Path) -> NgramModel:
    """A bigram model of the four words."""
    tiny.ngram(tmp_path / "words.bin", tuple(tiny.WORDS), tiny.TEXTS)
    return NgramModel.open(tmp_path / "words.bin")


@pytest.fixture
def scorer(ngram: NgramModel) -> WordScorer:
    """Words that can be cut in many ways."""
    return WordScorer.of(ngram, Pronunciations.of(SPELLED), 3, word_score=WORD_SCORE)


def followed(scorer: WordScorer, labels: tuple[int, ...]) -> tuple[WordState, float]:
    state, total = scorer.start(), 0.0
    for label in labels:
        state, log_prob = scorer.advance(state, label)
        total += log_prob
    return state, total


def best_cut(ngram: NgramModel, labels: tuple[int, ...]) -> float:
    """The best sentence whose words spell `labels`."""
    best = -np.inf
    for length in range(1, len(labels) + 1):
        for words in itertools.product(range(4), repeat=length):
            for ways in itertools.product(*(SPELLED[word] for word in words)):
                if tuple(itertools.chain(*ways)) == labels:
                    names = [ngram.vocabulary[word] for word in words]
                    best = max(best, sum(ngram.score(names)) + WORD_SCORE * length)
    return best


@pytest.mark.parametrize("labels", [(1,), (2, 1), (1, 2, 1), (1, 1, 2, 1, 2), (2, 2, 1, 2, 1, 1)])
def test_labels_are_worth_what_their_best_words_are(
    ngram: NgramModel, scorer: WordScorer, labels: tuple[int, ...]
) -> None:
    state, total = followed(scorer, labels)
    assert total + scorer.end(state) == pytest.approx(best_cut(ngram, labels), abs=1e-4)
    words = scorer.words(state, ended=True)
    assert sum(word.labels for word in words) == len(labels)
    names = [ngram.vocabulary[word.word] for word in words]
    assert sum(ngram.score(names)) + WORD_SCORE * len(words) == pytest.approx(
        best_cut(ngram, labels), abs=1e-4
    )


def test_what_no_word_begins_with_is_impossible(ngram: NgramModel) -> None:
    closed = WordScorer.of(ngram, Pronunciations.of([[[1, 1]], [], [], []]), 3)
    state, log_prob = closed.advance(closed.start(), 2)
    assert (state, log_prob) == ((), -np.inf)
    assert closed.advance(state, 1) == ((), -np.inf)
    assert closed.end(state) == -np.inf
    assert closed.words(state, ended=True) == ()


def test_an_unfinished_word_costs_and_is_not_told(ngram: NgramModel) -> None:
    closed = WordScorer.of(ngram, Pronunciations.of([[[1, 1]], [], [], []]), 3)
    state, _ = followed(closed, (1, 1, 1))
    assert closed.end(state) == -20
    assert [word.word for word in closed.words(state, ended=True)] == [0]


def test_only_what_all_ways_share_is_shared(scorer: WordScorer) -> None:
    # "1 2 1" may be one word, or two, or three.
    assert shared_words([followed(scorer, (1, 2, 1))[0]]) == 0
    # Nothing but the word of "1 1" begins with a second 1: the first one ended.
    assert shared_words([followed(scorer, (1, 1))[0]]) == 1
    assert shared_words([]) == 0


def test_marked_words_that_the_lexicon_lacks_cost_what_an_unknown_word_does(
    ngram: NgramModel,
) -> None:
    # Label 1 begins a word, 2 goes on: "at" is 1, "cat" is 1 2, anything else is unknown.
    scorer = WordScorer.of(
        ngram, Pronunciations.of([[[1]], [[1, 2]], [], []]), 3, begins=[False, True, False]
    )
    unknown = "<unk>"
    for labels, words in {
        (1,): ["at"],
        (1, 2): ["cat"],
        (1, 2, 2): [unknown],
        (1, 1, 2): ["at", "cat"],
        (1, 2, 2, 2, 1): [unknown, "at"],
        (1, 2, 2, 1, 2, 2): [unknown, unknown],
    }.items():
        state, total = followed(scorer, labels)
        assert total + scorer.end(state) == pytest.approx(sum(ngram.score(words)), abs=1e-4)
        found = [ngram.vocabulary[word.word] for word in scorer.words(state, ended=True)]
        assert found == words


def test_a_lexicon_without_words_is_refused(ngram: NgramModel) -> None:
    with pytest.raises(ConfigError, match="expected spelled words"):
        WordScorer.of(ngram, Pronunciations.of([[], [], [], []]), 3)
