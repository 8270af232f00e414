"""The compiled part of unknown words against enumeration."""

from itertools import groupby, product

import numpy as np
import pytest

from steno_models.search.pronunciations import Pronunciations
from steno_models.search.tree import LexiconTree
from steno_models.unknown.kernels import forced, phone_loop, shortlist

V = 4


def _sound(rng: np.random.Generator, steps: int) -> np.ndarray:
    scores = rng.normal(size=(steps, V)) * 2
    return np.asarray(scores - scores.max(axis=1, keepdims=True), np.float32)


def _collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in groupby(path) if token)


def _bigram(rng: np.random.Generator) -> np.ndarray:
    weights = rng.random((V, V))
    return np.asarray(np.log(weights / weights.sum(axis=1, keepdims=True)), np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_the_phone_loop_finds_the_best_of_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sound, bigram, weight = _sound(rng, 5), _bigram(rng), 0.7
    best = -np.inf
    way: tuple[int, ...] = ()
    for path in product(range(V), repeat=5):
        phones = _collapsed(path)
        if not phones:
            continue
        pairs = zip((0, *phones), (*phones, 0), strict=True)
        score = sum(float(sound[s, token]) for s, token in enumerate(path))
        score += weight * sum(float(bigram[pair]) for pair in pairs)
        if score > best:
            best, way = score, phones
    phones, steps, acoustic, phonotactic = phone_loop(sound, bigram, weight)
    assert tuple(phones.tolist()) == way
    assert acoustic + weight * phonotactic == pytest.approx(best, abs=1e-4)
    assert (np.diff(steps) > 0).all()


@pytest.mark.parametrize("way", [(1,), (1, 2), (2, 2), (3, 1, 3)])
def test_a_forced_score_is_that_of_the_best_alignment(way: tuple[int, ...]) -> None:
    sound = _sound(np.random.default_rng(7), 6)
    best = max(
        sum(float(sound[s, token]) for s, token in enumerate(path))
        for path in product(range(V), repeat=6)
        if _collapsed(path) == way
    )
    assert forced(sound, np.array(way, np.uint8)) == pytest.approx(best, abs=1e-4)


def test_a_pronunciation_that_is_longer_than_the_sound_fits_nowhere() -> None:
    assert forced(_sound(np.random.default_rng(0), 2), np.array([1, 2, 1], np.uint8)) == -np.inf


def _distance(substitution: np.ndarray, way: tuple[int, ...], costs: tuple[float, float]) -> float:
    """Return the weighted edit distance with at most one insertion between two phones heard."""
    insertion, deletion = costs
    U, W = len(substitution), len(way)
    table = np.full((U + 1, W + 1), np.inf)
    for u in range(U + 1):
        row = np.full(W + 1, np.inf)
        if u == 0:
            row[0] = 0.0
        for w in range(W + 1):
            if u:
                row[w] = min(row[w], table[u - 1, w] + deletion)
                if w:
                    row[w] = min(row[w], table[u - 1, w - 1] + substitution[u - 1, way[w - 1]])
        inserted = np.concatenate([[np.inf], row[:-1] + insertion])
        table[u] = np.minimum(row, inserted)
    return float(table[U, W])


def test_the_shortlist_has_the_distance_of_every_word_where_the_beam_is_wide() -> None:
    rng = np.random.default_rng(3)
    ways = sorted({tuple(rng.integers(1, V, size=n).tolist()) for n in (1, 2, 3, 3, 4, 4, 5) * 6})
    arrays = LexiconTree.build(Pronunciations.of([[way] for way in ways])).arrays
    children = np.append(arrays.nodes["child_begin"], arrays.nodes["child_end"][-1])
    substitution = np.asarray(rng.random((3, V)) * 3, np.float32)
    nodes, costs = shortlist(
        substitution, 1.5, 2.0, children, arrays.token.astype(np.uint8), 500, 1e6
    )
    found = dict(zip(nodes.tolist(), costs.tolist(), strict=True))
    for node in range(len(arrays.nodes)):
        for place in range(*arrays.nodes[["word_begin", "word_end"]][node].tolist()):
            way = ways[arrays.word[place]]
            expected = _distance(substitution, way, (1.5, 2.0))
            assert found.get(node, np.inf) == pytest.approx(expected, abs=1e-4)
