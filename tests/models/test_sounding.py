"""How a word sounds in a recording, against trying every alignment."""

from itertools import product

import numpy as np
import pytest

from steno_models.sounding import best_path, heard_ways, log_likelihood
from steno_models.types import FloatArray

Way = tuple[int, ...]


def random_log_probs(seed: int, S: int, V: int) -> FloatArray:
    logits = np.random.default_rng(seed).normal(size=(S, V)) * 2
    found: FloatArray = (logits - np.logaddexp.reduce(logits, axis=1)[:, None]).astype(np.float32)
    return found


def collapsed(path: Way) -> Way:
    return tuple(q for s, q in enumerate(path) if q and (s == 0 or path[s - 1] != q))


@pytest.mark.parametrize("way", [(), (1,), (1, 1), (1, 2), (2, 1, 2), (1, 1, 1), (2, 2, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_the_forward_algorithm_is_the_sum_over_every_alignment(way: Way, seed: int) -> None:
    log_probs = random_log_probs(seed, 5, 3)
    ways = [path for path in product(range(3), repeat=5) if collapsed(path) == way]
    scores = [sum(float(log_probs[s, q]) for s, q in enumerate(path)) for path in ways]
    expected = np.logaddexp.reduce(scores)
    assert log_likelihood(log_probs, way) == pytest.approx(expected, abs=1e-4)


def test_the_best_path_drops_blanks_and_repeats() -> None:
    log_probs = np.log(np.eye(4)[[0, 2, 2, 0, 2, 3, 3, 0]] + 1e-6).astype(np.float32)
    assert best_path(log_probs) == (2, 2, 3)
    assert best_path(log_probs[:0]) == ()


def test_what_is_heard_counts_more_than_the_spelling_where_it_is_clear() -> None:
    log_probs = np.log(np.eye(4)[[0, 2, 0, 3, 0]] * 0.999 + 1e-4).astype(np.float32)
    assert heard_ways(log_probs, {(1, 3): -0.1, (2, 3): -3.0})[0] == (2, 3)
    assert heard_ways(log_probs, {(1, 3): -0.1})[0] == (2, 3)
    assert heard_ways(log_probs[:0], {(1, 3): -0.1}) == [(1, 3)]
