"""Every smoothing: sums of one, the recursions as printed, kenlm's reading of the same model."""

import logging
import math
import random
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.lm.ngram import katz
from steno_models.lm.ngram.arpa import write_arpa
from steno_models.lm.ngram.backoff import LN_10, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import Counts, count
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.smoothing import Smoothing, estimate

VOCABULARY = ("a", "b", "c", "never", *SPECIAL_WORDS)
PREDICTED = ("a", "b", "c", "never", "</s>", "<unk>")

Ngram = tuple[str, ...]

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


def _prob(model: BackoffModel, ngram: Ngram) -> float:
    """Return p of the last word after the others, by the definition of back-off."""
    trie = model.trie
    ids = np.array([[VOCABULARY.index(word) for word in ngram]], np.int32)
    node = int(trie.find(ids)[0])
    if node >= 0:
        return math.exp(model.log_prob[node])
    history = int(trie.find(ids[:, :-1])[0])
    weight = math.exp(model.backoff[history]) if 0 <= history < len(model.backoff) else 1.0
    return weight * _prob(model, ngram[1:])


def _histories(longest: int) -> list[Ngram]:
    inner = [h for k in range(longest + 1) for h in product(("a", "b", "c", "<unk>"), repeat=k)]
    return [*inner, *(("<s>", *h) for h in inner if len(h) < longest)]


@pytest.mark.parametrize("smoothing", Smoothing)
@settings(deadline=None, max_examples=20)
@given(sentences, st.integers(1, 5), st.data())
def test_probabilities_sum_to_one_after_any_history(
    smoothing: Smoothing, text: list[str], order: int, data: st.DataObject
) -> None:
    model = estimate(_counts(text, order), smoothing)
    words = st.lists(st.sampled_from(("a", "b", "c", "never", "<unk>")), max_size=order + 1)
    history = tuple(data.draw(words))[-(order - 1) :] if order > 1 else ()
    if data.draw(st.booleans()) and len(history) < order - 1:
        history = ("<s>", *history)
    total = math.fsum(_prob(model, (*history, word)) for word in PREDICTED)
    assert total == pytest.approx(1.0, abs=1e-9)


class _Seen:
    """Which words follow each history how often, over dictionaries of words."""

    def __init__(self, text: list[str], order: int) -> None:
        self.counts: dict[int, Counter[Ngram]] = {k: Counter() for k in range(1, order + 1)}
        for sentence in text:
            known = [word if word in VOCABULARY else "<unk>" for word in sentence.split()]
            words = ("<s>", *known, "</s>")
            for k, found in self.counts.items():
                found.update(words[i : i + k] for i in range(len(words) - k + 1))
        del self.counts[1]["<s>",]
        self._after: defaultdict[Ngram, dict[str, int]] = defaultdict(dict)
        for found in self.counts.values():
            for ngram, n in found.items():
                self._after[ngram[:-1]][ngram[-1]] = n

    def after(self, history: Ngram) -> dict[str, int]:
        return self._after.get(history, {})

    def counts_of_counts(self, order: int) -> "Counter[int]":
        return Counter(self.counts[order].values())


def _witten_bell(seen: _Seen, history: Ngram, word: str) -> float:
    lower = _witten_bell(seen, history[1:], word) if history else 1 / len(PREDICTED)
    after = seen.after(history)
    if not after:
        return lower
    return (after.get(word, 0) + len(after) * lower) / (sum(after.values()) + len(after))


# Up to which counts the formula holds for each order of the text below.
_RELIABLE = {1: 5, 2: 5}


@cache
def _discount(seen: _Seen, order: int, r: int) -> float:
    """Katz's discount ratio of a count `r`, by his formula alone."""
    n = seen.counts_of_counts(order)
    K = _RELIABLE[order]
    if r > K:
        return 1.0
    q = (K + 1) * n[K + 1] / n[1]
    return ((r + 1) * n[r + 1] / n[r] / r - q) / (1 - q)


@cache
def _katz(seen: _Seen, history: Ngram, word: str) -> float:
    after = seen.after(history)
    if not after:
        return _katz(seen, history[1:], word)
    total = sum(after.values())
    own = {w: _discount(seen, len(history) + 1, c) * c / total for w, c in after.items()}
    if sum(own.values()) > 1 - 1e-9:  # one more count for the unseen
        own = {w: p * total / (total + 1) for w, p in own.items()}
    if word in own:
        return own[word]
    if not history:
        return (1 - sum(own.values())) / (len(PREDICTED) - len(own))
    lower = sum(_katz(seen, history[1:], w) for w in own)
    return (1 - sum(own.values())) / (1 - lower) * _katz(seen, history[1:], word)


@settings(deadline=None, max_examples=20)
@given(sentences, st.integers(1, 4))
def test_witten_bell_equals_the_recursion_as_printed(text: list[str], order: int) -> None:
    model = estimate(_counts(text, order), Smoothing.WITTEN_BELL)
    seen = _Seen(text, order)
    for history in _histories(order - 1):
        for word in PREDICTED:
            wanted = _witten_bell(seen, history, word)
            assert _prob(model, (*history, word)) == pytest.approx(wanted, rel=1e-9)


def test_witten_bell_of_bigrams_equals_nltk() -> None:
    nltk_lm = pytest.importorskip("nltk.lm")
    text = ["a b a c", "b a a", "c a b b a", "a b", "c c a b a"]
    padded = [("<s>", *sentence.split(), "</s>") for sentence in text]
    oracle = nltk_lm.WittenBellInterpolated(order=2)
    ngrams = [[*((w,) for w in sentence), *pairwise(sentence)] for sentence in padded]
    oracle.fit(ngrams, vocabulary_text=[w for sentence in padded for w in sentence])
    model = estimate(_counts(text, 2), Smoothing.WITTEN_BELL)
    seen = _Seen(text, 2)
    for history, word in product(("<s>", "a", "b", "c"), ("a", "b", "c", "</s>")):
        # nltk's unigrams are relative frequencies, <s> among them: those parts are exchanged.
        kinds, total = len(seen.after((history,))), sum(seen.after((history,)).values())
        change = _prob(model, (word,)) - oracle.score(word)
        wanted = oracle.score(word, [history]) + kinds / (kinds + total) * change
        assert _prob(model, (history, word)) == pytest.approx(wanted, abs=1e-9)


def _zipfian(size: int) -> list[str]:
    """Sentences whose counts of counts fall, so that Good-Turing's formula holds."""
    chance = random.Random(7)
    words = [f"w{i}" for i in range(800)]
    weights = [1 / (i + 1) for i in range(800)]
    return [" ".join(chance.choices(words, weights, k=6)) for _ in range(size)]


def test_katz_equals_the_formulas_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _zipfian(300)
    vocabulary = ("never", *sorted({w for s in text for w in s.split()}), *SPECIAL_WORDS)
    predicted = tuple(word for word in vocabulary if word != "<s>")
    monkeypatch.setattr(f"{__name__}.VOCABULARY", vocabulary)
    monkeypatch.setattr(f"{__name__}.PREDICTED", predicted)
    reader = CorpusReader()
    reader.add(text)
    counts = count(reader.corpus().encode(vocabulary), vocabulary=vocabulary, order=2)
    model = estimate(counts, Smoothing.KATZ)
    seen = _Seen(text, 2)
    for history in ((), ("w0",), ("w3",), ("<s>",), ("never",)):
        for word in ("w0", "w1", "w7", "w90", "never", "</s>", "<unk>"):
            wanted = _katz(seen, history, word)
            assert _prob(model, (*history, word)) == pytest.approx(wanted, rel=1e-9)


def test_discounts_of_falling_counts_of_counts_are_katz_own() -> None:
    counts = np.repeat([1, 2, 3, 4, 5, 6], [600, 200, 100, 60, 40, 28])
    found = katz.good_turing(counts)
    q = 6 * 28 / 600
    assert found[0] == 1
    assert found[1] == pytest.approx((2 * 200 / 600 - q) / (1 - q))
    assert found[5] == pytest.approx((6 * 28 / 40 / 5 - q) / (1 - q))


def test_counts_that_good_turing_does_not_fit_give_half_of_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = katz.good_turing(np.array([3, 3, 3], np.int64))
    assert found.tolist() == pytest.approx([1, 1 / 2, 3 / 4, 5 / 6, 7 / 8, 9 / 10])
    assert "counts of counts" in caplog.text


@pytest.mark.parametrize("smoothing", Smoothing)
def test_kenlm_reads_the_same_scores(tmp_path: Path, smoothing: Smoothing) -> None:
    kenlm = pytest.importorskip("kenlm")
    chance = random.Random(5)
    text = [" ".join(chance.choices("abcdef", [5, 4, 3, 2, 1, 1], k=6)) for _ in range(200)]
    model = estimate(_counts(text, 3), smoothing)
    write_arpa(model, tmp_path / "lm.arpa")
    oracle = kenlm.Model(str(tmp_path / "lm.arpa"))
    for words in product(("a", "b", "never", "zebra"), repeat=4):
        wanted = [log10 for log10, _, _ in oracle.full_scores(" ".join(words))]
        found = NgramModel.from_backoff(model).score(words)
        assert [x / LN_10 for x in found] == pytest.approx(wanted, abs=2e-4)
