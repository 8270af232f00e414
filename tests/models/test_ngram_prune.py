"""Entropy pruning against the divergence computed word by word."""

import math
import random
from itertools import product

import numpy as np
import pytest

from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import Counts, count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.prune import (
    chained_log_probs,
    history_log_probs,
    perplexity_changes,
    prune,
    renormalise,
)

VOCABULARY = ("a", "b", "c", "d", *SPECIAL_WORDS)
PREDICTED = ("a", "b", "c", "d", "</s>", "<unk>")
Table = dict[tuple[str, ...], tuple[float, float]]


@pytest.fixture(scope="module")
def counts() -> Counts:
    chance = random.Random(7)
    reader = CorpusReader()
    reader.add(
        " ".join(chance.choices("abcd", [4, 3, 2, 1], k=chance.randint(1, 7))) for _ in range(80)
    )
    return count(reader.corpus().encode(VOCABULARY), vocabulary=VOCABULARY, order=3)


@pytest.fixture(scope="module")
def model(counts: Counts) -> BackoffModel:
    return estimate(counts)


def _ngrams(model: BackoffModel) -> list[tuple[str, ...]]:
    ngrams: list[tuple[str, ...]] = [()]
    trie = model.trie
    for node in range(trie.num_histories):
        children = range(trie.child_begin[node], trie.child_begin[node + 1])
        ngrams += [(*ngrams[node], VOCABULARY[trie.word[child]]) for child in children]
    return ngrams


def _table(model: BackoffModel) -> Table:
    backoffs = [*model.backoff.tolist(), *[0.0] * (len(model.trie) - len(model.backoff))]
    values = zip(model.log_prob.tolist(), backoffs, strict=True)
    return dict(zip(_ngrams(model), values, strict=True))


def _log_prob(table: Table, ngram: tuple[str, ...]) -> float:
    if ngram in table:
        return table[ngram][0]
    return table.get(ngram[:-1], (0.0, 0.0))[1] + _log_prob(table, ngram[1:])


def _without(table: Table, gone: tuple[str, ...]) -> Table:
    """Return `table` less one n-gram, its history's back-off weight set right by summation."""
    history = gone[:-1]
    thinned = {ngram: values for ngram, values in table.items() if ngram != gone}
    explicit = [w for w in PREDICTED if (*history, w) in thinned]
    left = 1 - math.fsum(math.exp(thinned[*history, w][0]) for w in explicit)
    lower = math.fsum(
        math.exp(_log_prob(thinned, (*history[1:], w))) for w in PREDICTED if w not in explicit
    )
    thinned[history] = (table[history][0], math.log(left / lower))
    return thinned


def _divergence(old: Table, new: Table, history: tuple[str, ...]) -> float:
    """Return sum_w p(w|h) ln(p(w|h) / p'(w|h))."""
    logs = [(_log_prob(old, (*history, w)), _log_prob(new, (*history, w))) for w in PREDICTED]
    return math.fsum(math.exp(p) * (p - q) for p, q in logs)


@pytest.mark.parametrize("k", [2, 3])
def test_changes_equal_the_divergence_summed_over_all_words(
    counts: Counts, model: BackoffModel, k: int
) -> None:
    history_log_prob = history_log_probs(counts, model)
    changes = perplexity_changes(model, k, history_log_prob)
    table = _table(model)
    nodes = model.trie.level(k)
    ngrams = _ngrams(model)[nodes]
    for ngram, parent, change in zip(ngrams, model.trie.parents(k), changes, strict=True):
        divergence = _divergence(table, _without(table, ngram), ngram[:-1])
        wanted = math.expm1(math.exp(history_log_prob[parent]) * divergence)
        assert change == pytest.approx(wanted, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 1e-4, 1e-3, 1e-2, 10.0])
def test_pruned_models_still_sum_to_one(model: BackoffModel, threshold: float) -> None:
    table = _table(prune(model, threshold=threshold))
    histories = [h for k in range(3) for h in product(("a", "b", "c", "d", "<unk>"), repeat=k)]
    for history in [*histories, ("<s>",), ("<s>", "a"), ("<s>", "d")]:
        total = math.fsum(math.exp(_log_prob(table, (*history, word))) for word in PREDICTED)
        assert total == pytest.approx(1.0, abs=1e-9)


def test_exactly_the_leaves_below_the_threshold_go(counts: Counts, model: BackoffModel) -> None:
    history = history_log_probs(counts, model)
    threshold = 1e-3
    pruned = prune(model, threshold=threshold, history_log_prob=history)
    stay = set(_ngrams(pruned))
    worth = np.concatenate(
        [np.full(model.trie.level(2).start, np.inf)]
        + [perplexity_changes(model, k, history) for k in (2, 3)]
    )
    assert 0 < len(stay) < len(model.trie)
    for ngram, change in zip(_ngrams(model), worth, strict=True):
        has_child = any(longer[:-1] == ngram for longer in stay)
        assert (ngram in stay) == (change >= threshold or has_child)


def test_a_higher_threshold_never_keeps_more(model: BackoffModel) -> None:
    sizes = [len(prune(model, threshold=t).trie) for t in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_probabilities_of_what_stays_are_untouched(model: BackoffModel) -> None:
    before, after = _table(model), _table(prune(model, threshold=1e-3))
    assert all(before[ngram][0] == log_prob for ngram, (log_prob, _) in after.items())


def test_a_whole_model_keeps_its_weights_when_renormalised(model: BackoffModel) -> None:
    np.testing.assert_allclose(renormalise(model).backoff, model.backoff, atol=1e-9)


def test_a_history_is_as_likely_as_its_words_in_a_row(model: BackoffModel) -> None:
    table = _table(model)
    chained = dict(zip(_ngrams(model), chained_log_probs(model), strict=False))
    assert chained["a", "b"] == pytest.approx(table["a",][0] + table["a", "b"][0])
    assert chained["<s>", "b"] == pytest.approx(table["</s>",][0] + table["<s>", "b"][0])
