"""A stored model under another vocabulary, ready to be mixed with others.

A stored model was pruned, so that the ending of an n-gram may not be one; a mixture looks every
n-gram up by its endings. Those that lack are put in with what backing off says of them, which
changes nothing that the model predicts. Words that it never knew stay words that it never predicts.
"""

import numpy as np

from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.quantise import restore
from steno_models.lm.ngram.trie import Trie, assemble
from steno_models.types import IntArray, LongArray


def under_vocabulary(stored: NgramModel, vocabulary: tuple[str, ...]) -> BackoffModel:
    """Return `stored` as a model of `vocabulary`, which holds all its words, with every ending.

    Args:
        stored: may have been pruned.
        vocabulary: in any order, the special words last.
    """
    model = restore(stored.vocabulary, stored.arrays)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    renumbered = np.array([numbers[word] for word in stored.vocabulary], np.int32)
    levels = [renumbered[ngrams] for ngrams in _ngrams(model.trie)]
    trie, _ = assemble(len(vocabulary), _with_endings(levels, len(vocabulary))[1:])
    places = np.concatenate([[0], *(trie.find(ngrams) for ngrams in levels)])
    return BackoffModel(vocabulary, trie, *_spread(model, trie, places))


def _ngrams(trie: Trie) -> list[IntArray]:
    """Return the word ids of the n-grams of each level, (n, k) for k = 1, 2, …."""
    levels = [np.arange(trie.num_words, dtype=np.int32)[:, None]]
    for k in range(2, trie.order + 1):
        parents = trie.parents(k) - trie.level(k - 1).start
        words = trie.word[trie.level(k)].astype(np.int32)
        levels.append(np.concatenate([levels[-1][parents], words[:, None]], axis=1))
    return levels


def _with_endings(levels: list[IntArray], V: int) -> list[IntArray]:
    """Return the n-grams of each level with the endings of the longer ones, each once."""
    whole = list(levels)
    for k in range(len(levels) - 1, 1, -1):
        both = np.concatenate([whole[k - 1], whole[k][:, 1:]])
        whole[k - 1] = both[_first_of_each(both, V)]
    return whole


def _first_of_each(ngrams: IntArray, V: int) -> LongArray:
    """Return the rows of `ngrams`, (n, k), that are the first of their kind."""
    kinds = np.zeros(len(ngrams), np.int64)
    for column in ngrams.T.astype(np.int64):
        # Numbered anew at every word, so that keys of any length fit 64 bits.
        _, kinds = np.unique(kinds * V + column, return_inverse=True)
    _, first = np.unique(kinds, return_index=True)
    return first.astype(np.int64)


def _spread(model: BackoffModel, trie: Trie, places: LongArray) -> tuple[DoubleArray, DoubleArray]:
    """Return (nodes,) ln p and (inner,) ln b of `model` at every n-gram of the larger `trie`."""
    log_prob = np.full(len(trie), np.nan)
    log_prob[trie.level(1)] = NEVER
    log_prob[places] = model.log_prob
    backoff = np.zeros(trie.num_histories)
    backoff[places[: len(model.backoff)]] = model.backoff
    for k in range(2, trie.order + 1):
        nodes = np.arange(trie.level(k).start, trie.level(k).stop)
        added = np.isnan(log_prob[nodes])
        lower = log_prob[trie.suffix[nodes[added]]]
        log_prob[nodes[added]] = np.maximum(backoff[trie.parents(k)[added]] + lower, NEVER)
    return log_prob, backoff


def words_of(vocabulary: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a vocabulary without the special ones."""
    return vocabulary[: -len(SPECIAL_WORDS)]
