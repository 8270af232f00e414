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
from steno_models.search.mixture.kernels import Mixture, mixed_ahead, mixed_log_prob, next_row
from steno_models.search.options import Limits
from steno_models.search.phrases.kernels import PhraseArrays, word_ahead
from steno_models.search.remembering.kernels import (
    Cache,
    ahead_key,
    few_extra,
    first_child,
    mixed,
)
from steno_models.search.topology import Topology
from steno_models.search.tree import TreeArrays
from steno_models.types import FloatArray, IntArray, LongArray

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
        mixture: several language models instead of `lm`; None where that is alone.
    """

    tree: TreeArrays
    topology: Topology
    lm: NgramArrays
    unigram: FloatArray
    unknown_word: int
    new_word_bonus: float
    phrases: PhraseArrays
    mixture: Mixture | None = None


@leaf
def predict(model: Model, state: int | np.int64, word: int | np.int64) -> tuple[np.int64, float]:
    """Return the next state of the language model and ln p(word | state)."""
    following, found = _predict(model, model.mixture, state, word)
    return np.int64(following), float(found)


@leaf
def _predict(
    model: Model, mixture: Mixture | None, state: int | np.int64, word: int | np.int64
) -> tuple[np.int64, float]:
    """Do that; what is compiled has one of the two ways only."""
    if mixture is None:
        bonus = 0.0
        if word >= model.lm.level_begin[2] - 1:
            word, bonus = model.unknown_word, model.new_word_bonus
        following, found = advance(model.lm, np.int64(state), np.int64(word))
        return np.int64(following), found + bonus
    found = _expected(model, mixture, state, word)
    if word >= mixture.num_words:
        word = model.unknown_word
    return next_row(mixture, np.int64(state), np.int64(word)), found


@leaf
def expected(model: Model, state: int | np.int64, word: int | np.int64) -> float:
    """Return ln p(word | state)."""
    return float(_expected(model, model.mixture, state, word))


@leaf
def _expected(
    model: Model, mixture: Mixture | None, state: int | np.int64, word: int | np.int64
) -> float:
    bonus = 0.0
    if mixture is None:
        if word >= model.lm.level_begin[2] - 1:
            word, bonus = model.unknown_word, model.new_word_bonus
        return float(advance(model.lm, np.int64(state), np.int64(word))[1] + bonus)
    if word >= mixture.num_words:
        word, bonus = model.unknown_word, model.new_word_bonus
    return float(mixed_log_prob(mixture, np.int64(state), np.int64(word)) + bonus)


@kernel
def unigram_ahead(model: Model) -> FloatArray:
    """Return (N,) the largest unigram ln p of the words below each node."""
    tree = model.tree
    N = tree.nodes.shape[0]
    ahead = np.full(N, -np.inf, np.float32)
    for i in range(N - 1, -1, -1):
        node = tree.nodes[i]
        for k in range(node["word_begin"], node["word_end"]):
            log_p = expected(model, np.int64(0), np.int64(tree.word[k]))
            ahead[i] = max(ahead[i], np.float32(log_p))
        for child in range(node["child_begin"], node["child_end"]):
            ahead[i] = max(ahead[i], ahead[child])
    return ahead


@kernel
def unigrams(model: Model, words: LongArray) -> DoubleArray:
    """Return (words,) ln p of each of `words` with no words before."""
    found = np.empty(words.shape[0])
    for i in range(words.shape[0]):
        found[i] = expected(model, np.int64(0), np.int64(words[i]))
    return found


@kernel
def end_log_probs(model: Model, states: IntArray, word: int) -> DoubleArray:
    """Return (states,) ln p(word | state), `word` being the end of the sentence."""
    found = np.empty(states.shape[0])
    for i in range(states.shape[0]):
        found[i] = expected(model, np.int64(states[i]), np.int64(word))
    return found


@leaf
def _best_listed(
    node: np.void, extra: IntArray, words: Packed, codes: Packed, low: np.int64, high: np.int64
) -> np.int64:  # fmt: skip
    """Return the likeliest of the n-grams low .. high whose last word is below `node`, else -1.

    Long lists of extra words are passed over.
    """
    begin = first_child(words, low, high, np.int64(node["first_word"]))
    end = first_child(words, begin, high, np.int64(node["last_word"]))
    best, best_code = np.int64(-1), np.int64(-1)
    # The codes of one level grow with what they stand for.
    for child in range(begin, end):
        code = np.int64(get(codes, child))
        if code > best_code:
            best, best_code = np.int64(child), code
    if few_extra(node):
        for k in range(node["extra_begin"], node["extra_end"]):
            child = first_child(words, low, high, np.int64(extra[k]))
            if child < high and get(words, child) == extra[k]:
                code = np.int64(get(codes, child))
                if code > best_code:
                    best, best_code = child, code
    return best


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
    best, rest, back = _look_ahead(model, model.mixture, cache, history, cost, node)
    return best, rest, back


@leaf
def _look_ahead(
    model: Model, mixture: Mixture | None, cache: Cache, history: int, cost: float, node: int
) -> tuple[float, int, float]:
    """Do that; what is compiled has one of the two ways only."""
    if mixture is not None:
        best = mixed_ahead(mixture, model.tree, cache, np.int64(history), np.int64(node))
        return cost + best, history, cost
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
        log_p = expected(model, state, word)
        if word == model.unknown_word:
            log_p += model.new_word_bonus
        best = max(best, log_p)
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
            log_p = expected(model, state, np.int64(phrases.ahead_word[place]))
            exact = limits.lm_weight * log_p + limits.word_score
            best = max(best, exact + phrases.ahead_gain[place])
        if s == 0:
            return float(best - phrases.lent[phrase])
        s = np.int64(phrases.fail[s])
