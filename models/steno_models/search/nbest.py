"""The best word sequences of a word graph, by best-first search from its end."""

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from steno_models.search.state import NO_ALTERNATIVE, NO_LINK, LinkArray, TokenArray

DoubleArray = NDArray[np.float64]

# How many steps back are taken for each sequence wanted, beside its own length: ways with the same
# words cost some.
_STEPS_EACH = 100

# What follows a link on a way: the next link and what follows that; None at the end.
_Rest: TypeAlias = "tuple[int, _Rest] | None"


@dataclass(frozen=True, slots=True)
class _Histories:
    """For each of some tokens or links, the links that may come before it and what they cost."""

    first: list[int]
    others: list[list[int]]
    deltas: list[list[float]]

    @classmethod
    def of(cls, places: TokenArray | LinkArray, name: str) -> Self:
        return cls(
            places[name].tolist(),
            places["alternative_link"].tolist(),
            places["alternative_delta"].tolist(),
        )

    def __getitem__(self, i: int) -> list[tuple[int, float]]:
        others = zip(self.others[i], self.deltas[i], strict=True)
        return [
            *((link, delta) for link, delta in others if link != NO_ALTERNATIVE),
            (self.first[i], 0.0),
        ]


def best_texts(
    tokens: TokenArray, final_scores: DoubleArray, links: LinkArray, most: int
) -> list[tuple[float, list[int]]]:
    """Return up to `most` (log score, links) with different words, best first.

    The score of a way from its end up to some link is exact for the best way on from there, so the
    ways come up in order (A* with a perfect estimate, Soong & Huang 1991). The first is the best
    there is; the others are the best of the graph, which kept a few histories at each link only:
    their scores are true of an alignment that the search saw, but a better one may have been lost.

    Args:
        tokens: where ways end.
        final_scores: (tokens,) log score of ending at each; -inf where none ends.
        links: the graph.
        most: the number of sequences wanted.
    """
    graph = _Histories.of(links, "previous")
    ends = _Histories.of(tokens, "link")
    words = links["word"].tolist()
    # Among equals the youngest comes first: else ties would be followed all at once. That is the
    # history that the search itself went on with, whose words were called stable.
    heap: list[tuple[float, int, int, int, _Rest]] = []
    pushed = 0
    for i in np.flatnonzero(final_scores > -np.inf).tolist():
        for link, delta in ends[i]:
            heappush(heap, (-final_scores[i] - delta, -pushed, link, 0, None))
            pushed += 1
    found: list[tuple[float, list[int]]] = []
    seen: set[tuple[int, int]] = set()
    longest = int(links["depth"].max(initial=0)) + 1
    for _ in range(most * (longest + _STEPS_EACH)):
        if not heap or len(found) == most:
            break
        cost, _, link, text, rest = heappop(heap)
        # Of ways with the same words from here on, the first is the best.
        if (link, text) in seen:
            continue
        seen.add((link, text))
        if link == NO_LINK:
            found.append((float(-cost), _unrolled(rest)))
            continue
        text = hash((words[link], text))
        for previous, delta in graph[link]:
            heappush(heap, (cost - delta, -pushed, previous, text, (link, rest)))
            pushed += 1
    return found


def _unrolled(rest: _Rest) -> list[int]:
    links = []
    while rest is not None:
        link, rest = rest
        links.append(link)
    return links
