"""Kneser-Ney estimates against the printed formulas and another library."""

import logging
import math
from collections import Counter, defaultdict
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import ConfigError
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import Counts, count
from steno_models.lm.ngram.kneser_ney import FALLBACK, Discounts, estimate, estimate_discounts

VOCABULARY = ("a", "b", "c", "never", *SPECIAL_WORDS)
PREDICTED = ("a", "b", "c", "never", "</s>", "<unk>")

sentences = st.lists(
    st.lists(st.sampled_from("aaabbcd"), min_size=1, max_size=6).map(" ".join),
    min_size=1,
    max_size=15,
)


def _counts(text: list[str], order: int) -> Counts:
    reader = CorpusReader()
    reader.add(text)
    tokens = reader.corpus().encode(VOCABULARY)
    return count(tokens, vocabulary=VOCABULARY, order=order)


def _table(model: BackoffModel) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return the ln probability and the ln back-off weight of every n-gram."""
    ngrams: list[tuple[str, ...]] = [()]
    trie = model.trie
    for node in range(trie.num_histories):
        children = range(trie.child_begin[node], trie.child_begin[node + 1])
        ngrams += [(*ngrams[node], model.vocabulary[trie.word[child]]) for child in children]
    backoffs = [*model.backoff.tolist(), *[0.0] * (len(ngrams) - len(model.backoff))]
    return dict(zip(ngrams, zip(model.log_prob.tolist(), backoffs, strict=True), strict=True))


def _log_prob(table: dict[tuple[str, ...], tuple[float, float]], ngram: tuple[str, ...]) -> float:
    """Return ln p of the last word after the others, by the definition of back-off."""
    if ngram in table:
        return table[ngram][0]
    return table.get(ngram[:-1], (0.0, 0.0))[1] + _log_prob(table, ngram[1:])


def _histories(longest: int) -> list[tuple[str, ...]]:
    inner = [h for k in range(longest + 1) for h in product(("a", "b", "c", "<unk>"), repeat=k)]
    return [*inner, *(("<s>", *h) for h in inner if len(h) < longest)]


@settings(deadline=None, max_examples=25)
@given(sentences, st.integers(1, 4), st.booleans())
def test_probabilities_sum_to_one_after_every_history(
    text: list[str],
    order: int,
    thin: bool,  # noqa: FBT001
) -> None:
    min_counts = [1, 1, 2, 2][:order] if thin else None
    table = _table(estimate(_counts(text, order), min_counts=min_counts))
    for history in _histories(order - 1):
        total = math.fsum(math.exp(_log_prob(table, (*history, word))) for word in PREDICTED)
        assert total == pytest.approx(1.0, abs=1e-9)


def _textbook(text: list[str], order: int, discounts: list[Discounts]) -> "_Textbook":
    return _Textbook(text, order, discounts)


class _Textbook:
    """Chen & Goodman's recursion over dictionaries of words."""

    def __init__(self, text: list[str], order: int, discounts: list[Discounts]) -> None:
        self.discounts = discounts
        raw: Counter[tuple[str, ...]] = Counter()
        for sentence in text:
            known = [word if word in VOCABULARY else "<unk>" for word in sentence.split()]
            words = ["<s>", *known, "</s>"]
            for k in range(1, order + 1):
                raw.update(tuple(words[i : i + k]) for i in range(len(words) - k + 1))
        before: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for ngram in raw:
            before[ngram[1:]].add(ngram[0])
        self.followers: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
        for ngram, occurrences in raw.items():
            if ngram == ("<s>",):
                continue
            whole = len(ngram) == order or ngram[0] == "<s>"
            n = occurrences if whole else len(before[ngram])
            self.followers[ngram[:-1]][ngram[-1]] = n

    def prob(self, history: tuple[str, ...], word: str) -> float:
        followers = self.followers.get(history, {})
        lower = self.prob(history[1:], word) if history else 1 / len(PREDICTED)
        if not followers:
            return lower
        taken = self.discounts[len(history)]
        steps = (taken.one, taken.two, taken.three)
        total = sum(followers.values())
        given_up = sum(steps[min(n, 3) - 1] for n in followers.values())
        n = followers.get(word, 0)
        own = max(n - steps[min(n, 3) - 1], 0) if n else 0
        return (own + given_up * lower) / total


@settings(deadline=None, max_examples=25)
@given(sentences, st.integers(1, 4))
def test_estimates_equal_the_recursion_as_printed(text: list[str], order: int) -> None:
    discounts = [Discounts(0.4 + 0.1 * k, 0.9, 1.2 + 0.1 * k) for k in range(order)]
    table = _table(estimate(_counts(text, order), discounts=discounts))
    textbook = _textbook(text, order, discounts)
    for history in _histories(order - 1):
        for word in PREDICTED:
            found = math.exp(_log_prob(table, (*history, word)))
            assert found == pytest.approx(textbook.prob(history, word), rel=1e-9)


def test_one_discount_for_all_counts_equals_nltk() -> None:
    nltk_lm = pytest.importorskip("nltk.lm")
    text = ["a b a c", "b a a", "c a b b a", "a b", "c c a b a"]
    padded = [["<s>", *sentence.split(), "</s>"] for sentence in text]
    oracle = nltk_lm.KneserNeyInterpolated(order=2, discount=0.6)
    words = [word for sentence in padded for word in sentence]
    ngrams = [[*((w,) for w in sentence), *pairwise(sentence)] for sentence in padded]
    oracle.fit(ngrams, vocabulary_text=words)
    # nltk gives the unigrams no share of the uniform distribution: nothing is taken from them.
    discounts = [Discounts(0.0, 0.0, 0.0), Discounts(0.6, 0.6, 0.6)]
    with np.errstate(divide="ignore"):
        table = _table(estimate(_counts(text, 2), discounts=discounts))
    for history, word in product(("<s>", "a", "b", "c"), ("a", "b", "c", "</s>")):
        found = math.exp(_log_prob(table, (history, word)))
        assert found == pytest.approx(oracle.score(word, [history]), abs=1e-9)


def test_discounts_follow_the_counts_of_counts() -> None:
    found = estimate_discounts(np.repeat([1, 2, 3, 4], [100, 40, 20, 10]))
    y = 100 / 180
    assert found.one == pytest.approx(1 - 2 * y * 40 / 100)
    assert found.two == pytest.approx(2 - 3 * y * 20 / 40)
    assert found.three == pytest.approx(3 - 4 * y * 10 / 20)


@pytest.mark.parametrize("counts", [[], [1, 1, 2, 3], [1, 2, *[3] * 30, 4]])
def test_odd_counts_of_counts_fall_back_with_a_warning(
    counts: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert estimate_discounts(np.array(counts, np.int64)) == FALLBACK
    assert "counts of counts" in caplog.text


def test_a_word_never_seen_keeps_a_little_and_the_start_nothing() -> None:
    table = _table(estimate(_counts(["a b", "b a c"], 2)))
    assert -20 < table["never",][0] < 0
    assert table["<s>",][0] == NEVER


def test_rare_ngrams_are_left_out_from_the_order_asked_for() -> None:
    table = _table(estimate(_counts(["a b c", "a b a", "c a b"], 3), min_counts=[1, 1, 2]))
    assert [ngram for ngram in table if len(ngram) == 3] == [("<s>", "a", "b")]
    assert ("b", "c") in table


def test_minimum_counts_that_fall_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"3 minimum counts that do not fall, found \[1, 2, 1\]"):
        estimate(_counts(["a b"], 3), min_counts=[1, 2, 1])
