"""The best path in bounded memory is the best of all paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.alignments.enumerated import scored

from steno_models.ctc.align import label_graph
from steno_models.errors import DataError
from steno_models.trellis import viterbi
from steno_models.trellis.network import Matrix, Network
from steno_models.trellis.viterbi import best_way
from steno_models.types import FloatArray


def _network(seed: int, nodes: int) -> Network:
    """A random network whose every node can be reached."""
    rng = np.random.default_rng(seed)
    into = [
        sorted(rng.choice(n, size=rng.integers(1, min(n, 3) + 1), replace=False)) if n else []
        for n in range(nodes)
    ]
    arcs = sum(map(len, into))
    finals = np.where(rng.random(nodes) < 0.3, rng.normal(size=nodes), -np.inf)
    finals[-1] = 0.0
    starts = np.where(np.arange(nodes) < 2, rng.normal(size=nodes), -np.inf)
    return Network(
        columns=rng.integers(0, 3, nodes).astype(np.int32),
        loops=rng.normal(size=nodes),
        offsets=np.cumsum([0, *map(len, into)], dtype=np.int32),
        sources=np.array([s for each in into for s in each], np.int32),
        arcs=rng.normal(size=arcs),
        starts=starts,
        finals=finals,
    )


def _emissions(seed: int, frames: int) -> FloatArray:
    return np.random.default_rng(seed).normal(0, 3, (frames, 3)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    nodes=st.integers(1, 6),
    frames=st.integers(1, 6),
    block=st.integers(1, 4),
)
def test_the_best_path_is_the_best_of_all(seed: int, nodes: int, frames: int, block: int) -> None:
    network, emissions = _network(seed, nodes), _emissions(seed, frames)
    paths = scored(network, emissions)
    before = viterbi.BLOCK_FRAMES
    viterbi.BLOCK_FRAMES = block
    try:
        if not paths:
            with pytest.raises(DataError, match="expected at least"):
                best_way(network, Matrix(emissions), beam=1.0)
            return
        way = best_way(network, Matrix(emissions), beam=1.0)
    finally:
        viterbi.BLOCK_FRAMES = before
    assert way.log_score == pytest.approx(max(paths.values()), abs=1e-4)
    assert paths[tuple(way.nodes.tolist())] == pytest.approx(way.log_score, abs=1e-4)


def _long_text(words: int) -> tuple[Network, FloatArray]:
    """A text of labels, and posteriors that spell it out, three steps a label."""
    rng = np.random.default_rng(1)
    labels = rng.integers(1, 8, 3 * words)
    graph = label_graph([[[int(k) for k in labels[3 * i : 3 * i + 3]]] for i in range(words)])
    logits = rng.normal(0, 1, (9 * words + 20, 8))
    steps = 10 + 3 * np.arange(len(labels))
    logits[steps, labels] += 9
    logits[np.setdiff1d(np.arange(len(logits)), steps), 0] += 6
    return graph.network, (logits - np.logaddexp.reduce(logits, 1, keepdims=True)).astype(
        np.float32
    )


def test_a_beam_over_positions_finds_the_same_path_in_a_part_of_the_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, emissions = _long_text(60)
    exact = best_way(network, Matrix(emissions), beam=30.0)
    monkeypatch.setattr(viterbi, "EXACT_CELLS", 0)
    monkeypatch.setattr(viterbi, "BLOCK_FRAMES", 50)
    sweep = viterbi._Sweep(network, Matrix(emissions), 30.0)
    sweep.forward(lambda _frames: None)
    widths = sweep._highs - sweep._lows
    assert widths.max() < len(network) / 4
    way = best_way(network, Matrix(emissions), beam=30.0)
    np.testing.assert_array_equal(way.nodes, exact.nodes)
    assert way.log_score == pytest.approx(exact.log_score)


def test_a_beam_that_loses_all_paths_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    network, emissions = _long_text(12)
    # All of the recording is like the text's first label, so a narrow beam stays there.
    emissions[:, network.columns[1]] += 30.0
    exact = best_way(network, Matrix(emissions), beam=1.0)
    monkeypatch.setattr(viterbi, "EXACT_CELLS", 0)
    sweep = viterbi._Sweep(network, Matrix(emissions), 1e-3)
    assert not np.isfinite(sweep.forward(lambda _frames: None)[1])
    ticks: list[int] = []
    way = best_way(network, Matrix(emissions), beam=1e-3, tick=ticks.append)
    assert np.isfinite(way.log_score)
    assert way.log_score <= exact.log_score + 1e-6
    assert sum(ticks) == 2 * len(emissions)
    assert np.isfinite(network.finals[way.nodes[-1]])


def test_a_text_longer_than_the_recording_is_refused() -> None:
    graph = label_graph([[[1, 1, 2]]])
    assert graph.network.least_frames() == 4
    with pytest.raises(DataError, match="expected at least 4 frames for the text, found 3"):
        best_way(graph.network, Matrix(np.zeros((3, 3), np.float32)), beam=9.0)
