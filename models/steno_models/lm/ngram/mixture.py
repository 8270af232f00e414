"""Linear mixtures of back-off models over one vocabulary, as one back-off model.

p(w | h) = sum_i weight_i p_i(w | h) for every n-gram that any of the models holds; other words are
left to the back-off, renormalised ("static interpolation", Stolcke 2002). Texts that differ mix
better than their counts do; the weights are those of expectation maximisation on held-out text.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from steno_models.errors import ConfigError, DataError
from steno_models.lm.em import em_weights
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import renormalise
from steno_models.lm.ngram.trie import Trie, unite
from steno_models.types import LongArray


def mix(
    models: Sequence[BackoffModel],
    weights: Sequence[float],
    history_log_probs: Sequence[DoubleArray],
) -> tuple[BackoffModel, DoubleArray]:
    """Return the mixture of `models` and (inner,) ln p(h) of its histories.

    Args:
        models: unpruned (the ending of every n-gram is an n-gram), of one vocabulary and order.
        weights: of each model, which sum to 1.
        history_log_probs: of each model, (inner,) ln p(h) of its own histories.
    """
    if len(weights) != len(models) or abs(sum(weights) - 1) > 1e-6:
        raise ConfigError(f"expected {len(models)} weights that sum to 1, found {list(weights)}")
    if len({(model.vocabulary, model.trie.order) for model in models}) != 1:
        raise ConfigError("expected models of one vocabulary and order, found several")
    trie, places = unite([model.trie for model in models])
    total = np.zeros(len(trie))
    history = np.zeros(trie.num_histories)
    for model, place, weight, own in zip(models, places, weights, history_log_probs, strict=True):
        total += weight * np.exp(_everywhere(model, trie, place))
        history[place[: len(own)]] += weight * np.exp(own)
    with np.errstate(divide="ignore"):
        log_prob = np.maximum(np.log(total), NEVER)
        history = np.log(history)
    mixed = BackoffModel(models[0].vocabulary, trie, log_prob, np.zeros(len(history)))
    return renormalise(mixed), history


def _everywhere(model: BackoffModel, trie: Trie, place: LongArray) -> DoubleArray:
    """Return (nodes,) what `model` says of every n-gram of `trie`.

    Args:
        model: one of the mixture.
        trie: a union of n-grams, with the ending of each.
        place: where the model's nodes are in `trie`.
    """
    log_prob = np.full(len(trie), np.nan)
    log_prob[place] = model.log_prob
    backoff = np.zeros(trie.num_histories)
    backoff[place[: len(model.backoff)]] = model.backoff
    for k in range(2, trie.order + 1):
        nodes = np.arange(trie.level(k).start, trie.level(k).stop)
        absent = np.isnan(log_prob[nodes])
        lower = log_prob[trie.suffix[nodes[absent]]]
        log_prob[nodes[absent]] = backoff[trie.parents(k)[absent]] + lower
    return log_prob


def tuned_weights(models: Sequence[NgramModel], sentences: Iterable[str]) -> list[float]:
    """Return the weights under which the mixture of `models` best predicts `sentences`.

    Words that the vocabulary lacks do not count.
    """
    scores: list[list[float]] = []
    for sentence in sentences:
        tokens = [*map(models[0].word_id, sentence.split()), models[0].end_word]
        columns = zip(*(model.score(sentence) for model in models), strict=True)
        scores += [
            list(column)
            for token, column in zip(tokens, columns, strict=True)
            if token != models[0].unknown_word
        ]
    if not scores:
        raise DataError("expected held-out text to tune the mixture on, found no known word")
    return em_weights(np.exp(np.array(scores)))
