"""The first look at a segment: the cheapest words of every run of phones, against all words."""

from itertools import pairwise

import numpy as np
import pytest

from steno_models.search.pronunciations import Pronunciations
from steno_models.search.tree import LexiconTree
from steno_models.unknown.kernels import forced, shortlist
from steno_models.unknown.sweep.kernels import BEST, ahead, fits, sweep

V = 5
COSTS = (1.5, 2.0)
RNG = np.random.default_rng(3)
WAYS = sorted({tuple(RNG.integers(1, V, size=n).tolist()) for n in (1, 2, 3, 3, 4, 4, 5) * 6})
TREE = LexiconTree.build(Pronunciations.of([[way] for way in WAYS])).arrays
CHILDREN = np.append(TREE.nodes["child_begin"], TREE.nodes["child_end"][-1])
ENDS = np.append(TREE.nodes["word_begin"], TREE.nodes["word_end"][-1])
TOKEN = TREE.token.astype(np.uint8)
WORDS = TREE.word.astype(np.int32)
PRICES = np.asarray(RNG.random(len(WAYS)) * 5, np.float32)
SUBSTITUTION = np.asarray(RNG.random((6, V)) * 3, np.float32)


def _below(node: int) -> list[int]:
    """Return the pronunciations that end at a node or below it."""
    mine = list(range(ENDS[node], ENDS[node + 1]))
    return mine + [row for child in range(*CHILDREN[node : node + 2]) for row in _below(child)]


def test_what_is_ahead_of_a_node_is_its_cheapest_word_that_counts() -> None:
    known = np.asarray(RNG.random(len(WAYS)) < 0.4, np.uint8)
    below, own, own_costs = ahead(CHILDREN, ENDS, WORDS, PRICES, known)
    for node, (begin, end) in enumerate(pairwise(ENDS.tolist())):
        left = [row for row in _below(node) if not known[WORDS[row]]]
        here = [row for row in range(begin, end) if not known[WORDS[row]]]
        assert below[node] == min((PRICES[WORDS[row]] for row in left), default=below.max())
        assert own[node] == min(here, key=lambda row: PRICES[WORDS[row]], default=-1)
        if here:
            assert own_costs[node] == PRICES[WORDS[own[node]]]


def test_every_run_of_phones_has_its_cheapest_words() -> None:
    tables = ahead(CHILDREN, ENDS, WORDS, PRICES, np.zeros(len(WAYS), np.uint8))
    runs = [(0, 2), (0, 3), (1, 3), (2, 6), (2, 3), (2, 2)]
    firsts, lasts = np.array(runs, np.int32).T.copy()
    rows, distances = sweep(SUBSTITUTION, firsts, lasts, *COSTS, CHILDREN, TOKEN, *tables, 500, 1e6)
    for run, mine, near in zip(runs, rows, distances, strict=True):
        nodes, costs = shortlist(SUBSTITUTION[slice(*run)], *COSTS, CHILDREN, TOKEN, 500, 1e6)
        totals = {
            row: cost + PRICES[WORDS[row]]
            for node, cost in zip(nodes.tolist(), costs.tolist(), strict=True)
            for row in range(ENDS[node], ENDS[node + 1])
        }
        expected = sorted(totals, key=lambda row: totals[row])[:BEST]
        assert mine.tolist() == expected + [-1] * (BEST - len(expected))
        for row, distance in zip(expected, near.tolist(), strict=False):
            assert distance + PRICES[WORDS[row]] == pytest.approx(totals[row], abs=1e-4)


def test_words_fit_their_own_stretch_of_sound() -> None:
    sound = np.asarray(-RNG.random((12, V)) * 4, np.float32)
    begins = np.cumsum([0, *map(len, WAYS)], dtype=np.int64)
    tokens = np.array([token for way in WAYS for token in way], np.uint8)
    rows = np.array([[3, 7, -1], [9, -1, -1]], np.int32)
    found = fits(sound, np.array([0, 5], np.int32), np.array([7, 12], np.int32), begins, tokens,
                 rows)  # fmt: skip
    for r, k, row in ((0, 0, 3), (0, 1, 7), (1, 0, 9)):
        part = sound[:7] if r == 0 else sound[5:]
        assert found[r, k] == forced(part, np.array(WAYS[row], np.uint8))
    assert (found[[0, 1, 1], [2, 1, 2]] == -np.inf).all()
