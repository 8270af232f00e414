"""The compiled look-up of n-grams, and the loops over whole models that numpy cannot do at once.

The functions are plain and small so that a compiled search can call them: they compile into it.
"""

from typing import NamedTuple, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.lm.ngram.packed.kernels import Packed, get
from steno_models.types import IntArray, LongArray

DoubleArray = NDArray[np.float64]
NodeArray = NDArray[np.uint32]
_Scalar = TypeVar("_Scalar", bound=np.generic)

ROOT = 0  # the empty history
NEVER_CODE = 0  # of a probability: the word is never predicted
NO_BACKOFF_CODE = 0  # of a back-off weight: exactly 1
LINEAR = 2  # columns of a book whose codes lie on a line


class NgramArrays(NamedTuple):
    """A model as it lies in its file; `trie.Trie` tells how nodes are numbered.

    A *history* here is a node that says something as one: it has children or a back-off weight.
    Most n-grams have neither, so that what belongs to histories is kept for them alone.

    Attributes:
        level_begin: (order + 2,) int64 first node of each level.
        word: (nodes,) last word of each node.
        suffix: (nodes from level 3 on,) the same n-gram without its first word (longest ending
            kept). That of two words is the last one's unigram, that of one the root.
        history: (ceil(inner / 32),) int64: of each 32 nodes, which are histories, the first in bit
            0, and in the bits from 32 on how many histories there are before.
        child_begin: (histories + 1,) children of history h: child_begin[h] .. child_begin[h + 1].
        log_prob: (nodes,) code of ln p(word | words before), one book for each level.
        backoff: (histories,) code of the ln back-off weight, a book for each level.
        log_prob_book: (order + 1, 2) float64 rows (low, step): code c > 0 is low + (c - 1) step;
            or (order + 1, 2 ** bits) rows of what each code stands for.
        backoff_book: (order, 2) or (order, 2 ** bits) likewise.
    """

    level_begin: LongArray
    word: Packed
    suffix: Packed
    history: LongArray
    child_begin: Packed
    log_prob: Packed
    backoff: Packed
    log_prob_book: DoubleArray
    backoff_book: DoubleArray


def read_only(lm: NgramArrays) -> NgramArrays:
    """Return `lm` over read-only views: compiled code has one signature, for such."""
    return NgramArrays._make(
        Packed(_read_only(field.words), field.bits)
        if isinstance(field, Packed)
        else _read_only(field)
        for field in lm
    )


def _read_only(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    view = array.view()
    view.setflags(write=False)
    return view


@njit(nogil=True, cache=True)
def level_of(lm: NgramArrays, node: int) -> int:
    """Return how many words the n-gram `node` has."""
    level = 0
    while lm.level_begin[level + 1] <= node:
        level += 1
    return level


@njit(nogil=True, cache=True)
def history_number(lm: NgramArrays, node: int) -> int:
    """Return the number of `node` among the histories, -1 if it is none."""
    if node >> 5 >= lm.history.shape[0]:
        return -1
    block = lm.history[node >> 5]
    before = block & ((np.int64(1) << (node & 31)) - 1)
    if not (block >> (node & 31)) & 1:
        return -1
    return int((block >> 32) + _ones(before))


@njit(nogil=True, cache=True)
def _ones(bits: int) -> int:
    """Return how many of 32 bits are set (Warren 2012, "Hacker's Delight", section 5-1)."""
    bits -= (bits >> 1) & 0x55555555
    bits = (bits & 0x33333333) + ((bits >> 2) & 0x33333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F
    return ((bits * 0x01010101) >> 24) & 0xFF


@njit(nogil=True, cache=True)
def _value(book: DoubleArray, level: int, code: int) -> float:
    """Return what `code` stands for, not 0, in the book of `level`."""
    if book.shape[1] == LINEAR:
        return float(book[level, 0] + (code - 1) * book[level, 1])
    return float(book[level, code])


@njit(nogil=True, cache=True)
def log_prob(lm: NgramArrays, node: int) -> float:
    """Return ln p(last word of `node` | the words before it)."""
    code = get(lm.log_prob, node)
    if code == NEVER_CODE:
        return float(-99.0 * np.log(10.0))
    return float(_value(lm.log_prob_book, level_of(lm, node), code))


@njit(nogil=True, cache=True)
def _backoff(lm: NgramArrays, node: int, history: int) -> float:
    """Return the ln back-off weight of `node`, whose number among the histories is known."""
    if history < 0:
        return 0.0
    code = get(lm.backoff, history)
    if code == NO_BACKOFF_CODE:
        return 0.0
    return float(_value(lm.backoff_book, level_of(lm, node), code))


@njit(nogil=True, cache=True)
def backoff(lm: NgramArrays, node: int) -> float:
    """Return the ln back-off weight of `node`, 0 if it is no history."""
    return float(_backoff(lm, node, history_number(lm, node)))


@njit(nogil=True, cache=True)
def ending(lm: NgramArrays, node: int) -> int:
    """Return the n-gram `node` without its first word or, if there is none, its longest ending."""
    if node < lm.level_begin[2]:
        return ROOT
    if node < lm.level_begin[3]:
        return int(1 + get(lm.word, node))
    return int(get(lm.suffix, node - lm.level_begin[3]))


@njit(nogil=True, cache=True)
def children(lm: NgramArrays, node: int) -> tuple[int, int]:
    """Return the first n-gram that is `node` and one more word, and the one after the last."""
    history = history_number(lm, node)
    if history < 0:
        return 0, 0
    return get(lm.child_begin, history), get(lm.child_begin, history + 1)


@njit(nogil=True, cache=True)
def _find_child(lm: NgramArrays, node: int, history: int, word: int) -> int:
    """Return the child of `node`, whose number among the histories is known, by `word`, or -1."""
    if node == ROOT:
        return 1 + word if 0 <= word < lm.level_begin[2] - 1 else -1
    if history < 0:
        return -1
    low, high = get(lm.child_begin, history), get(lm.child_begin, history + 1)
    while low < high:
        middle = (low + high) >> 1
        found = get(lm.word, middle)
        if found == word:
            return int(middle)
        if found < word:
            low = middle + 1
        else:
            high = middle
    return -1


@njit(nogil=True, cache=True)
def find_child(lm: NgramArrays, node: int, word: int) -> int:
    """Return the node of the n-gram `node` followed by `word`, -1 where there is none."""
    return int(_find_child(lm, node, history_number(lm, node), word))


@njit(nogil=True, cache=True)
def is_history(lm: NgramArrays, node: int) -> bool:
    """Return whether `node` as a history tells more than its endings do."""
    return bool(history_number(lm, node) >= 0)


@njit(nogil=True, cache=True)
def advance(lm: NgramArrays, state: int, word: int) -> tuple[int, float]:
    """Return the next state and ln p(word | state).

    States are nodes. The next one is the longest ending of (state, word) that is a history of the
    model, so that hypotheses with equal futures share a state.
    """
    total = 0.0
    history = history_number(lm, state)
    node = _find_child(lm, state, history, word)
    while node < 0:
        total += _backoff(lm, state, history)
        state = ending(lm, state)
        history = history_number(lm, state)
        node = _find_child(lm, state, history, word)
    total += log_prob(lm, node)
    while node > 0 and not is_history(lm, node):
        node = ending(lm, node)
    return node, total


@njit(nogil=True, cache=True)
def score_tokens(lm: NgramArrays, state: int, tokens: IntArray, out: DoubleArray) -> int:
    """Fill `out`, (N,), with ln p of each of `tokens`, (N,), from `state`; return the last."""
    for i in range(tokens.shape[0]):
        state, out[i] = advance(lm, state, np.int64(tokens[i]))
    return state


@njit(nogil=True, cache=True)
def score_sentences(
    lm: NgramArrays, state: int, tokens: IntArray, bounds: LongArray, out: DoubleArray
) -> None:
    """Fill `out`, (N,), with ln p of each of `tokens`, (N,), in its sentence from `state`.

    Sentence i are the tokens from bounds[i] to bounds[i + 1].
    """
    for i in range(len(bounds) - 1):
        begin, end = bounds[i], bounds[i + 1]
        score_tokens(lm, state, tokens[begin:end], out[begin:end])


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
