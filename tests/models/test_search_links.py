"""The word graph against listing every way through it."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from steno_models.search import nbest
from steno_models.search.links import kernels
from steno_models.search.state import (
    LINK,
    NO_ALTERNATIVE,
    NO_LINK,
    NUM_ALTERNATIVES,
    TOKEN,
    LinkArray,
    TokenArray,
)

Way = tuple[int, ...]


def _random_graph(rng: np.random.Generator, num_links: int) -> tuple[TokenArray, LinkArray]:
    """Return tokens and links whose histories are random earlier links with different texts."""
    links = np.zeros(num_links, LINK)
    for i, link in enumerate(links):
        _remember_some(rng, links, link, "previous", i)
        link["word"] = rng.integers(3)
        link["start"], link["end"] = 2 * i, 2 * i + 3
        previous = link["previous"]
        link["depth"] = 1 if previous == NO_LINK else links[previous]["depth"] + 1
        link["text"] = kernels.extended_text(kernels.text_of(links, previous), int(link["word"]))
    tokens = np.zeros(3, TOKEN)
    for token in tokens:
        _remember_some(rng, links, token, "link", num_links)
        token["score"] = rng.normal()
    return tokens, links


def _remember_some(
    rng: np.random.Generator, links: LinkArray, place: np.void, name: str, before: int
) -> None:
    chosen = rng.permutation(np.arange(-1, before))[: rng.integers(1, NUM_ALTERNATIVES + 2)]
    texts = [int(kernels.text_of(links, int(link))) for link in chosen]
    distinct = [int(link) for k, link in enumerate(chosen) if texts[k] not in texts[:k]]
    others = distinct[1:]
    place[name] = distinct[0]
    place["alternative_link"] = NO_ALTERNATIVE
    place["alternative_link"][: len(others)] = others
    place["alternative_delta"][: len(others)] = -np.sort(rng.exponential(size=len(others)))


def _histories(place: np.void, name: str) -> list[tuple[int, float]]:
    others = zip(place["alternative_link"], place["alternative_delta"], strict=True)
    return [
        (int(place[name]), 0.0),
        *((int(link), float(delta)) for link, delta in others if link != NO_ALTERNATIVE),
    ]


def _ways(links: LinkArray, link: int) -> Iterator[tuple[Way, float]]:
    """Iterate over the (links, score) of every way up to `link`."""
    if link == NO_LINK:
        yield (), 0.0
        return
    for previous, delta in _histories(links[link], "previous"):
        for way, score in _ways(links, previous):
            yield (*way, link), score + delta


def _whole_ways(tokens: TokenArray, links: LinkArray) -> list[tuple[Way, float]]:
    return [
        (way, float(token["score"]) + delta + score)
        for token in tokens
        for link, delta in _histories(token, "link")
        for way, score in _ways(links, link)
    ]


def _texts(links: LinkArray, ways: list[tuple[Way, float]]) -> dict[Way, float]:
    """Return the best score of each sequence of words."""
    best: dict[Way, float] = {}
    for way, score in ways:
        text = tuple(int(word) for word in links["word"][list(way)])
        best[text] = max(score, best.get(text, -np.inf))
    return best


graphs = st.builds(
    lambda seed, size: _random_graph(np.random.default_rng(seed), size),
    st.integers(0, 2**32 - 1),
    st.integers(0, 8),
)


@settings(deadline=None, max_examples=60)
@given(graphs, st.floats(0.1, 2.0))
def test_posteriors_are_the_weight_of_the_ways_through(
    graph: tuple[TokenArray, LinkArray], scale: float
) -> None:
    tokens, links = graph
    ways = _whole_ways(tokens, links)
    weights = np.exp(scale * np.array([score for _, score in ways]))
    expected = np.zeros(len(links))
    for (way, _), weight in zip(ways, weights / weights.sum(), strict=True):
        expected[list(way)] += weight
    found = kernels.posteriors(tokens, tokens["score"].copy(), links, scale)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(graphs, st.integers(1, 6))
def test_the_best_texts_are_the_best_of_all_ways(
    graph: tuple[TokenArray, LinkArray], most: int
) -> None:
    tokens, links = graph
    texts = _texts(links, _whole_ways(tokens, links))
    found = nbest.best_texts(tokens, tokens["score"].copy(), links, most)
    expected = sorted(texts.values(), reverse=True)[:most]
    assert [score for score, _ in found] == pytest.approx(expected, abs=1e-5)
    for score, way in found:
        assert score == pytest.approx(texts[tuple(links["word"][way].tolist())], abs=1e-5)


def test_tokens_that_do_not_end_are_no_ends() -> None:
    tokens, links = _random_graph(np.random.default_rng(4), 6)
    final = np.array([-np.inf, tokens["score"][1], -np.inf])
    expected = _texts(links, _whole_ways(tokens[1:2], links))
    found = nbest.best_texts(tokens, final, links, 100)
    assert len(found) == len(expected)


@settings(deadline=None, max_examples=60)
@given(graphs)
def test_collecting_keeps_every_way_and_nothing_else(graph: tuple[TokenArray, LinkArray]) -> None:
    tokens, links = graph[0].copy(), graph[1].copy()
    before = _whole_ways(tokens, links)
    kept = kernels.collect(tokens, len(tokens), links, len(links))
    after = _whole_ways(tokens, links[:kept])
    assert kept == len({link for way, _ in before for link in way})
    assert [score for _, score in after] == [score for _, score in before]
    for (old, _), (new, _) in zip(before, after, strict=True):
        assert graph[1]["start"][list(old)].tolist() == links["start"][list(new)].tolist()


@settings(deadline=None, max_examples=60)
@given(graphs)
def test_the_shared_words_are_the_common_prefix(graph: tuple[TokenArray, LinkArray]) -> None:
    tokens, links = graph
    texts = [links["word"][kernels.chain(links, int(link))].tolist() for link in tokens["link"]]
    shared = 0
    while all(len(text) > shared and text[shared] == texts[0][shared] for text in texts):
        shared += 1
    assert kernels.shared_words(tokens, links, links["text"].copy()) == shared


@settings(deadline=None, max_examples=60)
@given(graphs)
def test_the_shared_links_are_the_common_ancestors(graph: tuple[TokenArray, LinkArray]) -> None:
    tokens, links = graph
    chains = [set(kernels.chain(links, int(link)).tolist()) for link in tokens["link"]]
    shared = kernels.shared_words(tokens, links, np.arange(len(links)))
    assert shared == len(set.intersection(*chains))


@settings(deadline=None, max_examples=60)
@given(graphs)
def test_settling_keeps_the_ways_after_the_last_settled_word(
    graph: tuple[TokenArray, LinkArray],
) -> None:
    tokens, links = graph[0][:1].copy(), graph[1].copy()
    best = kernels.chain(links, int(tokens["link"][0])).tolist()
    if not best:
        return
    settled = tuple(best[: len(best) // 2 + 1])
    n = len(settled)
    before = [
        (links["start"][list(way[n:])].tolist(), score)
        for way, score in _whole_ways(tokens, links)
        if way[:n] == settled and all(settled[-1] in kernels.chain(links, link) for link in way[n:])
    ]
    kept = kernels.settle(tokens, links, settled[-1])
    ways = _whole_ways(tokens, links[:kept])
    assert [(links["start"][list(way)].tolist(), score) for way, score in ways] == before


def _token(link: int, score: float) -> NDArray[np.void]:
    token = np.zeros(1, TOKEN)
    token["link"], token["score"] = link, score
    token["alternative_link"] = NO_ALTERNATIVE
    return token


def test_the_best_losers_are_remembered_each_text_once() -> None:
    links = np.zeros(8, LINK)
    links["previous"] = NO_LINK
    links["text"] = [10, 11, 12, 12, 13, 14, 15, 10]
    winner = _token(0, 0.0)
    for link, score in (
        (1, -3.0),
        (2, -2.0),
        (3, -1.0),
        (7, -0.5),
        (4, -4.0),
        (5, -5.0),
        (6, -0.1),
    ):
        kernels.inherit(links, winner[0], _token(link, score)[0])
    assert winner["alternative_link"][0].tolist() == [6, 3, 1, 4]
    np.testing.assert_allclose(winner["alternative_delta"][0], [-0.1, -1.0, -3.0, -4.0])


def test_a_losers_alternatives_are_inherited_at_their_distance() -> None:
    links = np.zeros(3, LINK)
    links["previous"] = NO_LINK
    links["text"] = [10, 11, 12]
    winner, loser = _token(0, 2.0), _token(1, 1.0)
    kernels.inherit(links, loser[0], _token(2, 0.5)[0])
    kernels.inherit(links, loser[0], _token(NO_LINK, 0.25)[0])
    kernels.inherit(links, winner[0], loser[0])
    assert winner["alternative_link"][0].tolist() == [1, 2, NO_LINK, NO_ALTERNATIVE]
    np.testing.assert_allclose(winner["alternative_delta"][0][:3], [-1.0, -1.5, -1.75])


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000))
def test_among_equals_the_best_history_comes_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens, links = _random_graph(rng, 12)
    tokens = tokens[:1]
    for places in (tokens, links):
        places["alternative_delta"] = 0.0  # words that sound and are written alike: all ways tie
    [(_, found)] = nbest.best_texts(tokens, tokens["score"].astype(np.float64), links, 1)
    assert found.tolist() == kernels.chain(links, tokens[0]["link"]).tolist()
