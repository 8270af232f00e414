"""The best word sequences of a word graph, by best-first search from its end."""

import numpy as np
from numpy.typing import NDArray

from steno_models.search.state import LinkArray, TokenArray
from steno_models.search.ways.kernels import best_ways
from steno_models.types import IntArray

DoubleArray = NDArray[np.float64]


def best_texts(
    tokens: TokenArray, final_scores: DoubleArray, links: LinkArray, most: int
) -> list[tuple[float, IntArray]]:
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
    scores, lengths, chains = best_ways(tokens, final_scores, links, most)
    if not len(scores):
        return []
    return list(zip(scores.tolist(), np.split(chains, np.cumsum(lengths)[:-1]), strict=True))
