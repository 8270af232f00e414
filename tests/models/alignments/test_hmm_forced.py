"""GMM-HMMs: the same path in blocks as at once, and all paths together."""

import numpy as np
import pytest
from tests.models.alignments.enumerated import posteriors, scored

from steno_models.errors import DataError
from steno_models.hmm import forced
from steno_models.hmm.align import align
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.system import System
from steno_models.hmm.topology import NUM_PHONES, Monophones, utterance_graph
from steno_models.trellis import viterbi

UNITS = Monophones(1, silence_states=1)


def _system(units: Monophones = UNITS, *, adapted: bool = False) -> System:
    """States that stand apart in two dimensions."""
    rng = np.random.default_rng(0)
    gmm = DiagonalGmm.uniform(
        log_weights=np.zeros((units.num_states, 1)),
        means=rng.normal(0, 3, (units.num_states, 1, 2)),
        variances=np.ones((units.num_states, 1, 2)),
    )
    model = PhoneModel(gmm, np.full(units.num_states, 0.6))
    return System(units, model, FrontEnd(), adapted=adapted)


def test_the_path_is_that_of_the_whole_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = _system(Monophones())
    graph = utterance_graph([[[3, 7], [4]], [[9, 9]], [[1], [2, 5]]], units=system.units)
    frames = np.random.default_rng(1).normal(0, 3, (60, 2)).astype(np.float32)
    whole = align(system.model, frames, graph)
    monkeypatch.setattr(viterbi, "BLOCK_FRAMES", 7)
    monkeypatch.setattr(forced, "BLOCK_FRAMES", 11)
    found = forced.forced_alignment(system, frames, graph)
    assert tuple(each.span for each in found) == whole.phones
    assert all(each.score <= 0 for each in found)


def test_all_paths_are_weighed_by_their_likelihood() -> None:
    system = _system()
    graph = utterance_graph([[[3]], [[4], [5, 3]]], units=UNITS)
    frames = np.random.default_rng(2).normal(0, 2, (5, 2)).astype(np.float32)
    paths = scored(forced.network(graph, system.stay_probs), system.log_likelihoods(frames))
    found = forced.ways(system, frames, graph)
    total = np.logaddexp.reduce(list(paths.values()))
    assert found.log_score == pytest.approx(total, abs=1e-4)
    expected = posteriors(paths, len(graph.states))
    np.testing.assert_allclose(np.exp(found.log_occupancy), expected, atol=1e-4)
    with pytest.raises(DataError, match="expected at least 2 frames for the text, found 1"):
        forced.ways(system, frames[:1], graph)


def test_what_was_said_scores_better_than_what_was_not() -> None:
    system = _system()
    said = np.repeat([3, 7, 12], 8)
    frames = system.model.gmm.means[said].astype(np.float32)
    right, wrong = (
        forced.forced_alignment(system, frames, utterance_graph([[way]], units=UNITS))
        for way in ([3, 7, 12], [3, 8, 12])
    )
    assert [each.span.phone for each in right] == [3, 7, 12]
    assert min(each.score for each in right) > min(each.score for each in wrong) + 1


def test_every_state_belongs_to_its_phone() -> None:
    units = Monophones(3, silence_states=2)
    owners = forced.phones_of_states(units)
    assert owners[:2].tolist() == [0, 0]
    assert owners[2:].tolist() == [p for p in range(1, NUM_PHONES) for _ in range(3)]


def test_a_speaker_map_brings_frames_back_to_the_model() -> None:
    system = _system(adapted=True)
    rng = np.random.default_rng(4)
    way = rng.permutation(np.arange(1, NUM_PHONES)).tolist()
    clean = system.model.gmm.means[np.repeat(way, 40)] + rng.normal(0, 0.5, (40 * len(way), 2))
    moved = (1.1 * clean + [0.7, -0.5]).astype(np.float32)
    graph = utterance_graph([[way]], units=UNITS)
    short = utterance_graph([[way]] * 9, units=UNITS)
    back, other = forced.adapted_frames(system, [(moved, graph), (moved[:50], short)])
    assert np.abs(back - clean).mean() < 0.5 * np.abs(moved - clean).mean()
    np.testing.assert_allclose(other, back[:50], atol=1e-5)
