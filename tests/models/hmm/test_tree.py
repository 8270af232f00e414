"""The phonetic decision tree against brute force."""

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.hmm.contexts import ContextStatistics, Triphones, context_statistics
from steno_models.hmm.questions import articulation, clustered, log_likelihood
from steno_models.hmm.topology import EDGE, NUM_PHONES, SILENCE, utterance_graph
from steno_models.hmm.tree import TreeOptions, best_split, build_tree
from steno_models.types import FloatArray, IntArray

D = 3
TRIPHONES = Triphones()
PAIR = np.isin(np.arange(NUM_PHONES), (4, 5))
QUESTIONS = np.concatenate([articulation(), PAIR[None]])


def _aligned(rng: np.random.Generator, tokens: int) -> tuple[FloatArray, IntArray]:
    """Return frames and names of random triphones of three phones with few neighbours.

    Phone 1 sounds different before the phones 4 and 5; phone 2 behind the edge of a word.
    """
    frames, names = [], []
    for _ in range(tokens):
        phone, left, right = (
            int(rng.integers(low, high)) for low, high in ((1, 4), (0, 7), (0, 7))
        )
        for state in TRIPHONES.states(left, phone, right):
            mean = np.full(D, float(phone))
            mean[0] += 5.0 * (phone == 1 and right in {4, 5})
            mean[1] += 5.0 * (phone == 2 and left == EDGE)
            frames.append(rng.normal(size=(2, D)) + mean)
            names += [state, state]
    return np.concatenate(frames).astype(np.float32), np.array(names, np.int32)


def _statistics(seed: int = 0, tokens: int = 400) -> tuple[ContextStatistics, FloatArray, IntArray]:
    frames, names = _aligned(np.random.default_rng(seed), tokens)
    return context_statistics([(frames, names)], TRIPHONES), frames, names


def _fit(frames: FloatArray) -> float:
    """Return the log-likelihood of `frames` under their own mean and variance, one by one."""
    if not len(frames):
        return 0.0
    exact = frames.astype(np.float64)
    mean, variance = exact.mean(axis=0), np.maximum(exact.var(axis=0), 1e-4)
    squares = (exact - mean) ** 2 / variance
    return float(-0.5 * (np.log(2.0 * np.pi * variance) + squares).sum())


def test_names_of_triphone_states_are_taken_apart_again() -> None:
    statistics, frames, names = _statistics()
    assert statistics.moments[:, 0].sum() == len(frames)
    for row in range(0, len(statistics.phones), 17):
        left, phone, right = (
            int(values[row]) for values in (statistics.lefts, statistics.phones, statistics.rights)
        )
        own = frames[names == TRIPHONES.states(left, phone, right)[statistics.parts[row]]]
        np.testing.assert_allclose(statistics.moments[row, 1 : 1 + D], own.sum(axis=0), rtol=1e-4)
        assert statistics.moments[row, 0] == len(own)


def test_the_likelihood_of_moments_is_that_of_the_frames() -> None:
    frames = np.random.default_rng(1).normal(size=(50, D)).astype(np.float32)
    exact = frames.astype(np.float64)
    moments = np.concatenate([[50.0], exact.sum(axis=0), (exact**2).sum(axis=0)])
    assert float(log_likelihood(moments)) == pytest.approx(_fit(frames))
    assert float(log_likelihood(np.zeros(1 + 2 * D))) == 0.0


def test_the_best_split_is_that_of_trying_every_question_on_the_frames() -> None:
    statistics, frames, names = _statistics()
    questions = QUESTIONS
    context = (names - 1) // 3
    own = (context // NUM_PHONES**2 == 1) & ((names - 1) % 3 == 0)
    part = frames[own]
    sides = (context[own] % NUM_PHONES**2 // NUM_PHONES, context[own] % NUM_PHONES)
    gains = [
        _fit(part[question[phones]]) + _fit(part[~question[phones]]) - _fit(part)
        for phones in sides
        for question in questions
    ]
    rows = np.flatnonzero((statistics.phones == 1) & (statistics.parts == 0))
    found = best_split(statistics, rows, questions, min_frames=0.0)
    assert found is not None
    assert found.gain == pytest.approx(max(gains), rel=1e-6)
    assert found.side == 1
    assert found.question[[4, 5]].all()
    assert not found.question[[EDGE, 1, 2, 3, 6]].any()


def test_a_split_that_leaves_too_few_frames_is_not_made() -> None:
    statistics, _, _ = _statistics()
    rows = np.flatnonzero((statistics.phones == 1) & (statistics.parts == 0))
    frames = statistics.moments[rows, 0].sum()
    assert best_split(statistics, rows, QUESTIONS, min_frames=frames) is None


def test_contexts_that_sound_different_are_parted_and_the_others_tied() -> None:
    statistics, _, _ = _statistics(tokens=2_000)
    tied = build_tree(statistics, QUESTIONS, TreeOptions(min_gain=400.0, min_frames=20.0))
    assert tied.states(3, 1, 4) == tied.states(6, 1, 5)
    assert not set(tied.states(3, 1, 4)) & set(tied.states(3, 1, 6))
    assert not set(tied.states(EDGE, 2, 3)) & set(tied.states(1, 2, 3))
    assert tied.states(1, 3, 2) == tied.states(6, 3, 5)
    assert tied.num_states == 1 + 3 * (NUM_PHONES - 1) + 6


def test_every_triphone_has_a_leaf_that_only_its_phone_and_part_use() -> None:
    statistics, _, _ = _statistics()
    tied = build_tree(statistics, QUESTIONS, TreeOptions(max_leaves=150, min_frames=5.0))
    assert tied.states(7, SILENCE, 9) == (0,)
    owners: dict[int, set[tuple[int, int]]] = {}
    for phone in range(1, NUM_PHONES):
        for part in range(3):
            leaves = np.unique(tied.table[phone, part]).tolist()
            for leaf in leaves:
                owners.setdefault(leaf, set()).add((phone, part))
    assert sorted(owners) == list(range(1, tied.num_states))
    assert all(len(owner) == 1 for owner in owners.values())


def test_no_more_leaves_grow_than_asked_for_and_the_best_splits_come_first() -> None:
    statistics, _, _ = _statistics(tokens=2_000)
    options = TreeOptions(max_leaves=3 * (NUM_PHONES - 1) + 6, min_gain=0.0, min_frames=20.0)
    tied = build_tree(statistics, QUESTIONS, options)
    assert tied.num_states == 1 + options.max_leaves
    assert not set(tied.states(3, 1, 4)) & set(tied.states(3, 1, 6))
    assert not set(tied.states(EDGE, 2, 3)) & set(tied.states(1, 2, 3))


def test_without_aligned_phones_there_is_no_tree() -> None:
    statistics, _, _ = _statistics()
    rows = np.zeros(0, np.int64)
    none = ContextStatistics(rows, rows, rows, rows, statistics.moments[:0])
    with pytest.raises(DataError, match="expected aligned phones"):
        build_tree(none, QUESTIONS)


def test_phones_that_sound_alike_are_one_question() -> None:
    counts = np.zeros(NUM_PHONES)
    sums, squares = np.zeros((NUM_PHONES, 1)), np.zeros((NUM_PHONES, 1))
    for phone, mean in {1: 0.0, 2: 0.1, 3: 4.0, 4: 4.1}.items():
        counts[phone], sums[phone], squares[phone] = 100.0, 100.0 * mean, 100.0 * (mean**2 + 1.0)
    found = {
        tuple(np.flatnonzero(question).tolist()) for question in clustered(counts, sums, squares)
    }
    assert found == {(1, 2), (3, 4)}


def test_an_utterance_in_tied_states_has_the_nodes_of_one_in_triphones() -> None:
    statistics, _, _ = _statistics()
    tied = build_tree(statistics, QUESTIONS)
    words = [[[1, 2], [3]], [[4, 1, 5]]]
    one, other = (utterance_graph(words, units=units) for units in (TRIPHONES, tied))
    np.testing.assert_array_equal(one.phones, other.phones)
    np.testing.assert_array_equal(one.arc_sources, other.arc_sources)
    assert other.states.max() < tied.num_states
    inside = other.states[(other.words == 1) & (other.phones == 1)]
    assert inside.tolist() == tied.states(4, 1, 5)
