"""The compiled look-ahead."""

from typing import NamedTuple

import numpy as np
from numba import njit

from steno_models.lm.ngram.kernels import NgramArrays, backoff, log_prob
from steno_models.search.topology import Topology
from steno_models.search.tree import TreeArrays
from steno_models.types import FloatArray, LongArray

# Longer lists of words that only a secondary pronunciation brings below a node are looked ahead
# with their unigrams instead.
_MAX_EXTRA = 8


class Model(NamedTuple):
    """What a search is over.

    Attributes:
        tree: the lexicon.
        topology: how tokens follow each other.
        lm: the language model.
        unigram: (N,) the largest ln p(word) of the words below each node.
    """

    tree: TreeArrays
    topology: Topology
    lm: NgramArrays
    unigram: FloatArray


class Cache(NamedTuple):
    """Values looked up before, each in the one place where it may stand.

    Attributes:
        key: (C,) which (state, node) the place holds, -1 none; C is a power of two.
        value: (C,) its look-ahead.
        histories: (order,) room for the histories that a look-up goes through.
    """

    key: LongArray
    value: FloatArray
    histories: LongArray


@njit(nogil=True, cache=True)
def unigram_ahead(tree: TreeArrays, lm: NgramArrays) -> FloatArray:
    """Return (N,) the largest unigram ln p of the words below each node."""
    N = tree.token.shape[0]
    ahead = np.full(N, -np.inf, np.float32)
    for node in range(N - 1, -1, -1):
        for i in range(tree.word_begin[node], tree.word_begin[node + 1]):
            ahead[node] = max(ahead[node], log_prob(lm, np.int64(tree.word[i]) + 1))
        for child in range(tree.child_begin[node], tree.child_begin[node + 1]):
            ahead[node] = max(ahead[node], ahead[child])
    return ahead


@njit(nogil=True, cache=True)
def _first_child(lm: NgramArrays, state: int, word: int) -> int:
    """Return the first child of `state`, not the root, whose word is `word` or a later one."""
    low = np.int64(lm.child_begin[state])
    high = np.int64(lm.child_begin[state + 1])
    while low < high:
        middle = (low + high) >> 1
        if np.int64(lm.word[middle]) < word:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True)
def _best_successor(tree: TreeArrays, lm: NgramArrays, state: int, node: int) -> float:
    """Return the largest ln p(word | state) of the words below `node` that `state` lists."""
    if state >= lm.child_begin.shape[0] - 1:
        return -np.inf
    end = np.int64(lm.child_begin[state + 1])
    last_word = np.int64(tree.last_word[node])
    child = _first_child(lm, state, np.int64(tree.first_word[node]))
    best, best_code = np.int64(-1), np.int64(0)
    # The codes of one level grow with what they stand for.
    while child < end and np.int64(lm.word[child]) < last_word:
        if np.int64(lm.log_prob[child]) > best_code:
            best, best_code = child, np.int64(lm.log_prob[child])
        child += 1
    begin, stop = tree.extra_begin[node], tree.extra_begin[node + 1]
    if stop - begin <= _MAX_EXTRA:
        for i in range(begin, stop):
            word = np.int64(tree.extra[i])
            child = _first_child(lm, state, word)
            if child < end and np.int64(lm.word[child]) == word:
                if np.int64(lm.log_prob[child]) > best_code:
                    best, best_code = child, np.int64(lm.log_prob[child])
    return log_prob(lm, best) if best >= 0 else -np.inf


@njit(nogil=True, cache=True)
def look_ahead(model: Model, cache: Cache, state: int, node: int) -> float:
    """Return the largest ln p(word | state) of the words below `node`, or a little more.

    A listed word also counts as if it were backed off to; that is the little more.
    """
    mask = cache.key.shape[0] - 1
    known = np.float32(model.unigram[node])
    longer = 0
    while state != 0:
        key = (np.int64(state) << 32) | np.int64(node)
        place = mixed(key) & mask
        if cache.key[place] == key:
            known = cache.value[place]
            break
        cache.histories[longer] = state
        longer += 1
        state = np.int64(model.lm.suffix[state])
    while longer > 0:
        longer -= 1
        history = cache.histories[longer]
        listed = _best_successor(model.tree, model.lm, history, node)
        known = np.float32(max(listed, backoff(model.lm, history) + known))
        key = (np.int64(history) << 32) | np.int64(node)
        place = mixed(key) & mask
        cache.key[place] = key
        cache.value[place] = known
    return known


@njit(nogil=True, cache=True)
def mixed(key: int) -> int:
    """Return a well-mixed non-negative number."""
    product = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(product >> np.uint64(20))
