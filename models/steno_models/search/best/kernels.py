"""The compiled call: the best token, its words, and how likely each is at its time."""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel
from steno_models.search.links.kernels import chain, posteriors
from steno_models.search.state import LinkArray, TokenArray
from steno_models.types import IntArray

DoubleArray = NDArray[np.float64]

# Nats within which scores count as equal: they are sums of many rounded numbers.
_TIE = 1e-3


@kernel
def scores_so_far(tokens: TokenArray, roots: int, lent: DoubleArray) -> tuple[DoubleArray, int]:
    """Return (tokens,) log scores, and the best token.

    Words begun count, but none that might begin next. The best token is one between words if its
    equal is still within one.

    Args:
        tokens: the survivors.
        roots: the places 0 and those from `roots` on lie between words.
        lent: by state of the phrases, what does not count unless they go on.
    """
    scores = np.empty(tokens.shape[0])
    best, highest = 0, -np.inf
    for i in range(tokens.shape[0]):
        score, place, tie = tokens[i]["score"], tokens[i]["place"], 0.0
        if place == 0 or place >= roots:
            score -= np.float64(tokens[i]["ahead"]) + lent[tokens[i]["phrase"]]
            tie = _TIE
        scores[i] = score
        if score + tie > highest:
            best, highest = i, score + tie
    return scores, best


@kernel
def posteriors_of(words: IntArray, links: LinkArray, share: DoubleArray) -> DoubleArray:
    """Return for each of the links `words` how likely its word is at its time.

    Args:
        words: numbers of links.
        links: the graph.
        share: (links,) the posterior of each link; those of one word at one time add up.
    """
    sums = np.zeros(words.shape[0])
    for k in range(words.shape[0]):
        word, start, end = (
            links[words[k]]["word"],
            links[words[k]]["start"],
            links[words[k]]["end"],
        )
        for i in range(links.shape[0]):
            if links[i]["word"] == word and links[i]["start"] < end and links[i]["end"] > start:
                sums[k] += share[i]
        sums[k] = min(1.0, sums[k])
    return sums


@kernel
def best_words(
    tokens: TokenArray, links: LinkArray, roots: int, scale: float, lent: DoubleArray
) -> tuple[float, IntArray, DoubleArray]:
    """Return the log score of the likeliest words so far, their links, and their posteriors.

    Args:
        tokens: the survivors.
        links: the graph.
        roots: as in `scores_so_far`.
        scale: factor on log scores, as in `posteriors`.
        lent: as in `scores_so_far`.
    """
    scores, best = scores_so_far(tokens, roots, lent)
    words = chain(links, tokens[best]["link"])
    share = posteriors(tokens, scores, links, scale)
    score = tokens[best]["score"] - np.float64(tokens[best]["ahead"])
    score -= lent[tokens[best]["phrase"]]
    return score, words, posteriors_of(words, links, share)
