"""Counting and the trie against dictionaries."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, Corpus, CorpusReader
from steno_models.lm.ngram.counts import Counts, count
from steno_models.lm.ngram.trie import Trie, assemble, unite

VOCABULARY = ("a", "b", "c", *SPECIAL_WORDS)

sentences = st.lists(st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join), max_size=12)


def _corpus(text: list[str]) -> Corpus:
    reader = CorpusReader()
    reader.add(text)
    return reader.corpus()


def _counts(text: list[str], order: int) -> Counts:
    return count(_corpus(text).encode(VOCABULARY), vocabulary=VOCABULARY, order=order)


def _spelled(trie: Trie) -> list[tuple[str, ...]]:
    """Return the n-gram of every node."""
    ngrams: list[tuple[str, ...]] = [()]
    for node in range(len(trie.child_begin) - 1):
        assert trie.child_begin[node] == len(ngrams)
        children = range(trie.child_begin[node], trie.child_begin[node + 1])
        ngrams += [(*ngrams[node], VOCABULARY[trie.word[child]]) for child in children]
    return ngrams


def _by_dictionary(text: list[str], order: int) -> Counter[tuple[str, ...]]:
    counter: Counter[tuple[str, ...]] = Counter()
    for sentence in text:
        if not sentence:
            continue
        known = [word if word in "abc" else "<unk>" for word in sentence.split()]
        words = ["<s>", *known, "</s>"]
        for k in range(1, order + 1):
            counter.update(tuple(words[i : i + k]) for i in range(len(words) - k + 1))
    return counter


@settings(deadline=None, max_examples=60)
@given(sentences, st.integers(1, 5))
def test_counts_equal_those_of_a_dictionary(text: list[str], order: int) -> None:
    counts = _counts(text, order)
    wanted = _by_dictionary(text, order)
    found = dict(zip(_spelled(counts.trie), counts.raw.tolist(), strict=True))
    predicted = found.pop(())
    assert {ngram: n for ngram, n in found.items() if n} == dict(wanted)
    assert predicted == sum(n for ngram, n in wanted.items() if len(ngram) == 1) - wanted["<s>",]
    assert all(len(ngram) == 1 for ngram, n in found.items() if n == 0)


@settings(deadline=None, max_examples=40)
@given(sentences, st.integers(2, 5))
def test_suffix_links_drop_the_first_word(text: list[str], order: int) -> None:
    trie = _counts(text, order).trie
    ngrams = _spelled(trie)
    for ngram, suffix in zip(ngrams, trie.suffix, strict=True):
        assert ngrams[suffix] == ngram[1:]


@settings(deadline=None, max_examples=40)
@given(sentences, st.randoms(use_true_random=False))
def test_a_thinned_trie_links_to_the_longest_ending_kept(text: list[str], chance: Random) -> None:
    trie = _counts(text, 4).trie
    kept = np.zeros(len(trie), bool)
    kept[: trie.level(1).stop] = True
    for k in range(2, 5):
        coins = np.array([chance.random() < 0.6 for _ in trie.parents(k)], bool)
        kept[trie.level(k)] = coins & kept[trie.parents(k)]
    thinned = trie.keep(kept)
    left = _spelled(thinned)
    assert left == [ngram for ngram, stays in zip(_spelled(trie), kept, strict=True) if stays]
    for ngram, suffix in zip(left[1:], thinned.suffix[1:], strict=True):
        endings = (ngram[start:] for start in range(1, len(ngram) + 1))
        assert left[suffix] == next(ending for ending in endings if ending in left)


@settings(deadline=None, max_examples=40)
@given(sentences, sentences)
def test_a_union_holds_the_ngrams_of_both(first: list[str], second: list[str]) -> None:
    tries = [_counts(first, 3).trie, _counts(second, 3).trie]
    union, places = unite(tries)
    spelled = _spelled(union)
    assert set(spelled) == {ngram for trie in tries for ngram in _spelled(trie)}
    assert len(set(spelled)) == len(spelled)
    for trie, place in zip(tries, places, strict=True):
        assert [spelled[node] for node in place] == _spelled(trie)


def test_a_trie_is_assembled_from_rows_in_any_order() -> None:
    bigrams = np.array([[1, 0], [0, 2], [0, 1]], np.int32)
    trigrams = np.array([[1, 0, 2], [0, 1, 0]], np.int32)
    trie, rows = assemble(3, [bigrams, trigrams])
    assert [row.tolist() for row in rows] == [[2, 1, 0], [1, 0]]
    nodes = trie.find(np.array([[0, 1, 0], [1, 0, 2], [2, 0, 1]], np.int32))
    assert nodes.tolist() == [7, 8, -1]
    assert trie.suffix[7:].tolist() == [6, 5]


def test_an_ngram_without_its_history_is_refused() -> None:
    with pytest.raises(DataError, match=r"each n-gram's history, found none of \[1, 0, 2\]"):
        assemble(3, [np.array([[0, 2]], np.int32), np.array([[1, 0, 2]], np.int32)])


def test_an_ngram_given_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"every n-gram once, found \[0, 2\] twice"):
        assemble(3, [np.array([[0, 2], [0, 2]], np.int32)])
