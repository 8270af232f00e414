"""The compiled part: the phone loop, forced scores, the shortlist, contexts, and trees.

All scores of sound are deficits: nats behind the likeliest token at each step, so that they compare
over pronunciations of any length in the same stretch of sound; 0 is the best there can be.
"""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel, leaf
from steno_models.lm.ngram.kernels import NgramArrays, advance
from steno_models.types import FloatArray, IntArray, LongArray

DoubleArray = NDArray[np.float64]
_LOWEST = np.float32(-1e30)


@leaf
def _come_from(
    reached: float, source: int, follows: FloatArray, best: FloatArray, came: IntArray
) -> None:
    """Let each phone come from one where that is better; all phones at once."""
    for q in range(best.shape[0]):
        value = reached + follows[q]
        better = value > best[q]
        best[q] = value if better else best[q]
        came[q] = source if better else came[q]


@kernel
def _path(back: IntArray, state: int) -> tuple[IntArray, IntArray]:
    """Return the phones on the way to `state`, and the step at which each begins."""
    S, count = back.shape[0], 0
    phones, steps = np.empty(S, np.int32), np.empty(S, np.int32)
    for s in range(S - 1, -1, -1):
        before = back[s, state]
        if state & 1 and before != state:
            phones[count], steps[count] = state >> 1, s
            count += 1
        state = before
    return phones[:count][::-1].copy(), steps[:count][::-1].copy()


@kernel
def phone_loop(
    log_probs: FloatArray, bigram: FloatArray, weight: float
) -> tuple[IntArray, IntArray, float, float]:
    """Return the best phones of `log_probs`, (S, V), the step of each, and its two scores.

    Viterbi through a loop of all phones under a phone bigram, in the CTC topology: a phone stays or
    rests in the blank, and after the blank may come again (Graves et al. 2006; Bazzi & Glass 2000
    for the loop as a model of words outside the lexicon).

    Args:
        log_probs: (S, V) ln p(token) less the largest of its step; the blank is 0.
        bigram: (V, V) ln p(phone | phone before), 0 standing for both ends of a word.
        weight: of the bigram.

    Returns:
        phones: (U,) token ids.
        steps: (U,) at which each is first emitted.
        acoustic: the deficit of the path.
        phonotactic: ln p(phones), the end included.
    """
    S, V = log_probs.shape
    # state 2 p: resting after phone p (0: nothing yet); 2 p + 1: on phone p
    score = np.full(2 * V, _LOWEST)
    score[0] = 0.0
    back = np.zeros((S, 2 * V), np.int32)
    follows = np.float32(weight) * bigram
    again = np.diag(follows).copy()
    np.fill_diagonal(follows, _LOWEST)  # the same phone again only out of the blank
    reached = np.empty(V, np.float32)  # the better of the two states of each phone
    source, came = np.empty(V, np.int32), np.empty(V, np.int32)
    best = np.empty(V, np.float32)
    for s in range(S):
        for p in range(V):
            rest, on = score[2 * p], score[2 * p + 1]
            reached[p], source[p] = (on, 2 * p + 1) if on > rest else (rest, 2 * p)
            twice = rest + again[p]
            best[p], came[p] = (on, 2 * p + 1) if on >= twice else (twice, 2 * p)
        for p in range(V):
            _come_from(reached[p], source[p], follows[p], best, came)
        row = log_probs[s]
        for p in range(V):
            back[s, 2 * p], back[s, 2 * p + 1] = source[p], came[p]
            score[2 * p], score[2 * p + 1] = reached[p] + row[0], best[p] + row[p]
        score[1] = _LOWEST
    total, state = _LOWEST, 0
    for p in range(1, V):
        for which in range(2):
            value = score[2 * p + which] + weight * bigram[p, 0]
            if value > total:
                total, state = value, 2 * p + which
    phones, steps = _path(back, state)
    if state == 0:
        return phones, steps, 0.0, 0.0
    phonotactic, last = 0.0, np.int32(0)
    for phone in phones:
        phonotactic += bigram[last, phone]
        last = phone
    phonotactic += bigram[last, 0]
    return phones, steps, total - weight * phonotactic, phonotactic


@kernel
def forced(log_probs: FloatArray, tokens: NDArray[np.uint8]) -> float:
    """Return the deficit of the best alignment of `tokens`, (U,), to `log_probs`, (S, V).

    The forced CTC score by Viterbi; -inf where there are too few steps.
    """
    S, U = log_probs.shape[0], tokens.shape[0]
    N = 2 * U + 1
    score = np.full(N, -np.inf, np.float32)
    score[0] = 0.0  # before the first step: nothing said
    for s in range(S):
        row = log_probs[s]
        for n in range(N - 1, -1, -1):
            best = score[n]
            if n and score[n - 1] > best:
                best = score[n - 1]
            token = tokens[n >> 1] if n & 1 else 0
            if n & 1 and n > 1 and tokens[(n >> 1) - 1] != token and score[n - 2] > best:
                best = score[n - 2]
            score[n] = best + row[token]
    return float(max(score[N - 1], score[N - 2])) if U and S else -np.inf


@kernel
def forced_all(
    log_probs: FloatArray, begins: LongArray, tokens: NDArray[np.uint8], rows: IntArray
) -> FloatArray:
    """Return (R,) the deficits of the pronunciations `rows`; see `forced`."""
    scores = np.empty(rows.shape[0], np.float32)
    for i in range(rows.shape[0]):
        row = rows[i]
        scores[i] = forced(log_probs, tokens[begins[row] : begins[row + 1]])
    return scores


@leaf
def _slot(keys: IntArray, node: int) -> int:
    """Return the place of `node` in an open table, or ~h with h its free place."""
    mask = keys.shape[0] - 1
    h = (node * 2_654_435_761) >> 7 & mask
    while keys[h] >= 0:
        if keys[h] == node:
            return int(h)
        h = (h + 1) & mask
    return int(~h)


@leaf
def _relax(
    keys: IntArray, costs: FloatArray, places: IntArray, size: int, node: int, cost: float
) -> int:
    """Let `node` cost at most `cost`; return how many nodes there are. No more than the room."""
    h = _slot(keys, node)
    if h >= 0:
        costs[h] = min(costs[h], cost)
        return size
    if size == places.shape[0]:
        return size
    h = ~h
    keys[h], costs[h], places[size] = node, cost, h
    return size + 1


@kernel
def shortlist(
    substitution: FloatArray, insertion: float, deletion: float,
    children: IntArray, token: NDArray[np.uint8], width: int, beam: float,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Return the nodes of a prefix tree that sound like a string of phones, and their distances.

    The weighted edit distance (Wagner & Fischer 1974) between the phones and the way to each node,
    position by position through the tree, so that words that begin alike are compared once. Nodes
    far behind the best at a position are dropped: how many words there are hardly matters.

    Args:
        substitution: (U, V) cost of each token in the place of each phone heard.
        insertion: cost of a phone of the word that was not heard.
        deletion: cost of a phone heard that the word lacks.
        children: (N + 1,) the children of node n are children[n] .. children[n + 1].
        token: (N,) that leads to each node.
        width: how many nodes a position keeps.
        beam: how far behind the best of the position they may be.
    """
    room = 32 * width
    size_of_table = 1
    while size_of_table < 2 * room:
        size_of_table *= 2
    keys = np.full(size_of_table, -1, np.int32)
    costs, places = np.empty(size_of_table, np.float32), np.empty(room, np.int32)
    nodes, scores = np.zeros(1, np.int32), np.zeros(1, np.float32)
    for u in range(substitution.shape[0] + 1):
        size = 0
        for i in range(nodes.shape[0]):
            node, cost = nodes[i], scores[i]
            if u == 0:
                size = _relax(keys, costs, places, size, node, cost)
                continue
            size = _relax(keys, costs, places, size, node, cost + deletion)
            for child in range(children[node], children[node + 1]):
                new = cost + substitution[u - 1, token[child]]
                size = _relax(keys, costs, places, size, child, new)
        before = costs[places[:size]]
        limit = _limit(before, width, beam)
        # one phone of the word that was not heard, behind what is worth it
        for i in range(before.shape[0]):
            node, cost = keys[places[i]], before[i] + insertion
            if cost > limit:
                continue
            for child in range(children[node], children[node + 1]):
                size = _relax(keys, costs, places, size, child, cost)
        found = places[:size]
        kept = found[costs[found] <= _limit(costs[found], width, beam)]
        nodes, scores = keys[kept], costs[kept]
        keys[found] = -1
    return nodes, scores


@kernel
def _limit(costs: FloatArray, width: int, beam: float) -> float:
    """Return the cost up to which `costs` are kept: within the beam, and no more than `width`."""
    limit = costs.min() + beam
    if costs.shape[0] > width:
        limit = min(limit, np.partition(costs, width - 1)[width - 1])
    return float(limit)


@kernel
def gathered(
    nodes: IntArray, costs: FloatArray, ends: IntArray, way_words: IntArray,
    known: NDArray[np.uint8], most: int,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Return up to `most` pronunciations that end at `nodes`, the nearest first, and their costs.

    Args:
        nodes: of the prefix tree.
        costs: of each.
        ends: (N + 1,) the pronunciations at node n are ends[n] .. ends[n + 1].
        way_words: whose each is.
        known: (W,) 1 for words that are left out.
        most: how many.
    """
    rows, found, count = np.empty(most, np.int32), np.empty(most, np.float32), 0
    for i in np.argsort(costs):
        for row in range(ends[nodes[i]], ends[nodes[i] + 1]):
            if count < most and not known[way_words[row]]:
                rows[count], found[count] = row, costs[i]
                count += 1
        if count == most:
            break
    return rows[:count], found[:count]


@kernel
def compared(
    lm: NgramArrays, start: int, unknown: int, words: IntArray, firsts: IntArray, lasts: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return (R,) ln p of the words of stretches, and of an unknown one, each with what follows.

    Args:
        lm: the language model.
        start: its state before the first word.
        unknown: the unknown word.
        words: (W + 1,) of a hypothesis, the sentence end included.
        firsts: (R,) the first word of each stretch.
        lasts: (R,) the word behind it.
    """
    W = words.shape[0]
    total = np.zeros(W + 1)
    jumped, missing = np.zeros(W, np.int64), np.zeros(W)
    state = start
    for w in range(W):
        jumped[w], missing[w] = advance(lm, state, unknown)
        state, log_prob = advance(lm, state, words[w])
        total[w + 1] = total[w] + log_prob
    R = firsts.shape[0]
    known, instead = np.empty(R, np.float32), np.empty(R, np.float32)
    for r in range(R):
        first, last = firsts[r], lasts[r]
        _, following = advance(lm, jumped[first], words[last])
        known[r] = total[last + 1] - total[first]
        instead[r] = missing[first] + following
    return known, instead


@kernel
def asked(
    x: DoubleArray, roots: LongArray, feature: LongArray, bound: DoubleArray, lower: LongArray,
    value: DoubleArray,
) -> DoubleArray:  # fmt: skip
    """Return (N,) the sum of the leaves that each row of `x`, (N, F), ends in."""
    found = np.zeros(x.shape[0])
    for n in range(x.shape[0]):
        for root in roots:
            node = root
            while feature[node] >= 0:
                node = lower[node] + (x[n, feature[node]] > bound[node])
            found[n] += value[node]
    return found


@kernel
def histograms(
    binned: LongArray, rows: LongArray, first: DoubleArray, second: DoubleArray, bins: int
) -> DoubleArray:
    """Return (F, bins, 3) the sums of derivatives and the number of `rows` in each bin."""
    F = binned.shape[1]
    table = np.zeros((F, bins, 3))
    for i in range(rows.shape[0]):
        for f in range(F):
            place = binned[rows[i], f]
            table[f, place, 0] += first[i]
            table[f, place, 1] += second[i]
            table[f, place, 2] += 1.0
    return table
