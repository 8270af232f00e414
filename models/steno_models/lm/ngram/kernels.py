"""The compiled look-up of n-grams, and the loops over whole models that numpy cannot do at once.

The functions are plain and small so that a compiled search can call them: they compile into it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.types import IntArray, LongArray

DoubleArray = NDArray[np.float64]
NodeArray = NDArray[np.uint32]

ROOT = 0  # the empty history
NEVER_CODE = 0  # of a probability: the word is never predicted
NO_BACKOFF_CODE = 0  # of a back-off weight: exactly 1


class NgramArrays(NamedTuple):
    """A model as it lies in its file; `trie.Trie` tells how nodes are numbered.

    Attributes:
        level_begin: (order + 2,) int64 first node of each level.
        word: (nodes,) uint32 last word of each node.
        child_begin: (inner + 1,) uint32 children of i are child_begin[i] .. child_begin[i + 1].
        suffix: (nodes,) uint32 the same n-gram without its first word (longest ending kept).
        log_prob: (nodes,) uint16 code of ln p(word | words before), a book for each level.
        backoff: (inner,) uint16 code of the ln back-off weight, a book for each level.
        log_prob_book: (order + 1, 2) float64 rows (low, step): code c > 0 is low + (c - 1) step.
        backoff_book: (order, 2) float64 likewise.
    """

    level_begin: LongArray
    word: NodeArray
    child_begin: NodeArray
    suffix: NodeArray
    log_prob: NDArray[np.uint16]
    backoff: NDArray[np.uint16]
    log_prob_book: DoubleArray
    backoff_book: DoubleArray


@njit(nogil=True, cache=True)
def _search(child_begin: NodeArray, words: NodeArray, node: int, word: int) -> int:
    """Return the child of `node` whose last word is `word`, -1 where there is none."""
    low = np.int64(child_begin[node])
    high = np.int64(child_begin[node + 1])
    while low < high:
        middle = (low + high) >> 1
        found = np.int64(words[middle])
        if found == word:
            return int(middle)
        if found < word:
            low = middle + 1
        else:
            high = middle
    return -1


@njit(nogil=True, cache=True)
def level_of(lm: NgramArrays, node: int) -> int:
    """Return how many words the n-gram `node` has."""
    level = 0
    while lm.level_begin[level + 1] <= node:
        level += 1
    return level


@njit(nogil=True, cache=True)
def log_prob(lm: NgramArrays, node: int) -> float:
    """Return ln p(last word of `node` | the words before it)."""
    code = np.int64(lm.log_prob[node])
    if code == NEVER_CODE:
        return float(-99.0 * np.log(10.0))
    level = level_of(lm, node)
    return float(lm.log_prob_book[level, 0] + (code - 1) * lm.log_prob_book[level, 1])


@njit(nogil=True, cache=True)
def backoff(lm: NgramArrays, node: int) -> float:
    """Return the ln back-off weight of the history `node`, 0 at the top order."""
    if node >= lm.backoff.shape[0]:
        return 0.0
    code = np.int64(lm.backoff[node])
    if code == NO_BACKOFF_CODE:
        return 0.0
    level = level_of(lm, node)
    return float(lm.backoff_book[level, 0] + (code - 1) * lm.backoff_book[level, 1])


@njit(nogil=True, cache=True)
def find_child(lm: NgramArrays, node: int, word: int) -> int:
    """Return the node of the n-gram `node` followed by `word`, -1 where there is none."""
    if node == ROOT:
        return 1 + word if 0 <= word < lm.level_begin[2] - 1 else -1
    if node >= lm.child_begin.shape[0] - 1:
        return -1
    return int(_search(lm.child_begin, lm.word, node, word))


@njit(nogil=True, cache=True)
def is_history(lm: NgramArrays, node: int) -> bool:
    """Return whether `node` as a history tells more than its endings do."""
    if node >= lm.backoff.shape[0]:
        return False
    has_children = lm.child_begin[node] < lm.child_begin[node + 1]
    return bool(has_children or lm.backoff[node] != NO_BACKOFF_CODE)


@njit(nogil=True, cache=True)
def advance(lm: NgramArrays, state: int, word: int) -> tuple[int, float]:
    """Return the next state and ln p(word | state).

    States are nodes. The next one is the longest ending of (state, word) that is a history of the
    model, so that hypotheses with equal futures share a state.
    """
    total = 0.0
    node = find_child(lm, state, word)
    while node < 0:
        total += backoff(lm, state)
        state = int(np.int64(lm.suffix[state]))
        node = find_child(lm, state, word)
    total += log_prob(lm, node)
    while node > 0 and not is_history(lm, node):
        node = int(np.int64(lm.suffix[node]))
    return node, total


@njit(nogil=True, cache=True)
def score_tokens(lm: NgramArrays, state: int, tokens: IntArray, out: DoubleArray) -> int:
    """Fill `out`, (N,), with ln p of each of `tokens`, (N,), from `state`; return the last."""
    for i in range(tokens.shape[0]):
        state, out[i] = advance(lm, state, np.int64(tokens[i]))
    return state


@njit(nogil=True, cache=True)
def lower_log_probs(
    level_begin: LongArray,
    suffix: NodeArray,
    log_probs: DoubleArray,
    backoffs: DoubleArray,
    parents: LongArray,
    first: int,
    out: DoubleArray,
) -> None:
    """Fill `out`, (n,), with ln p(w | h') for the n nodes from `first` on, whose parents are given.

    h' is the history h without its first word.
    """
    for i in range(out.shape[0]):
        ending = np.int64(suffix[first + i])
        level = 0
        while level_begin[level + 1] <= ending:
            level += 1
        total = log_probs[ending]
        # The histories between h' and that of the longest ending kept are backed off from.
        history = np.int64(suffix[parents[i]])
        while history >= level_begin[level]:
            total += backoffs[history]
            history = np.int64(suffix[history])
        out[i] = total


@njit(nogil=True, cache=True)
def find_children(
    child_begin: NodeArray, word: NodeArray, nodes: LongArray, words: LongArray, out: LongArray
) -> None:
    """Fill `out`, (n,), with the children of `nodes` by `words`, -1 where there is none."""
    for i in range(out.shape[0]):
        inner = 0 <= nodes[i] < child_begin.shape[0] - 1
        out[i] = _search(child_begin, word, nodes[i], words[i]) if inner else -1


@njit(nogil=True, cache=True)
def link_endings(
    child_begin: NodeArray, word: NodeArray, suffix: NodeArray, parents: LongArray, out: NodeArray
) -> None:
    """Fill `out`, (n,), with the suffix links of the last n nodes, whose parents are given.

    The link of hw is the longest of h'w, h''w, … that there is; every word is a unigram.
    """
    first = word.shape[0] - out.shape[0]
    for i in range(out.shape[0]):
        history = np.int64(suffix[parents[i]])
        node = _search(child_begin, word, history, np.int64(word[first + i]))
        while node < 0:
            history = np.int64(suffix[history])
            node = _search(child_begin, word, history, np.int64(word[first + i]))
        out[i] = node
