"""The compiled search for the best ways through a word graph, from its end."""

from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel
from steno_models.search.links.kernels import extended_text
from steno_models.search.state import (
    NO_ALTERNATIVE,
    NO_LINK,
    NUM_ALTERNATIVES,
    LinkArray,
    TokenArray,
)
from steno_models.types import IntArray, LongArray

DoubleArray = NDArray[np.float64]
Entry: TypeAlias = tuple[float, np.int64, np.int64, np.int64, np.int64]

# How many steps back are taken for each sequence wanted, beside its own length: ways with the same
# words cost some.
_STEPS_EACH = 100


@kernel
def _ends(tokens: TokenArray, final_scores: DoubleArray) -> tuple[list[Entry], np.int64]:
    """Return where ways end, as a heap, and how many there are.

    An entry says the cost, minus its number, the link that comes next, a hash of the words from
    there on, and the number of the way. Among equals the youngest comes first: else ties would be
    followed all at once. That is the history that the search itself went on with, whose words were
    called stable.
    """
    start = np.int64(0)
    heap: list[Entry] = [(np.inf, start, np.int64(NO_LINK), start, start)]  # behind all others
    pushed = start
    for i in range(tokens.shape[0]):
        if final_scores[i] == -np.inf:
            continue
        for k in range(NUM_ALTERNATIVES):
            link, delta = tokens[i]["alternative_link"][k], tokens[i]["alternative_delta"][k]
            if link != NO_ALTERNATIVE:
                cost = -final_scores[i] - np.float64(delta)
                heappush(heap, (cost, -pushed, np.int64(link), start, start))
                pushed += 1
        heappush(heap, (-final_scores[i], -pushed, np.int64(tokens[i]["link"]), start, start))
        pushed += 1
    return heap, pushed


@kernel
def best_ways(
    tokens: TokenArray, final_scores: DoubleArray, links: LinkArray, most: int
) -> tuple[DoubleArray, LongArray, IntArray]:
    """Return (n,) log scores, (n,) how many links each has, and all their links in one array."""
    longest = 1
    for i in range(links.shape[0]):
        longest = max(longest, int(links[i]["depth"]) + 1)
    # Each way by the link that it has come to from its end, and the way that it came from. Way 0 is
    # that of no link.
    at, after = [np.int64(NO_LINK)], [np.int64(0)]
    heap, pushed = _ends(tokens, final_scores)
    scores, found = [0.0], [np.int64(0)]
    seen = {pushed}
    seen.clear()
    for _ in range(most * (longest + _STEPS_EACH)):
        cost, _number, link, text, way = heappop(heap)
        if cost == np.inf or len(scores) > most:
            break
        # Of ways with the same words from here on, the first is the best.
        here = extended_text(text, link)
        if here in seen:
            continue
        seen.add(here)
        if link == NO_LINK:
            scores.append(-cost)
            found.append(way)
            continue
        text = extended_text(text, np.int64(links[link]["word"]))
        at.append(link)
        after.append(way)
        way = np.int64(len(at) - 1)
        for k in range(NUM_ALTERNATIVES):
            other, delta = links[link]["alternative_link"][k], links[link]["alternative_delta"][k]
            if other != NO_ALTERNATIVE:
                further = cost - np.float64(delta)
                heappush(heap, (further, -pushed, np.int64(other), text, way))
                pushed += 1
        heappush(heap, (cost, -pushed, np.int64(links[link]["previous"]), text, way))
        pushed += 1
    ways: tuple[DoubleArray, LongArray, IntArray] = _unrolled(scores[1:], found[1:], at, after)
    return ways


@kernel
def _unrolled(
    scores: list[float], ways: list[np.int64], at: list[np.int64], after: list[np.int64]
) -> tuple[DoubleArray, LongArray, IntArray]:
    """Return `scores`, how many links each of `ways` has, and their links from the start on."""
    lengths = np.zeros(len(ways), np.int64)
    chains = [np.int32(0)]
    for i in range(len(ways)):
        way = ways[i]
        while way:
            chains.append(np.int32(at[way]))
            lengths[i] += 1
            way = after[way]
    return np.array(scores), lengths, np.array(chains)[1:]
