"""The compiled look-ahead."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel, leaf
from steno_models.lm.ngram.kernels import (
    NgramArrays,
    advance,
    backoff,
    children,
    ending,
    log_prob,
)
from steno_models.lm.ngram.packed.kernels import Packed, get
from steno_models.search.options import Limits
from steno_models.search.phrases.kernels import PhraseArrays, word_ahead
from steno_models.search.topology import Topology
from steno_models.search.tree import TreeArrays
from steno_models.types import FloatArray, IntArray, LongArray

# Longer lists of words that only a secondary pronunciation brings below a node are looked ahead
# with their unigrams instead.
_MAX_EXTRA = 8

# What is known about looking ahead from a history to a node; each pair has one place.
#   key       (history, node), -1 for none
#   ahead     the largest ln p(word | history) of the words below the node
#   history   the longest ending of the history that lists any word below the node
#   cost      what backing off to that one costs
AHEAD = np.dtype(
    [("key", np.int64), ("ahead", np.float32), ("cost", np.float32), ("history", np.int32)],
    align=True,
)
AheadArray = NDArray[np.void]
DoubleArray = NDArray[np.float64]


class Model(NamedTuple):
    """What a search is over.

    Attributes:
        tree: the lexicon.
        topology: how tokens follow each other.
        lm: the language model.
        unigram: (N,) the largest ln p(word) of the words below each node.
        unknown_word: the language model's word for those whose id it does not have.
        new_word_bonus: added to ln p(unknown word) for them.
        phrases: what is expected.
    """

    tree: TreeArrays
    topology: Topology
    lm: NgramArrays
    unigram: FloatArray
    unknown_word: int
    new_word_bonus: float
    phrases: PhraseArrays


class Cache(NamedTuple):
    """Memory of a search, to be used by one caller at a time.

    Attributes:
        known: (C,) of dtype AHEAD, C a power of two.
        histories: (order,) room for the histories that a look-up goes through.
    """

    known: AheadArray
    histories: LongArray


@leaf
def predict(model: Model, state: int | np.int64, word: int | np.int64) -> tuple[np.int64, float]:
    """Return the next state of the language model and ln p(word | state)."""
    if word < model.lm.level_begin[2] - 1:
        following, expected = advance(model.lm, np.int64(state), np.int64(word))
        return np.int64(following), expected
    following, expected = advance(model.lm, np.int64(state), np.int64(model.unknown_word))
    return np.int64(following), expected + model.new_word_bonus


@kernel
def unigram_ahead(model: Model) -> FloatArray:
    """Return (N,) the largest unigram ln p of the words below each node."""
    tree = model.tree
    N = tree.nodes.shape[0]
    ahead = np.full(N, -np.inf, np.float32)
    for i in range(N - 1, -1, -1):
        node = tree.nodes[i]
        for k in range(node["word_begin"], node["word_end"]):
            ahead[i] = max(ahead[i], np.float32(predict(model, 0, np.int64(tree.word[k]))[1]))
        for child in range(node["child_begin"], node["child_end"]):
            ahead[i] = max(ahead[i], ahead[child])
    return ahead


@kernel
def unigrams(model: Model, words: LongArray) -> DoubleArray:
    """Return (words,) ln p of each of `words` with no words before."""
    found = np.empty(words.shape[0])
    for i in range(words.shape[0]):
        found[i] = predict(model, 0, np.int64(words[i]))[1]
    return found


@kernel
def end_log_probs(lm: NgramArrays, states: IntArray, word: int) -> DoubleArray:
    """Return (states,) ln p(word | state), `word` being the end of the sentence."""
    found = np.empty(states.shape[0])
    for i in range(states.shape[0]):
        found[i] = advance(lm, np.int64(states[i]), word)[1]
    return found


@leaf
def ahead_key(history: int, node: int) -> np.int64:
    """Return the key of looking ahead from `history` to `node`."""
    return (np.int64(history) << 32) | np.int64(node)


@leaf
def mixed(key: int | np.int64) -> np.int64:
    """Return 24 well-mixed bits of `key` (Fibonacci hashing, Knuth 1973: the high bits mix)."""
    product = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(product >> np.uint64(40))


@leaf
def _first_child(
    words: Packed, low: int | np.int64, high: int | np.int64, word: int | np.int64
) -> np.int64:
    """Return the first of the nodes low .. high whose word is `word` or a later one, else high."""
    begin, end = np.int64(low), np.int64(high)
    while begin < end:
        middle = (begin + end) >> 1
        if get(words, middle) < word:
            begin = middle + 1
        else:
            end = middle
    return begin


@leaf
def _best_listed(
    node: np.void, extra: IntArray, words: Packed, codes: Packed, low: np.int64, high: np.int64
) -> np.int64:  # fmt: skip
    """Return the likeliest of the n-grams low .. high whose last word is below `node`, else -1.

    Long lists of extra words are passed over.
    """
    begin = _first_child(words, low, high, np.int64(node["first_word"]))
    end = _first_child(words, begin, high, np.int64(node["last_word"]))
    best, best_code = np.int64(-1), np.int64(-1)
    # The codes of one level grow with what they stand for.
    for child in range(begin, end):
        code = np.int64(get(codes, child))
        if code > best_code:
            best, best_code = np.int64(child), code
    if few_extra(node):
        for k in range(node["extra_begin"], node["extra_end"]):
            child = _first_child(words, low, high, np.int64(extra[k]))
            if child < high and get(words, child) == extra[k]:
                code = np.int64(get(codes, child))
                if code > best_code:
                    best, best_code = child, code
    return best


@leaf
def few_extra(node: np.void) -> bool:
    """Return whether `node` has few enough extra words to look at each of them."""
    return bool(node["extra_end"] - node["extra_begin"] <= _MAX_EXTRA)


@leaf
def learn(model: Model, cache: Cache, history: int, node: int) -> None:
    """Put into the cache what is best below `node` and where to look ahead from further down.

    That is the largest ln p(word | history) of the words below, or a little more (a listed word
    also counts as if it were backed off to), and the longest ending of the history that lists any
    of them: below the node, that ending says as much as the history.

    Args:
        model: what is searched.
        cache: what was looked up before.
        history: the state to look from, not the empty one.
        node: where in the tree.
    """
    lm, nodes, known = model.lm, model.tree.nodes, cache.known
    mask = known.shape[0] - 1
    ahead, rest, cost = model.unigram[node], np.int64(0), np.float32(0.0)
    shorter, longer = np.int64(history), 0
    while shorter != 0:
        place = known[mixed(ahead_key(shorter, node)) & mask]
        if place["key"] == ahead_key(shorter, node):
            ahead, rest, cost = place["ahead"], np.int64(place["history"]), place["cost"]
            break
        cache.histories[longer] = shorter
        longer += 1
        shorter = np.int64(ending(lm, shorter))
    while longer > 0:
        longer -= 1
        shorter = cache.histories[longer]
        weight = np.float32(backoff(lm, shorter))
        ahead += weight
        cost += weight
        low, high = children(lm, shorter)
        if low < high:
            listed = _best_listed(nodes[node], model.tree.extra, lm.word, lm.log_prob, low, high)
            if listed >= 0:
                ahead = max(ahead, np.float32(log_prob(lm, listed)))
            if listed >= 0 or not few_extra(nodes[node]):
                rest, cost = shorter, np.float32(0.0)
        place = known[mixed(ahead_key(shorter, node)) & mask]
        place["key"] = ahead_key(shorter, node)
        place["ahead"] = ahead
        place["history"] = rest
        place["cost"] = cost


@leaf
def look_ahead(
    model: Model, cache: Cache, history: int, cost: float, node: int
) -> tuple[float, int, float]:
    """Return the ln p of the best word below `node`, and from where to look ahead further down.

    Args:
        model: what is searched.
        cache: what was looked up before.
        history: the state to look from.
        cost: what backing off to it cost; it is added to the first and the last result.
        node: where in the tree.
    """
    if history == 0:
        return cost + model.unigram[node], history, cost
    place = cache.known[mixed(ahead_key(history, node)) & (cache.known.shape[0] - 1)]
    if place["key"] != ahead_key(history, node):
        learn(model, cache, history, node)
    return cost + place["ahead"], place["history"], cost + place["cost"]


@leaf
def look_ahead_added(model: Model, state: int, node: int) -> float:
    """Return the ln p of the best word below `node`, one of those added to the tree.

    Few words are ever below one, and many trees share the cache: nothing is remembered. Of many,
    their unigrams count.
    """
    row = model.tree.nodes[node]
    if not few_extra(row):
        return float(model.unigram[node])
    best = -np.inf
    for k in range(row["extra_begin"], row["extra_end"]):
        word = np.int64(model.tree.extra[k])
        expected = advance(model.lm, np.int64(state), word)[1]
        if word == model.unknown_word:
            expected += model.new_word_bonus
        best = max(best, expected)
    return float(best)


@leaf
def promise(
    model: Model, limits: Limits, state: int, phrase: int, node: int, ahead: float
) -> float:  # fmt: skip
    """Return what the words below `node` may add to a score: the best of them, as far as known.

    Args:
        model: what is searched.
        limits: how.
        state: of the language model.
        phrase: state of the phrases.
        node: where in the tree.
        ahead: the largest ln p(word | state) of the words below.
    """
    plain = limits.lm_weight * ahead + limits.word_score
    phrases = model.phrases
    if phrases.most == 0.0:
        return float(plain)
    best, s = plain, np.int64(phrase)
    while True:
        place = word_ahead(phrases, s, node)
        if place >= 0:
            expected = predict(model, state, np.int64(phrases.ahead_word[place]))[1]
            exact = limits.lm_weight * expected + limits.word_score
            best = max(best, exact + phrases.ahead_gain[place])
        if s == 0:
            return float(best - phrases.lent[phrase])
        s = np.int64(phrases.fail[s])
