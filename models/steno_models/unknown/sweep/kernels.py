"""The compiled first look at a whole segment: for each stretch, the word that would fit best.

All stretches that begin alike are one search, and what a node could still become is known ahead
(language-model look-ahead, Ortmanns, Ney & Eiden 1996), so that few nodes need be kept.
"""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel, leaf
from steno_models.types import ByteArray, FloatArray, IntArray, LongArray
from steno_models.unknown.kernels import _limit, _relax, forced

BEST = 3
"""Words of a stretch that are held against the posteriors."""
_NO_COST = np.float32(1e30)


@kernel
def ahead(
    children: IntArray, ends: IntArray, way_words: IntArray, costs: FloatArray,
    known: NDArray[np.uint8],
) -> tuple[FloatArray, IntArray, FloatArray]:  # fmt: skip
    """Return what could become of each node of a prefix tree, and what ends there.

    Args:
        children: (N + 1,) the children of node n are children[n] .. children[n + 1].
        ends: (N + 1,) the pronunciations at node n are ends[n] .. ends[n + 1].
        way_words: whose each is.
        costs: (W,) of each word.
        known: (W,) 1 for words that do not count.

    Returns:
        below: (N,) the cost of the cheapest word at the node or below; huge where there is none.
        own: (N,) the cheapest pronunciation that ends at the node, -1 where there is none.
        own_costs: (N,) what its word costs.
    """
    N = children.shape[0] - 1
    below, own = np.full(N, _NO_COST, np.float32), np.full(N, -1, np.int32)
    own_costs = np.full(N, _NO_COST, np.float32)
    for n in range(N - 1, -1, -1):  # children have larger numbers
        for row in range(ends[n], ends[n + 1]):
            word = way_words[row]
            if not known[word] and costs[word] < below[n]:
                below[n], own[n] = costs[word], row
        own_costs[n] = below[n]
        for child in range(children[n], children[n + 1]):
            below[n] = min(below[n], below[child])
    return below, own, own_costs


@kernel
def sweep(
    substitution: FloatArray, firsts: IntArray, lasts: IntArray,
    insertion: float, deletion: float,
    children: IntArray, token: NDArray[np.uint8], below: FloatArray, own: IntArray,
    own_costs: FloatArray, width: int, beam: float,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Return (R, BEST) the cheapest pronunciations for runs of phones, -1 for none, and distances.

    As `shortlist`, but what is kept is what could still become cheap: distance plus word.

    Args:
        substitution: (U, V) cost of each token in the place of each phone heard in a segment.
        firsts: (R,) the phone at which each run begins, in ascending order.
        lasts: (R,) the phone behind it.
        insertion: cost of a phone of the word that was not heard.
        deletion: cost of a phone heard that the word lacks.
        children: (N + 1,) the children of node n are children[n] .. children[n + 1].
        token: (N,) that leads to each node.
        below: (N,) from `ahead`.
        own: (N,) from `ahead`.
        own_costs: (N,) the cost of the word of `own`.
        width: how many nodes a position keeps.
        beam: how far behind the best of the position they may be.
    """
    R = firsts.shape[0]
    # in the width of the scores: else each sum would be made in 64 bits and narrowed again
    missing, needless, reach = np.float32(insertion), np.float32(deletion), np.float32(beam)
    rows, distances = np.full((R, BEST), -1, np.int32), np.zeros((R, BEST), np.float32)
    room = 32 * width
    size_of_table = 1
    while size_of_table < 2 * room:
        size_of_table *= 2
    keys = np.full(size_of_table, -1, np.int32)
    costs, places = np.empty(size_of_table, np.float32), np.empty(room, np.int32)
    totals = np.empty(room, np.float32)
    kept, kept_costs = np.empty(room, np.int32), np.empty(room, np.float32)
    r = 0
    while r < R:
        first, behind, last = firsts[r], r, 0
        while behind < R and firsts[behind] == first:
            last = max(last, lasts[behind])
            behind += 1
        count, kept[0], kept_costs[0] = 1, 0, 0.0
        for u in range(first, last + 1):
            size, best = 0, _NO_COST
            for i in range(count):
                node, cost = kept[i], kept_costs[i]
                if u == first:
                    size = _relax(keys, costs, places, size, node, cost)
                    best = cost + below[node]
                    continue
                size = _relax(keys, costs, places, size, node, cost + needless)
                best = min(best, cost + needless + below[node])
                for child in range(children[node], children[node + 1]):
                    new = cost + substitution[u - 1, token[child]]
                    if new + below[child] <= best + reach:
                        best = min(best, new + below[child])
                        size = _relax(keys, costs, places, size, child, new)
            # one phone of the word that was not heard: behind what was there before, not in a row
            before = size
            for i in range(before):
                totals[i] = costs[places[i]] + missing
            for i in range(before):
                node, cost = keys[places[i]], totals[i]
                if cost + below[node] > best + reach:
                    continue
                for child in range(children[node], children[node + 1]):
                    if cost + below[child] <= best + reach:
                        size = _relax(keys, costs, places, size, child, cost)
            found = totals[:size]
            count = _keep(keys, costs, places, below, width, beam, found, kept, kept_costs)
            nodes, scores = kept[:count], kept_costs[:count]
            for run in range(r, behind):
                if lasts[run] == u:
                    _cheapest(nodes, scores, own, own_costs, rows[run], distances[run])
        r = behind
    return rows, distances


@kernel
def _keep(
    keys: IntArray, costs: FloatArray, places: IntArray, below: FloatArray, width: int, beam: float,
    totals: FloatArray, kept: IntArray, kept_costs: FloatArray,
) -> int:  # fmt: skip
    """Move the nodes worth it from the table to `kept`, empty the table, return how many they are.

    As many are looked at as `totals`, which is written to, has room for.
    """
    size, count = totals.shape[0], 0
    for i in range(size):
        totals[i] = costs[places[i]] + below[keys[places[i]]]
    limit = _limit(totals, width, beam)
    for i in range(size):
        place = places[i]
        if totals[i] <= limit:
            kept[count], kept_costs[count] = keys[place], costs[place]
            count += 1
        keys[place] = -1
    return count


@leaf
def _cheapest(
    nodes: IntArray, scores: FloatArray, own: IntArray, own_costs: FloatArray,
    rows: IntArray, distances: FloatArray,
) -> None:  # fmt: skip
    """Write the cheapest words that end at `nodes` to `rows`, and their distances."""
    totals = (_NO_COST, _NO_COST, _NO_COST)
    for i in range(nodes.shape[0]):
        node = nodes[i]
        if own[node] < 0:
            continue
        total = scores[i] + own_costs[node]
        if total >= totals[2]:
            continue
        place = 0 if total < totals[0] else 1 if total < totals[1] else 2
        for k in range(2, place, -1):
            rows[k], distances[k] = rows[k - 1], distances[k - 1]
        rows[place], distances[place] = own[node], scores[i]
        if place == 0:
            totals = (total, totals[0], totals[1])
        elif place == 1:
            totals = (totals[0], total, totals[1])
        else:
            totals = (totals[0], totals[1], total)


@kernel
def fits(
    log_probs: FloatArray, starts: IntArray, ends: IntArray, begins: LongArray, tokens: ByteArray,
    rows: IntArray,
) -> FloatArray:  # fmt: skip
    """Return (R, BEST) the deficits of pronunciations in their stretches; see `forced`."""
    R = rows.shape[0]
    scores = np.full((R, BEST), -np.inf, np.float32)
    for r in range(R):
        for k in range(BEST):
            row = rows[r, k]
            if row >= 0:
                way = tokens[begins[row] : begins[row + 1]]
                scores[r, k] = forced(log_probs[starts[r] : ends[r]], way)
    return scores
