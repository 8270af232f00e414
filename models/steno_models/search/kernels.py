"""The compiled step: tokens go on, meet, end words and are pruned; the language model looks ahead."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.lm.ngram.kernels import NgramArrays, advance
from steno_models.search.ahead.kernels import Cache, Model, look_ahead, mixed
from steno_models.search.links.kernels import collect, extended_text, inherit, text_of
from steno_models.search.options import Limits
from steno_models.search.state import NO_ALTERNATIVE, NUM_ALTERNATIVES, LinkArray, TokenArray
from steno_models.search.tree import TreeArrays
from steno_models.types import FloatArray, IntArray, LongArray

DoubleArray = NDArray[np.float64]

# Nats a step that a word pays when it pauses for longer than it may: it falls behind tokens between
# words, but survives where there are none.
_PAUSE_PENALTY = 1.0
_LOWEST = np.finfo(np.float64).min
_BEST, _FLOOR = 0, 1


class Scratch(NamedTuple):
    """Memory that a step works in; what is in it between calls is only the look-ahead cache.

    Attributes:
        current: the tokens of the step before, then those of this one.
        following: the tokens that this step makes, in the order in which they came up.
        arrival: (1,) the token that is being offered to `following`.
        links: the word graph.
        count: (1,) how many of `following` there are.
        bound: (2,) the best score of this step so far, and the score below which tokens are dropped.
        epoch: (1,) the number of the present use of the hash table.
        stamp: (H,) in which epoch a place of the hash table was filled.
        slot: (H,) the index in `following` that it holds.
        cache: looked-ahead values.
    """

    current: TokenArray
    following: TokenArray
    arrival: TokenArray
    links: LinkArray
    count: LongArray
    bound: DoubleArray
    epoch: LongArray
    stamp: LongArray
    slot: IntArray
    cache: Cache


@njit(nogil=True, cache=True)
def _find(scratch: Scratch, state: int, place: int) -> int:
    """Return the index in `following` of the token there, or ~h with h the free place of the table."""
    mask = scratch.stamp.shape[0] - 1
    h = mixed((np.int64(state) << 32) | np.int64(place)) & mask
    while scratch.stamp[h] == scratch.epoch[0]:
        token = scratch.following[scratch.slot[h]]
        if token["lm"] == state and token["place"] == place:
            return np.int64(scratch.slot[h])
        h = (h + 1) & mask
    return ~h


@njit(nogil=True, cache=True)
def _begin(scratch: Scratch) -> None:
    """Empty `following` and the hash table."""
    scratch.count[0] = 0
    scratch.epoch[0] += 1


@njit(nogil=True, cache=True)
def _offer(scratch: Scratch, limits: Limits, links: LinkArray) -> None:
    """Put `arrival` among the following tokens, unless it is too bad; merge it with its equal."""
    new = scratch.arrival[0]
    if not new["score"] >= scratch.bound[_FLOOR]:
        return
    if new["score"] > scratch.bound[_BEST]:
        scratch.bound[_BEST] = new["score"]
        scratch.bound[_FLOOR] = max(scratch.bound[_FLOOR], new["score"] - limits.beam)
    found = _find(scratch, new["lm"], new["place"])
    if found >= 0:
        old = scratch.following[found]
        if new["score"] > old["score"]:
            inherit(links, new, old)
            scratch.following[found] = new
        else:
            inherit(links, old, new)
        return
    if scratch.count[0] == scratch.following.shape[0]:
        _narrow(scratch, limits)
        found = _find(scratch, new["lm"], new["place"])
    count = scratch.count[0]
    scratch.following[count] = new
    scratch.stamp[~found] = scratch.epoch[0]
    scratch.slot[~found] = count
    scratch.count[0] = count + 1


@njit(nogil=True, cache=True)
def _narrow(scratch: Scratch, limits: Limits) -> None:
    """Make room among the following tokens: keep the best `max_tokens` only.

    What goes could not have survived: scores only rise while a step runs.
    """
    tokens = scratch.following
    count = keep_best(tokens, np.int64(scratch.count[0]), scratch.bound, limits.max_tokens)
    _begin(scratch)
    for i in range(count):
        free = _find(scratch, tokens[i]["lm"], tokens[i]["place"])
        scratch.stamp[~free] = scratch.epoch[0]
        scratch.slot[~free] = i
        scratch.count[0] = i + 1


@njit(nogil=True, cache=True)
def keep_best(tokens: TokenArray, count: int, bound: DoubleArray, most: int) -> int:
    """Keep the tokens above the floor, at most `most`, in their order; return how many.

    Where `most` decides, the floor rises to the last score kept.
    """
    floor = bound[_FLOOR]
    scores = np.empty(count)
    above = 0
    for i in range(count):
        if tokens[i]["score"] >= floor:
            scores[above] = tokens[i]["score"]
            above += 1
    equal = above
    if above > most:
        floor = np.partition(scores[:above], above - most)[above - most]
        equal = most
        for i in range(above):
            if scores[i] > floor:
                equal -= 1
        bound[_FLOOR] = floor
    kept = 0
    for i in range(count):
        score = tokens[i]["score"]
        if score > floor or (score == floor and equal > 0):
            if score == floor:
                equal -= 1
            if kept != i:
                tokens[kept] = tokens[i]
            kept += 1
    return kept


@njit(nogil=True, cache=True)
def _stay(
    model: Model, limits: Limits, scratch: Scratch, links: LinkArray, log_probs: FloatArray,
    peak: float, step: int, count: int,
) -> None:  # fmt: skip
    """Offer each current token's stay on its own token and its step to the rest, or stay there."""
    N = model.tree.token.shape[0]
    topology = model.topology
    rest = topology.rest
    new = scratch.arrival[0]
    for i in range(count):
        token = scratch.current[i]
        node, last = where(model.tree, rest, token["place"])
        if node == 0 or topology.rest_inside:
            passed = topology.stay[rest] if last == rest else topology.leave[last]
            score = token["score"] + (passed + log_probs[rest] - limits.blank_penalty)
            if node and step - token["end"] >= limits.max_pause_steps:
                score -= _PAUSE_PENALTY
            if score >= scratch.bound[_FLOOR]:
                scratch.arrival[0] = token
                new["score"] = score
                new["place"] = 2 * node
                new["margin"] = new["margin"] + (log_probs[rest] - peak)
                _offer(scratch, limits, links)
        if node and last != rest:
            score = token["score"] + (topology.stay[last] + log_probs[last])
            if score >= scratch.bound[_FLOOR]:
                scratch.arrival[0] = token
                new["score"] = score
                new["end"] = step + 1
                new["margin"] = new["margin"] + log_probs[last] - peak
                _offer(scratch, limits, links)


@njit(nogil=True, cache=True)
def where(tree: TreeArrays, rest: int, place: int) -> tuple[int, int]:
    """Return the node of a place and the token emitted last there.

    Place 2 n + 1 is node n after its token, 2 n node n at rest. The places from 2 N on are the root
    after a word: 2 N + p where the word's last token p was emitted last, 2 N + V at the start.
    """
    N = tree.token.shape[0]
    if place >= 2 * N:
        return 0, place - 2 * N
    node = place >> 1
    return node, (tree.token[node] if place & 1 else rest)


@njit(nogil=True, cache=True)
def _go_on(
    model: Model, limits: Limits, scratch: Scratch, links: LinkArray, log_probs: FloatArray,
    peak: float, step: int, count: int,
) -> None:  # fmt: skip
    """Offer each current token's steps to the children of its node."""
    tree, topology = model.tree, model.topology
    rest = topology.rest
    top = np.float64(-np.inf)
    for q in range(log_probs.shape[0]):
        if q != rest:
            top = max(top, log_probs[q])
    new = scratch.arrival[0]
    for i in range(count):
        token = scratch.current[i]
        node, last = where(tree, rest, token["place"])
        # Words look no better from further down, but those just begun add their score.
        score = token["score"] + topology.leave[last]
        if node == 0:
            score += max(0.0, limits.word_score)
        if score + top < scratch.bound[_FLOOR]:
            continue
        for child in range(tree.child_begin[node], tree.child_begin[node + 1]):
            q = tree.token[child]
            if score + log_probs[q] < scratch.bound[_FLOOR]:
                continue
            if q == last and topology.repeat_needs_rest:
                continue
            ahead = np.float64(token["ahead"])
            if not tree.same_words[child]:
                ahead = np.float64(
                    np.float32(
                        limits.lm_weight * look_ahead(model, scratch.cache, token["lm"], child)
                        + limits.word_score
                    )
                )
            scratch.arrival[0] = token
            new["score"] = (
                token["score"] + (topology.leave[last] + log_probs[q]) + (ahead - token["ahead"])
            )
            new["place"] = 2 * child + 1
            new["ahead"] = ahead
            new["end"] = step + 1
            if node == 0:
                new["start"] = step
                new["margin"] = 0.0
            new["margin"] = new["margin"] + log_probs[q] - peak
            _offer(scratch, limits, links)


@njit(nogil=True, cache=True)
def _num_word_ends(tree: TreeArrays, scratch: Scratch, count: int) -> int:
    """Return how many words end at the current tokens."""
    N = tree.token.shape[0]
    ends = 0
    for i in range(count):
        place = scratch.current[i]["place"]
        if place & 1 and place < 2 * N:
            ends += tree.word_begin[(place >> 1) + 1] - tree.word_begin[place >> 1]
    return ends


@njit(nogil=True, cache=True)
def _end_words(
    model: Model, limits: Limits, scratch: Scratch, links: LinkArray, num_links: int, step: int,
    count: int,
) -> int:  # fmt: skip
    """Offer a token at the root for each word that ends at a current one; return the links' number.

    The looked-ahead score gives way to the word's own.
    """
    tree = model.tree
    N = tree.token.shape[0]
    new = scratch.arrival[0]
    for i in range(count):
        token = scratch.current[i]
        place = token["place"]
        if place >= 2 * N or not place & 1:
            continue
        node = place >> 1
        for k in range(tree.word_begin[node], tree.word_begin[node + 1]):
            word = np.int64(tree.word[k])
            state, expected = advance(model.lm, np.int64(token["lm"]), word)
            exact = limits.lm_weight * expected + limits.word_score
            score = token["score"] + (exact - token["ahead"])
            if not score >= scratch.bound[_FLOOR]:
                continue
            link = links[num_links]
            link["text"] = extended_text(text_of(links, token["link"]), word)
            link["previous"] = token["link"]
            link["word"] = word
            link["start"] = token["start"]
            link["end"] = step + 1
            link["depth"] = 1 if token["link"] < 0 else links[token["link"]]["depth"] + 1
            link["log_prob"] = expected
            link["margin"] = token["margin"] / (step + 1 - token["start"])
            for a in range(NUM_ALTERNATIVES):
                link["alternative_link"][a] = token["alternative_link"][a]
                link["alternative_delta"][a] = token["alternative_delta"][a]
                new["alternative_link"][a] = NO_ALTERNATIVE
                new["alternative_delta"][a] = 0.0
            new["score"] = score
            new["lm"] = state
            new["place"] = 2 * N + tree.token[node]
            new["link"] = num_links
            new["start"] = step + 1
            new["end"] = step + 1
            new["ahead"] = 0.0
            new["margin"] = 0.0
            num_links += 1
            _offer(scratch, limits, links)
    return num_links


@njit(nogil=True, cache=True)
def _append(scratch: Scratch, limits: Limits, kept: int) -> int:
    """Move the following tokens behind the first `kept` current ones; prune; return their number."""
    count = kept
    for i in range(scratch.count[0]):
        if scratch.following[i]["score"] >= scratch.bound[_FLOOR]:
            scratch.current[count] = scratch.following[i]
            count += 1
    _begin(scratch)
    return keep_best(scratch.current, count, scratch.bound, limits.max_tokens)


@njit(nogil=True, cache=True)
def run(
    model: Model, limits: Limits, scratch: Scratch, tokens: TokenArray, old_links: LinkArray,
    step: int, log_probs: FloatArray,
) -> tuple[TokenArray, LinkArray]:  # fmt: skip
    """Return the tokens and the links after the steps of `log_probs`, (S, V), from `step` on.

    Args:
        model: what is searched.
        limits: how.
        scratch: memory to work in, for one caller at a time.
        tokens: the tokens before.
        old_links: the word graph before.
        step: the number of the first step.
        log_probs: (S, V) ln p(token).
    """
    S = log_probs.shape[0]
    count, num_links = tokens.shape[0], old_links.shape[0]
    links = scratch.links
    if 2 * num_links > links.shape[0]:
        links = np.empty(4 * num_links, links.dtype)
    for i in range(count):
        scratch.current[i] = tokens[i]
    for i in range(num_links):
        links[i] = old_links[i]
    for s in range(S):
        row = log_probs[s]
        peak = row.max()
        scratch.bound[_BEST] = _LOWEST
        scratch.bound[_FLOOR] = _LOWEST
        _begin(scratch)
        _stay(model, limits, scratch, links, row, peak, step + s, count)
        _go_on(model, limits, scratch, links, row, peak, step + s, count)
        count = _append(scratch, limits, 0)
        more = _num_word_ends(model.tree, scratch, count)
        if num_links + more > links.shape[0]:
            num_links = collect(scratch.current, count, links, num_links)
            if 2 * (num_links + more) > links.shape[0]:
                grown = np.empty(4 * (num_links + more), links.dtype)
                grown[:num_links] = links[:num_links]
                links = grown
        num_links = _end_words(model, limits, scratch, links, num_links, step + s, count)
        count = _append(scratch, limits, count)
    num_links = collect(scratch.current, count, links, num_links)
    return scratch.current[:count].copy(), links[:num_links].copy()


@njit(nogil=True, cache=True)
def last_scores(lm: NgramArrays, tokens: TokenArray, word: int, weight: float) -> DoubleArray:
    """Return (tokens,) what `word`, the end of the sentence, adds to the score of each token."""
    scores = np.empty(tokens.shape[0])
    for i in range(tokens.shape[0]):
        scores[i] = weight * advance(lm, np.int64(tokens[i]["lm"]), word)[1]
    return scores
