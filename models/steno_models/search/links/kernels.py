"""The compiled loops over the word graph: merge, collect, settle, weigh."""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel, leaf
from steno_models.search.state import (
    NO_ALTERNATIVE,
    NO_LINK,
    NUM_ALTERNATIVES,
    LinkArray,
    TokenArray,
)
from steno_models.types import FloatArray, IntArray, LongArray

DoubleArray = NDArray[np.float64]

_START_TEXT = np.int64(0)


@leaf
def text_of(links: LinkArray, link: int) -> np.int64:
    """Return the hash of the words up to `link`."""
    return _START_TEXT if link == NO_LINK else np.int64(links[link]["text"])


@leaf
def extended_text(text: int | np.int64, word: int) -> np.int64:
    """Return the hash of the words of hash `text` followed by `word`."""
    # The finaliser of SplitMix64 (Steele, Lea & Flood 2014), as signed arithmetic.
    mixed = np.uint64(text) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(word + 1)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(mixed ^ (mixed >> np.uint64(31)))


@leaf
def _remember(links: LinkArray, winner: np.void, link: int, delta: float) -> None:
    """Add the history `link`, `delta` below the best, to the alternatives of `winner`."""
    others, deltas = winner["alternative_link"], winner["alternative_delta"]
    text = text_of(links, link)
    if link == winner["link"] or text == text_of(links, winner["link"]):
        return
    place = NUM_ALTERNATIVES - 1
    for k in range(NUM_ALTERNATIVES):
        other = others[k]
        if other == NO_ALTERNATIVE:
            place = k
            break
        if other == link or text_of(links, other) == text:
            if delta <= deltas[k]:
                return
            place = k
            break
        if k == NUM_ALTERNATIVES - 1 and delta <= deltas[k]:
            return
    while place > 0 and deltas[place - 1] < delta:
        others[place] = others[place - 1]
        deltas[place] = deltas[place - 1]
        place -= 1
    others[place] = link
    deltas[place] = delta


@leaf
def inherit(links: LinkArray, winner: np.void, loser: np.void) -> None:
    """Give `winner` the histories of `loser`, a token of the same place with a lower score."""
    delta = loser["score"] - winner["score"]
    if loser["link"] != winner["link"]:
        _remember(links, winner, loser["link"], delta)
    for k in range(NUM_ALTERNATIVES):
        link = loser["alternative_link"][k]
        if link == NO_ALTERNATIVE:
            return
        _remember(links, winner, link, delta + loser["alternative_delta"][k])


@kernel
def collect(tokens: TokenArray, num_tokens: int, links: LinkArray, num_links: int) -> np.int64:
    """Drop the links that no token reaches, renumber the rest in place; return how many remain."""
    number = np.full(num_links, -1, np.int32)
    for i in range(num_tokens):
        _mark(tokens[i]["link"], tokens[i]["alternative_link"], number)
    for i in range(num_links - 1, -1, -1):
        if number[i] == 0:
            _mark(links[i]["previous"], links[i]["alternative_link"], number)
    kept = np.int64(0)
    for i in range(num_links):
        if number[i] == 0:
            number[i] = kept
            if kept != i:
                links[kept] = links[i]
            if links[kept]["previous"] >= 0:
                links[kept]["previous"] = number[links[kept]["previous"]]
            _renumber(links[kept]["alternative_link"], number)
            kept += 1
    for i in range(num_tokens):
        if tokens[i]["link"] >= 0:
            tokens[i]["link"] = number[tokens[i]["link"]]
        _renumber(tokens[i]["alternative_link"], number)
    return kept


@leaf
def _mark(link: int, others: IntArray, number: IntArray) -> None:
    if link >= 0:
        number[link] = 0
    for k in range(NUM_ALTERNATIVES):
        if others[k] >= 0:
            number[others[k]] = 0


@leaf
def _renumber(others: IntArray, number: IntArray) -> None:
    for k in range(NUM_ALTERNATIVES):
        if others[k] >= 0:
            others[k] = number[others[k]]


@kernel
def chain(links: LinkArray, link: int) -> IntArray:
    """Return the links from the first word to `link`."""
    length = 0 if link == NO_LINK else links[link]["depth"]
    words = np.empty(length, np.int32)
    for i in range(length - 1, -1, -1):
        words[i] = link
        link = links[link]["previous"]
    return words


@kernel
def shared_words(tokens: TokenArray, links: LinkArray, labels: LongArray) -> int:
    """Return how many leading words the best histories of all `tokens` share.

    Args:
        tokens: the survivors.
        links: the graph.
        labels: (links,) histories agree up to links of equal label and depth: the texts' hashes, or
            the links' own numbers where times must agree too.
    """
    reference = chain(links, tokens[0]["link"])
    shared = reference.shape[0]
    seen = np.zeros(links.shape[0], np.uint8)
    for i in range(tokens.shape[0]):
        link = tokens[i]["link"]
        while True:
            if link == NO_LINK:
                return 0
            if seen[link]:
                break
            seen[link] = 1
            depth = links[link]["depth"]
            if depth <= reference.shape[0] and labels[reference[depth - 1]] == labels[link]:
                shared = min(shared, int(depth))
                break
            link = links[link]["previous"]
    return int(shared)


@kernel
def settle(tokens: TokenArray, links: LinkArray, last: int) -> int:
    """Forget the words up to link `last`, in place; return how many links remain.

    Every token's best history must pass that link; alternatives whose best does not are dropped.
    """
    depth = links[last]["depth"]
    number = np.full(links.shape[0], NO_ALTERNATIVE, np.int32)
    kept = 0
    for i in range(links.shape[0]):
        previous = links[i]["previous"]
        if i == last:
            number[i] = NO_LINK
        elif previous != NO_LINK and number[previous] != NO_ALTERNATIVE:
            number[i] = kept
            links[kept] = links[i]
            links[kept]["previous"] = number[previous]
            links[kept]["depth"] -= depth
            _filter(links[kept]["alternative_link"], links[kept]["alternative_delta"], number)
            kept += 1
    for i in range(tokens.shape[0]):
        tokens[i]["link"] = number[tokens[i]["link"]]
        _filter(tokens[i]["alternative_link"], tokens[i]["alternative_delta"], number)
    return kept


@leaf
def _filter(others: IntArray, deltas: FloatArray, number: IntArray) -> None:
    """Renumber the alternatives `others`, closing ranks where one was dropped."""
    kept = 0
    for k in range(NUM_ALTERNATIVES):
        link = others[k]
        if link == NO_ALTERNATIVE:
            break
        # What began before the words forgotten goes with them.
        link = NO_ALTERNATIVE if link == NO_LINK else number[link]
        if link != NO_ALTERNATIVE:
            others[kept] = link
            deltas[kept] = deltas[k]
            kept += 1
    for k in range(kept, NUM_ALTERNATIVES):
        others[k] = NO_ALTERNATIVE
        deltas[k] = 0.0


@kernel
def posteriors(
    tokens: TokenArray, final_scores: DoubleArray, links: LinkArray, scale: float
) -> DoubleArray:
    """Return (links,) the share of the ways through the graph that pass each link, by weight.

    A way weighs exp(scale * log score), so that it is the forward-backward algorithm on the word
    graph (Wessel et al. 2001).

    Args:
        tokens: where ways end.
        final_scores: (tokens,) log score of ending at each token; -inf where none ends.
        links: the graph.
        scale: factor on log scores.
    """
    R = links.shape[0]
    best = final_scores.max()
    below = np.empty(R)  # sum of the weights of the ways up to a link, relative to its best one's
    share = np.zeros(R)
    for i in range(R):
        below[i] = _weight(
            below, links[i]["previous"], links[i]["alternative_link"],
            links[i]["alternative_delta"], scale,
        )  # fmt: skip
    total = 0.0
    for i in range(tokens.shape[0]):
        if final_scores[i] > -np.inf:
            total += np.exp(scale * (final_scores[i] - best)) * _weight(
                below, tokens[i]["link"], tokens[i]["alternative_link"],
                tokens[i]["alternative_delta"], scale,
            )  # fmt: skip
    for i in range(tokens.shape[0]):
        if final_scores[i] > -np.inf:
            _spread(
                np.exp(scale * (final_scores[i] - best)) / total, share, below, tokens[i]["link"],
                tokens[i]["alternative_link"], tokens[i]["alternative_delta"], scale,
            )  # fmt: skip
    for i in range(R - 1, -1, -1):
        _spread(
            share[i] / below[i], share, below, links[i]["previous"],
            links[i]["alternative_link"], links[i]["alternative_delta"], scale,
        )  # fmt: skip
    return share


@leaf
def _weight(
    below: DoubleArray, link: int, others: IntArray, deltas: FloatArray, scale: float
) -> float:
    """Return the weight of the ways that the history `link` or one of `others` makes."""
    weight = 1.0 if link == NO_LINK else below[link]
    for k in range(NUM_ALTERNATIVES):
        if others[k] == NO_ALTERNATIVE:
            break
        weight += np.exp(scale * deltas[k]) * (1.0 if others[k] == NO_LINK else below[others[k]])
    return weight


@leaf
def _spread(
    mass: float,
    share: DoubleArray,
    below: DoubleArray,
    link: int,
    others: IntArray,
    deltas: FloatArray,
    scale: float,
) -> None:
    """Add to `share` what each history has of `mass`, given for one unit of weight."""
    if link != NO_LINK:
        share[link] += mass * below[link]
    for k in range(NUM_ALTERNATIVES):
        if others[k] == NO_ALTERNATIVE:
            break
        if others[k] != NO_LINK:
            share[others[k]] += mass * np.exp(scale * deltas[k]) * below[others[k]]
