"""The graph of an utterance: its paths, its probabilities, its shortest way."""

from math import comb

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.hmm import kernels
from steno_models.hmm.topology import NUM_STATES, SILENCE, Graph, shortest_path, utterance_graph

TWO_WORDS = [[[1, 2], [3]], [[4]]]  # the first word has two pronunciations


def _phone_sequences(graph: Graph) -> dict[tuple[int, ...], float]:
    """Return every sequence of phones that the graph lets through, with its probability."""
    found: dict[tuple[int, ...], float] = {}

    def walk(node: int, log_prob: float, nodes: list[int]) -> None:
        final = log_prob + graph.final_log_probs[node]
        if np.isfinite(final):
            phones = tuple(int(graph.states[n]) // 3 for n in nodes if graph.states[n] % 3 == 0)
            found[phones] = found.get(phones, 0.0) + float(np.exp(final))
        for target in range(node + 1, len(graph.states)):
            arcs = range(graph.arc_offsets[target], graph.arc_offsets[target + 1])
            for e in arcs:
                if graph.arc_sources[e] == node:
                    walk(target, log_prob + graph.arc_log_probs[e], [*nodes, target])

    for start in np.flatnonzero(np.isfinite(graph.start_log_probs)).tolist():
        walk(start, graph.start_log_probs[start], [start])
    return found


def test_silence_is_optional_at_every_border_of_a_word() -> None:
    sequences = _phone_sequences(utterance_graph([[[5]], [[6]]], silence_prob=0.25))
    assert len(sequences) == 8
    assert sequences[5, 6] == pytest.approx(0.75**3)
    assert sequences[SILENCE, 5, SILENCE, 6, SILENCE] == pytest.approx(0.25**3)


def test_every_pronunciation_has_its_own_path_and_all_paths_sum_to_one() -> None:
    sequences = _phone_sequences(utterance_graph(TWO_WORDS))
    assert {tuple(p for p in s if p != SILENCE) for s in sequences} == {(1, 2, 4), (3, 4)}
    assert sum(sequences.values()) == pytest.approx(1.0)


def test_words_and_tokens_of_the_nodes_follow_the_utterance() -> None:
    graph = utterance_graph(TWO_WORDS)
    words = [int(graph.words[3 * i]) for i in range(len(graph.states) // 3)]
    assert words == [-1, 0, 0, 0, -1, 1, -1]
    assert np.array_equal(graph.tokens, np.arange(len(graph.states)) // 3)
    assert graph.states.max() < NUM_STATES


def test_the_shortest_path_has_no_silence_and_the_fewest_phones() -> None:
    graph = utterance_graph(TWO_WORDS)
    assert graph.states[shortest_path(graph)].tolist() == [9, 10, 11, 12, 13, 14]


@pytest.mark.parametrize(("T", "N"), [(3, 3), (5, 3), (9, 6), (12, 4), (2, 3)])
def test_without_skips_t_frames_meet_n_states_in_so_many_ways(T: int, N: int) -> None:
    chain = np.arange(N, dtype=np.int32)
    offsets = np.maximum(np.arange(N + 1, dtype=np.int32) - 1, 0)
    starts = np.where(chain == 0, 0.0, -np.inf)
    alpha = kernels.forward(
        np.zeros((T, N), np.float32), chain, np.zeros(N), offsets, chain[:-1], np.zeros(N), starts
    )
    assert np.exp(alpha[-1, -1]) == pytest.approx(comb(T - 1, N - 1))


@pytest.mark.parametrize("words", [[], [[]], [[[]]], [[[1]], [[2], []]]])
def test_a_word_without_phones_is_an_error(words: list[list[list[int]]]) -> None:
    with pytest.raises(DataError, match="expected"):
        utterance_graph(words)
