"""Mixtures against the weighted sum that they stand for."""

import math
import random
from itertools import product

import numpy as np
import pytest

from steno_models.errors import ConfigError, DataError
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.mixture import mix, tuned_weights
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import history_log_probs

VOCABULARY = ("a", "b", "c", *SPECIAL_WORDS)
PREDICTED = ("a", "b", "c", "</s>", "<unk>")


def _text(weights: list[int], size: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices("abc", weights, k=4)) for _ in range(size)]


def _smoothed(text: list[str], order: int = 3) -> tuple[BackoffModel, DoubleArray]:
    reader = CorpusReader()
    reader.add(text)
    tokens = reader.corpus().encode(VOCABULARY)
    counts = count(tokens, vocabulary=VOCABULARY, order=order)
    model = estimate(counts)
    return model, history_log_probs(counts, model)


def _log_prob(model: BackoffModel, words: list[str]) -> float:
    """Return ln p(last word | the others), by the definition of back-off."""
    ids = [VOCABULARY.index(word) for word in words]
    node = int(model.trie.find(np.array([ids], np.int32))[0])
    if node >= 0:
        return float(model.log_prob[node])
    history = int(model.trie.find(np.array([ids[:-1]], np.int32))[0])
    weight = float(model.backoff[history]) if history >= 0 else 0.0
    return weight + _log_prob(model, words[1:])


@pytest.fixture(scope="module")
def parts() -> list[tuple[BackoffModel, DoubleArray]]:
    return [_smoothed(_text([6, 2, 0], 6, 1)), _smoothed(_text([1, 2, 5], 5, 2))]


@pytest.fixture(scope="module")
def mixed(parts: list[tuple[BackoffModel, DoubleArray]]) -> tuple[BackoffModel, DoubleArray]:
    return mix([model for model, _ in parts], [0.3, 0.7], [history for _, history in parts])


def test_every_ngram_of_either_text_has_the_weighted_sum(
    parts: list[tuple[BackoffModel, DoubleArray]], mixed: tuple[BackoffModel, DoubleArray]
) -> None:
    explicit = 0
    for words in product(("<s>", *PREDICTED), repeat=3):
        node = int(
            mixed[0].trie.find(np.array([[VOCABULARY.index(w) for w in words]], np.int32))[0]
        )
        if node >= 0:
            explicit += 1
            wanted = [math.exp(_log_prob(model, list(words))) for model, _ in parts]
            found = math.exp(mixed[0].log_prob[node])
            assert found == pytest.approx(0.3 * wanted[0] + 0.7 * wanted[1], rel=1e-9)
    trie = mixed[0].trie
    assert explicit == trie.level(3).stop - trie.level(3).start


def test_a_mixture_sums_to_one(mixed: tuple[BackoffModel, DoubleArray]) -> None:
    for history in product(("a", "b", "c"), repeat=2):
        logs = [_log_prob(mixed[0], [*history, word]) for word in PREDICTED]
        assert math.fsum(map(math.exp, logs)) == pytest.approx(1.0, abs=1e-9)


def test_histories_are_as_frequent_as_in_the_mixed_texts(
    parts: list[tuple[BackoffModel, DoubleArray]], mixed: tuple[BackoffModel, DoubleArray]
) -> None:
    b = 1 + VOCABULARY.index("b")
    wanted = 0.3 * math.exp(parts[0][1][b]) + 0.7 * math.exp(parts[1][1][b])
    assert math.exp(mixed[1][b]) == pytest.approx(wanted)


def test_weights_say_where_the_held_out_text_comes_from() -> None:
    texts = [_text([8, 1, 1], 200, 3), _text([1, 1, 8], 200, 4)]
    models = [NgramModel.from_backoff(_smoothed(text, 1)[0]) for text in texts]
    held_out = _text([8, 1, 1], 300, 5) + _text([1, 1, 8], 100, 6)
    weights = tuned_weights(models, held_out)
    assert sum(weights) == pytest.approx(1.0)
    assert weights[0] == pytest.approx(0.75, abs=0.08)


def test_tuned_weights_are_the_best_there_are() -> None:
    texts = [_text([6, 3, 1], 30, 3), _text([1, 3, 6], 30, 4)]
    models = [NgramModel.from_backoff(_smoothed(text)[0]) for text in texts]
    held_out = _text([2, 3, 4], 50, 5)
    scores = [[x for s in held_out for x in model.score(s)] for model in models]
    probs = np.exp(np.array(scores))
    best = tuned_weights(models, held_out)
    reached = np.log(best @ probs).sum()
    for weight in np.linspace(0, 1, 21):
        assert np.log(np.array([weight, 1 - weight]) @ probs).sum() <= reached + 1e-6


def test_weights_that_do_not_sum_to_one_are_refused(
    parts: list[tuple[BackoffModel, DoubleArray]],
) -> None:
    with pytest.raises(ConfigError, match=r"expected 2 weights that sum to 1, found \[0.5, 0.6\]"):
        mix([m for m, _ in parts], [0.5, 0.6], [h for _, h in parts])


def test_models_of_different_orders_are_refused() -> None:
    parts = [_smoothed(["a b"], 2), _smoothed(["a b"], 3)]
    with pytest.raises(ConfigError, match="one vocabulary and order"):
        mix([m for m, _ in parts], [0.5, 0.5], [h for _, h in parts])


def test_tuning_needs_text() -> None:
    with pytest.raises(DataError, match="expected held-out text"):
        tuned_weights([NgramModel.from_backoff(_smoothed(["a b"])[0])], [])
