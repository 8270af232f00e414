"""The compiled step: tokens go on, meet, end words and are pruned.

The inner functions take plain arrays and records: tuples of arrays cost a reference count each.
"""

import numpy as np

from steno_models.compiled import kernel, leaf
from steno_models.search.ahead.kernels import (
    Model,
    look_ahead,
    look_ahead_added,
    predict,
    promise,
)
from steno_models.search.beam.kernels import Scratch, keep_best, offer
from steno_models.search.links.kernels import collect, extended_text, text_of
from steno_models.search.options import Limits
from steno_models.search.phrases.kernels import follow
from steno_models.search.state import NO_ALTERNATIVE, NUM_ALTERNATIVES, LinkArray, TokenArray
from steno_models.search.tree import TreeArrays
from steno_models.types import FloatArray

# Nats a step that a word pays when it pauses for longer than it may: it falls behind tokens between
# words, but survives where there are none.
_PAUSE_PENALTY = 1.0
_LOWEST = np.finfo(np.float64).min


@leaf
def where(tree: TreeArrays, rest: int, place: int) -> tuple[int, int | np.int64]:
    """Return the node of a place and the token emitted last there.

    Place 2 n + 1 is node n after its token, 2 n node n at rest. The places from 2 N on are the root
    after a word: 2 N + p where the word's last token p was emitted last, 2 N + V at the start.
    """
    N = tree.nodes.shape[0]
    if place >= 2 * N:
        return 0, place - 2 * N
    node = place >> 1
    return node, (np.int64(tree.token[node]) if place & 1 else rest)


@leaf
def _highest(log_probs: FloatArray, rest: int) -> np.float32:
    """Return the largest of `log_probs` but that of the rest."""
    highest = np.float32(-np.inf)
    for q in range(log_probs.shape[0]):
        if q != rest:
            highest = max(highest, log_probs[q])
    return highest


@leaf
def _promised(
    model: Model, limits: Limits, current: TokenArray, log_probs: FloatArray, step: int, count: int
) -> float:
    """Return a floor that is sure: the beam below what the best token's stay or rest will score.

    Without it whatever comes up before the best would be kept for a while, and dropped again.
    """
    best = np.int64(0)
    for i in range(1, count):
        if current[i]["score"] > current[best]["score"]:
            best = np.int64(i)
    topology = model.topology
    token = current[best]
    node, last = where(model.tree, topology.rest, token["place"])
    promised = _LOWEST
    if node == 0 or topology.rest_inside:
        rest = topology.rest
        resting = log_probs[rest] - limits.blank_penalty
        promised = (topology.stay[rest] if last == rest else topology.leave[last]) + resting
        if node and step - token["end"] >= limits.max_pause_steps:
            promised -= _PAUSE_PENALTY
    if node and last != topology.rest:
        promised = max(promised, topology.stay[last] + log_probs[last])
    return float(max(_LOWEST, token["score"] + promised - limits.beam))


@leaf
def _stay(
    model: Model, limits: Limits, scratch: Scratch, links: LinkArray, log_probs: FloatArray,
    highest: np.float32, step: int, count: int,
) -> None:  # fmt: skip
    """Offer each current token's stay on its own token, and its step to the rest or stay there."""
    current, following, table = scratch.current, scratch.following, scratch.table
    control, new = scratch.control[0], scratch.arrival[0]
    rest, rest_inside = model.topology.rest, model.topology.rest_inside
    stay, leave = model.topology.stay, model.topology.leave
    peak = max(log_probs[rest], highest)
    resting = log_probs[rest] - limits.blank_penalty
    for i in range(count):
        token = current[i]
        node, last = where(model.tree, rest, token["place"])
        if node == 0 or rest_inside:
            score = token["score"] + ((stay[rest] if last == rest else leave[last]) + resting)
            if node and step - token["end"] >= limits.max_pause_steps:
                score -= _PAUSE_PENALTY
            if score >= control["floor"]:
                scratch.arrival[0] = token
                new["score"] = score
                new["place"] = 2 * node
                new["margin"] = token["margin"] + (log_probs[rest] - peak)
                offer(following, table, control, links, new)
        if node and last != rest:
            score = token["score"] + (stay[last] + log_probs[last])
            if score >= control["floor"]:
                scratch.arrival[0] = token
                new["score"] = score
                new["end"] = step + 1
                new["margin"] = token["margin"] + (log_probs[last] - peak)
                offer(following, table, control, links, new)


@leaf
def _go_on(
    model: Model, limits: Limits, scratch: Scratch, links: LinkArray, log_probs: FloatArray,
    highest: np.float32, step: int, count: int,
) -> None:  # fmt: skip
    """Offer each current token's steps to the children of its node."""
    nodes, tokens, same_words = model.tree.nodes, model.tree.token, model.tree.same_words
    topology, cache = model.topology, scratch.cache
    added_begin, added_end = model.tree.added_begin, model.tree.added_end
    current, following, table = scratch.current, scratch.following, scratch.table
    control, new = scratch.control[0], scratch.arrival[0]
    rest, leave = topology.rest, topology.leave
    peak = max(log_probs[rest], highest)
    for i in range(count):
        token = current[i]
        node, last = where(model.tree, rest, token["place"])
        # Numbers of one type, so that what is called is compiled once.
        state, phrase = np.int64(token["lm"]), np.int64(token["phrase"])
        score = token["score"] + leave[last]
        # The words ahead look no better from further down: at most the second best of phrases.
        if score + highest < control["floor"]:
            continue
        least = np.float32(control["floor"] - score)
        begin, end = np.int64(nodes[node]["child_begin"]), np.int64(nodes[node]["child_end"])
        own = end - begin
        # The root has two rows of children: those that were always there, and those added.
        for k in range(own + (added_end - added_begin if node == 0 else 0)):
            child = begin + k if k < own else added_begin + (k - own)
            q = np.int64(tokens[child])
            if log_probs[q] < least:
                continue
            if q == last and topology.repeat_needs_rest:
                continue
            scratch.arrival[0] = token
            if not same_words[child]:
                if child >= added_begin:
                    ahead = look_ahead_added(model, state, child)
                else:
                    ahead, history, cost = look_ahead(
                        model, cache, np.int64(token["ahead_lm"]), token["ahead_cost"], child
                    )
                    new["ahead_lm"] = history
                    new["ahead_cost"] = cost
                new["ahead"] = promise(model, limits, state, phrase, child, ahead)
            new["score"] = (score + log_probs[q]) + (np.float64(new["ahead"]) - token["ahead"])
            new["place"] = 2 * child + 1
            new["end"] = step + 1
            new["margin"] = (token["margin"] if node else 0.0) + (log_probs[q] - peak)
            if node == 0:
                new["start"] = step
            offer(following, table, control, links, new)
            least = np.float32(control["floor"] - score)


@leaf
def _num_word_ends(tree: TreeArrays, current: TokenArray, count: int) -> np.int64:
    """Return how many words end at the current tokens."""
    N = tree.nodes.shape[0]
    ends = np.int64(0)
    for i in range(count):
        place = current[i]["place"]
        if place & 1 and place < 2 * N:
            ends += tree.nodes[place >> 1]["word_end"] - tree.nodes[place >> 1]["word_begin"]
    return ends


@leaf
def _end_words(
    model: Model, limits: Limits, scratch: Scratch, links: LinkArray, num_links: np.int64,
    step: int, count: int,
) -> np.int64:  # fmt: skip
    """Offer a token at the root for each word that ends at a current one; return the links' number.

    What was looked ahead gives way to the word's own score, and to what may come next.
    """
    tree, cache = model.tree, scratch.cache
    control, new = scratch.control[0], scratch.arrival[0]
    N, most = tree.nodes.shape[0], model.phrases.most
    root = np.int64(0)
    for i in range(count):
        token = scratch.current[i]
        place = token["place"]
        if place >= 2 * N or not place & 1:
            continue
        node = tree.nodes[place >> 1]
        for k in range(node["word_begin"], node["word_end"]):
            word = np.int64(tree.word[k])
            state, expected = predict(model, np.int64(token["lm"]), word)
            exact = limits.lm_weight * expected + limits.word_score
            phrase = np.int64(0)
            if most > 0.0:
                phrase, gain = follow(model.phrases, token["phrase"], word)
                exact += gain
            score = token["score"] + (exact - token["ahead"])
            if not score + most + max(0.0, limits.word_score) >= control["floor"]:
                continue
            ahead, history, cost = look_ahead(model, cache, state, np.float32(0.0), root)
            new["phrase"] = phrase
            new["ahead"] = promise(model, limits, state, phrase, root, ahead)
            new["ahead_lm"] = history
            new["ahead_cost"] = cost
            new["score"] = score + new["ahead"]
            if not new["score"] >= control["floor"]:
                continue
            _link(links, num_links, token, word, expected, step)
            new["lm"] = state
            new["place"] = 2 * N + np.int64(tree.token[place >> 1])
            new["link"] = num_links
            new["start"] = step + 1
            new["end"] = step + 1
            new["margin"] = 0.0
            for a in range(NUM_ALTERNATIVES):
                new["alternative_link"][a] = NO_ALTERNATIVE
                new["alternative_delta"][a] = 0.0
            num_links += 1
            offer(scratch.following, scratch.table, control, links, new)
    return num_links


@leaf
def _link(
    links: LinkArray, number: np.int64, token: np.void, word: int, expected: float, step: int
) -> None:
    """Write link `number`: `word` ended at `token` with this step."""
    link, previous = links[number], token["link"]
    link["text"] = extended_text(text_of(links, previous), word)
    link["previous"] = previous
    link["word"] = word
    link["start"] = token["start"]
    link["end"] = step + 1
    link["depth"] = 1 if previous < 0 else links[previous]["depth"] + 1
    link["log_prob"] = expected
    link["margin"] = token["margin"] / (step + 1 - token["start"])
    for a in range(NUM_ALTERNATIVES):
        link["alternative_link"][a] = token["alternative_link"][a]
        link["alternative_delta"][a] = token["alternative_delta"][a]


@leaf
def _append(scratch: Scratch, kept: int) -> np.int64:
    """Move the following tokens behind the first `kept` current ones, prune; return how many."""
    control = scratch.control[0]
    count = np.int64(kept)
    for i in range(control["size"]):
        if scratch.following[i]["score"] >= control["floor"]:
            scratch.current[count] = scratch.following[i]
            count += 1
    control["size"] = 0
    control["epoch"] += 1
    return np.int64(keep_best(scratch.current, count, control))


@kernel
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
    count, num_links = np.int64(tokens.shape[0]), np.int64(old_links.shape[0])
    links = scratch.links
    if 2 * num_links > links.shape[0]:
        links = np.empty(4 * num_links, links.dtype)
    scratch.current[:count] = tokens
    links[:num_links] = old_links
    control = scratch.control[0]
    control["beam"], control["most"] = limits.beam, limits.max_tokens
    for s in range(log_probs.shape[0]):
        row = log_probs[s]
        highest = _highest(row, model.topology.rest)
        control["best"] = _LOWEST
        control["floor"] = _promised(model, limits, scratch.current, row, step + s, count)
        _stay(model, limits, scratch, links, row, highest, step + s, count)
        _go_on(model, limits, scratch, links, row, highest, step + s, count)
        count = _append(scratch, 0)
        more = _num_word_ends(model.tree, scratch.current, count)
        if num_links + more > links.shape[0]:
            num_links = collect(scratch.current, count, links, num_links)
            if 2 * (num_links + more) > links.shape[0]:
                grown = np.empty(4 * (num_links + more), links.dtype)
                grown[:num_links] = links[:num_links]
                links = grown
        num_links = _end_words(model, limits, scratch, links, num_links, step + s, count)
        count = _append(scratch, count)
    num_links = collect(scratch.current, count, links, num_links)
    return scratch.current[:count].copy(), links[:num_links].copy()
