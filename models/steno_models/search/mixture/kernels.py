"""The compiled mixture: probabilities, histories and the look-ahead of several language models.

A state of the search's language model is a row of `Mixture.histories`: one state of each part. Rows
are found by hashing, so that hypotheses with equal futures share one. They belong to one call; the
search takes those that its tokens stand on from call to call.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel, leaf
from steno_models.lm.ngram.kernels import NgramArrays, advance, backoff, children, ending, log_prob
from steno_models.lm.ngram.packed.kernels import get
from steno_models.search.remembering.kernels import Cache, ahead_key, few_extra, first_child, mixed
from steno_models.search.tree import TreeArrays
from steno_models.types import FloatArray, IntArray, LongArray

MOST_PARTS = 4
"""So many language models make a mixture at most: the compiled search has places for them."""
ROOTS = 0
"""The row of no history at all."""
# Bits of a node's number in the look-ahead's cache; the part is above them.
_NODE_BITS = 28
# Parts the states of one part in a hash, as far as those of the next differ less.
_SPREAD = 1_000_003


class Part(NamedTuple):
    """One language model of a mixture.

    Attributes:
        lm: it.
        own: (U,) its number of each word of the mixture, -1 of those that it lacks.
        from_word: (U + 1,) the words of the mixture from u on have, as far as they are in its
            order, numbers from from_word[u] on.
        unigram: (N,) the largest ln p of its words below each node of the tree, -inf for none.
        is_remembered: whether the look-ahead may keep what it found: it is the same in each call.
    """

    lm: NgramArrays
    own: IntArray
    from_word: IntArray
    unigram: FloatArray
    is_remembered: bool


class Mixture(NamedTuple):
    """Language models and what each weighs, with memory for one caller at a time.

    Attributes:
        parts: `MOST_PARTS` of them; those behind `num_parts` mean nothing.
        num_parts: K, how many there are.
        log_weights: (MOST_PARTS,) ln of what each weighs.
        num_words: U, the words of all of them together, the special ones included.
        unknown_word: the word for those that none of them has.
        histories: (H, MOST_PARTS) the states that are in use.
        table: (a power of two,) rows of them by their hash, -1 for none.
        size: (1,) how many rows there are.
    """

    parts: tuple[Part, Part, Part, Part]
    num_parts: int
    log_weights: NDArray[np.float64]
    num_words: int
    unknown_word: int
    histories: IntArray
    table: IntArray
    size: LongArray


@leaf
def _plus(a: float, b: float) -> float:
    """Return ln(e^a + e^b)."""
    if a < b:
        a, b = b, a
    if b == -np.inf:
        return float(a)
    return float(a + np.log1p(np.exp(b - a)))


@leaf
def _log_prob_of(part: Part, state: np.int64, word: np.int64) -> float:
    """Return ln p(word | state) of one part, -inf of a word that it lacks."""
    own = np.int64(part.own[word])
    if own < 0:
        return -np.inf
    return float(advance(part.lm, state, own)[1])


@leaf
def mixed_log_prob(mixture: Mixture, row: np.int64, word: np.int64) -> float:
    """Return ln sum_i weight_i p_i(word | history_i) (Jelinek & Mercer 1980)."""
    total = -np.inf
    for i in range(mixture.num_parts):
        state = np.int64(mixture.histories[row, i])
        one = _log_prob_of(mixture.parts[i], state, word)
        total = _plus(total, mixture.log_weights[i] + one)
    return float(total)


@leaf
def _state_after(part: Part, unknown: int, state: np.int64, word: np.int64) -> np.int64:
    """Return the next state of one part, which takes a word that it lacks for an unknown one."""
    own = np.int64(part.own[word])
    if own < 0:
        own = np.int64(part.own[unknown])
    return np.int64(advance(part.lm, state, own)[0])


@leaf
def next_row(mixture: Mixture, row: np.int64, word: np.int64) -> np.int64:
    """Return the row of the histories after `word`, a new one if need be.

    It is made in the first row that is free, and stays there if there is no other like it. Where
    there is no room, history is forgotten: `ROOTS`.
    """
    histories, size = mixture.histories, mixture.size[0]
    if size == histories.shape[0]:
        return np.int64(ROOTS)
    histories[size, :] = 0
    for i in range(mixture.num_parts):
        state = np.int64(histories[row, i])
        histories[size, i] = _state_after(mixture.parts[i], mixture.unknown_word, state, word)
    return np.int64(settle(histories, mixture.table, mixture.size))


@leaf
def settle(histories: IntArray, table: IntArray, size: LongArray) -> np.int64:
    """Return the row that equals the one behind the last.

    If none does, it is that one, which is the last then.
    """
    new, mask = size[0], table.shape[0] - 1
    key = np.int64(0)
    for i in range(MOST_PARTS):
        key = key * _SPREAD + histories[new, i]
    h = mixed(key) & mask
    while table[h] >= 0:
        there = np.int64(table[h])
        same = True
        for i in range(MOST_PARTS):
            same = same and histories[there, i] == histories[new, i]
        if same:
            return there
        h = (h + 1) & mask
    table[h] = new
    size[0] = new + 1
    return np.int64(new)


@kernel
def remember(histories: IntArray, table: IntArray, size: LongArray, rows: IntArray) -> None:
    """Begin with `rows`, (n, MOST_PARTS), each once, and nothing else."""
    table[:] = -1
    size[0] = 0
    for i in range(rows.shape[0]):
        histories[size[0]] = rows[i]
        settle(histories, table, size)


@leaf
def mixed_ahead(
    mixture: Mixture, tree: TreeArrays, cache: Cache, row: np.int64, node: np.int64
) -> float:
    """Return ln sum_i weight_i max p_i(word | history_i) over the words below `node`.

    No word below is likelier than that, and few are much less likely.
    """
    total = -np.inf
    for i in range(mixture.num_parts):
        state = np.int64(mixture.histories[row, i])
        one = _ahead_of(mixture.parts[i], np.int64(i), tree, cache, state, node)
        total = _plus(total, mixture.log_weights[i] + one)
    return np.float32(total)  # type: ignore[return-value]


@leaf
def _ahead_of(
    part: Part, number: np.int64, tree: TreeArrays, cache: Cache, history: np.int64, node: np.int64
) -> float:
    """Return the largest ln p(word | history) of the words of one part below `node`."""
    if history == 0 or part.unigram[node] == -np.inf:
        return float(part.unigram[node])
    key = ahead_key(history, (number << _NODE_BITS) | node)
    place = cache.known[mixed(key) & (cache.known.shape[0] - 1)]
    if part.is_remembered and place["key"] == key:
        return float(place["ahead"])
    best, cost, shorter = -np.inf, 0.0, np.int64(history)
    while shorter != 0:
        low, high = children(part.lm, shorter)
        if low < high:
            best = max(best, cost + _best_listed(part, tree, node, low, high))
        cost += backoff(part.lm, shorter)
        shorter = np.int64(ending(part.lm, shorter))
    best = max(best, cost + part.unigram[node])
    if part.is_remembered:
        place["key"] = key
        place["ahead"] = best
    return float(np.float32(best))


@leaf
def _best_listed(part: Part, tree: TreeArrays, node: int, low: np.int64, high: np.int64) -> float:
    """Return the largest ln p of the n-grams low .. high whose last word is below `node`."""
    words, codes, row = part.lm.word, part.lm.log_prob, tree.nodes[node]
    begin = first_child(words, low, high, np.int64(part.from_word[row["first_word"]]))
    end = first_child(words, begin, high, np.int64(part.from_word[row["last_word"]]))
    best, best_code = np.int64(-1), np.int64(-1)
    # The codes of one level grow with what they stand for.
    for child in range(begin, end):
        code = np.int64(get(codes, child))
        if code > best_code:
            best, best_code = np.int64(child), code
    if few_extra(row):
        for k in range(row["extra_begin"], row["extra_end"]):
            own = np.int64(part.own[tree.extra[k]])
            child = first_child(words, low, high, own)
            if own >= 0 and child < high and get(words, child) == own:
                code = np.int64(get(codes, child))
                if code > best_code:
                    best, best_code = np.int64(child), code
    if best < 0:
        return -np.inf
    return float(log_prob(part.lm, best))


@kernel
def unigrams_below(tree: TreeArrays, lm: NgramArrays, own: IntArray) -> FloatArray:
    """Return (N,) the largest unigram ln p of a part's words below each node, -inf for none."""
    N = tree.nodes.shape[0]
    found = np.full(N, -np.inf, np.float32)
    for i in range(N - 1, -1, -1):
        node = tree.nodes[i]
        for k in range(node["word_begin"], node["word_end"]):
            number = np.int64(tree.word[k])
            word = np.int64(own[number] if number < own.shape[0] else -1)  # not of those added
            if word >= 0:
                found[i] = max(found[i], np.float32(log_prob(lm, 1 + word)))
        for child in range(node["child_begin"], node["child_end"]):
            found[i] = max(found[i], found[child])
    return found
