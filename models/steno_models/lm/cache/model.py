"""Fading counts as a back-off model."""

from collections.abc import Mapping

import numpy as np

from steno_models.lm.cache.counts import BEGIN, END, Counts
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.trie import assemble

_TRUST = 1.0
"""A word said so often before counts as much for what follows it as all that was said."""


def backoff_model(counts: Counts, numbers: Mapping[str, int]) -> BackoffModel | None:
    """Return the model of the words that have a number, in the order of their numbers.

    It predicts those words alone, and the end of a sentence. None where none was said.

    Args:
        counts: of what was said.
        numbers: by word.
    """
    known = sorted((word for word in counts.words if word in numbers), key=numbers.__getitem__)
    if not known:
        return None
    vocabulary = (*known, *SPECIAL_WORDS)
    ids = {word: number for number, word in enumerate(vocabulary)}
    V = len(vocabulary)
    alone = np.zeros(V)
    for word in (*known, END):
        alone[ids[word]] = counts.words.get(word, 0.0)
    alone /= alone.sum()
    told = [(ids[v], ids[w], count) for (v, w), count in counts.pairs.items()
            if v in ids and w in ids and v != END and w != BEGIN]  # fmt: skip
    pairs = np.array([(v, w) for v, w, _ in told], np.int32).reshape(-1, 2)
    count = np.array([c for *_, c in told])
    after = np.bincount(pairs[:, 0], count, V)
    trust = after / (after + _TRUST)
    trie, [order] = assemble(V, [pairs])
    v, w = pairs[order].T
    joint = trust[v] * count[order] / np.maximum(after[v], 1e-30) + (1 - trust[v]) * alone[w]
    log_prob = np.concatenate([[0.0], _log(alone), _log(joint)])
    return BackoffModel(vocabulary, trie, log_prob, np.concatenate([[0.0], np.log1p(-trust)]))


def ngram_model(counts: Counts, numbers: Mapping[str, int]) -> NgramModel | None:
    """Return the same, ready to be looked up."""
    found = backoff_model(counts, numbers)
    return None if found is None else NgramModel.from_backoff(found)


def _log(probabilities: DoubleArray) -> DoubleArray:
    with np.errstate(divide="ignore"):
        found: DoubleArray = np.maximum(np.log(probabilities), NEVER)
    return found
