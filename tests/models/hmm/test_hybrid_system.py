"""Scaled posteriors against Bayes, alignments and words against those of the Gaussians behind."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.hmm.toy import WHOLE, knowing, timed

from steno_models.encoders.conformer import Conformer
from steno_models.encoders.protocol import Context, Grid
from steno_models.encoders.section import ConformerSection
from steno_models.errors import ConfigError, DataError
from steno_models.hmm.align import align
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.hybrid.model import Network, StateClassifier
from steno_models.hmm.hybrid.start import tokens
from steno_models.hmm.hybrid.states import (
    at_steps,
    phone_of_states,
    priors,
    step_of_frames,
    units_as_arrays,
    units_of_arrays,
)
from steno_models.hmm.hybrid.system import DESCRIPTION, STATES, HybridSystem, load_hybrid
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.speech import Recording
from steno_models.hmm.topology import NUM_PHONES, Monophones, utterance_graph
from steno_models.hmm.tree import TiedStates

torch.set_num_threads(1)

UNITS = Monophones(3, silence_states=1)
SMALL = ConformerSection(
    width=16, layers=2, heads=2, feed_forward=32, kernel=3, subsampling_channels=4
)


def _world(seed: int) -> tuple[HybridSystem, PhoneModel, np.random.Generator]:
    """Return a hybrid and Gaussians that know the same."""
    rng = np.random.default_rng(seed)
    A = UNITS.num_states
    means = rng.normal(size=(A, 5)).astype(np.float32)
    prior = rng.dirichlet(np.ones(A))
    stays = rng.uniform(0.3, 0.8, A)
    exact = means.astype(np.float64)[:, None]
    gmm = DiagonalGmm.uniform(np.zeros((A, 1)), exact, np.ones_like(exact))
    return knowing(UNITS, means, prior, stays), PhoneModel(gmm, stays), rng


def test_posteriors_over_priors_are_likelihoods_up_to_what_all_states_share() -> None:
    hybrid, gaussians, rng = _world(0)
    frames = rng.normal(size=(20, 5)).astype(np.float32)
    found = hybrid.log_likelihoods(hybrid.front_end(frames))
    expected = gaussians.gmm.log_likelihoods(frames, np.arange(UNITS.num_states, dtype=np.int32))
    difference = found - expected
    np.testing.assert_allclose(difference, difference[:, :1].repeat(len(found[0]), 1), atol=1e-4)
    # What they share is −ln p(x), p(x) = Σ P(a) p(x | a).
    evidence = np.logaddexp.reduce(expected + hybrid.log_priors, axis=1)
    np.testing.assert_allclose(difference[:, 0], -evidence, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_alignments_are_those_of_the_generative_model(seed: int) -> None:
    hybrid, gaussians, rng = _world(seed)
    graph = utterance_graph([[[3, 7]], [[9], [4, 5]]], units=UNITS)
    frames = rng.normal(size=(40, 5)).astype(np.float32)
    found = hybrid.best_path(hybrid.front_end(frames), graph)
    np.testing.assert_array_equal(found, gaussians.best_path(frames, graph))
    assert align(hybrid, hybrid.front_end(frames), graph) == align(gaussians, frames, graph)


@pytest.mark.parametrize("factor", [1, 3, 4])
def test_a_perfect_classifier_finds_the_true_path(factor: int) -> None:
    units = Monophones(1 if factor > 1 else 3, silence_states=1)
    rng, A = np.random.default_rng(1), units.num_states
    means = np.eye(A, dtype=np.float32) * 9
    grid = Grid(factor, 2 * factor - 1)
    hybrid = knowing(units, means, np.full(A, 1 / A), np.full(A, 0.5), grid)
    words = [[3, 7], [9, 4, 5]]
    nodes = timed(rng, words, units, 2 * factor)
    graph = utterance_graph([[word] for word in words], units=units)
    found = hybrid.best_path(hybrid.front_end(means[graph.states[nodes]]), graph)
    np.testing.assert_array_equal(found, at_steps(nodes, grid))


def test_too_few_steps_and_too_few_frames_are_errors() -> None:
    hybrid, _, _ = _world(0)
    graph = utterance_graph([[[3, 7]]], units=UNITS)
    with pytest.raises(DataError, match="only 2 frames"):
        hybrid.best_path(hybrid.front_end(np.zeros((2, 5), np.float32)), graph)
    with pytest.raises(DataError, match="at least 1 frames"):
        hybrid.front_end(np.zeros((0, 5), np.float32))
    with pytest.raises(DataError, match="posteriors of 118 states, found 3"):
        hybrid.log_likelihoods(np.zeros((4, 3), np.float32))


# --- states and steps


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(3, 7), Grid(4, 7)])
def test_frames_of_steps_have_at_their_middles_what_the_steps_have(grid: Grid) -> None:
    for frames in range(grid.field_frames, 40):
        S = grid.steps_of(frames)
        steps = np.arange(S, dtype=np.int32)
        spread = steps[step_of_frames(frames, S, grid)]
        np.testing.assert_array_equal(at_steps(spread, grid), steps)
        assert (np.diff(spread) >= 0).all()


def test_priors_are_shares_of_steps_and_loops_are_counted_between_steps() -> None:
    units = Monophones(1, silence_states=1)
    graph = utterance_graph([[[2]]], units=units)  # nodes: silence, phone 2, silence
    nodes = np.array([0] * 8 + [1] * 8 + [2] * 4, np.int32)
    log_priors, stays = priors([graph], [nodes], Grid(4, 4), units.num_states)
    counts = np.ones(units.num_states)
    counts[0], counts[2] = 1 + 3, 1 + 2
    np.testing.assert_allclose(np.exp(log_priors), counts / counts.sum())
    assert stays[0] == pytest.approx(1 / 3)
    assert stays[2] == pytest.approx(1 / 2)


def test_every_state_is_of_the_phone_that_runs_through_it() -> None:
    rng = np.random.default_rng(0)
    table = np.zeros((NUM_PHONES, 1, NUM_PHONES, NUM_PHONES), np.int32)
    for phone in range(1, NUM_PHONES):
        table[phone] = 2 * phone - 1 + rng.integers(0, 2, table[phone].shape)
    units = TiedStates(table)
    phones = phone_of_states(units)
    assert all(phones[state] == 7 for state in units.states(3, 7, 5))
    assert phones[0] == 0
    again = units_of_arrays(units_as_arrays(units))
    assert isinstance(again, TiedStates)
    np.testing.assert_array_equal(again.table, table)
    alone = phone_of_states(UNITS)
    assert [alone[s] for s in UNITS.states(0, 9, 0)] == [9, 9, 9]
    assert units_of_arrays(units_as_arrays(UNITS)) == UNITS


# --- whole and streaming, in memory and on disk


def _small(bottleneck: int | None) -> HybridSystem:
    torch.manual_seed(0)
    units = Monophones(1, silence_states=1)
    model = StateClassifier(Conformer(SMALL.options()), units.num_states, bottleneck)
    model.eval().requires_grad_(requires_grad=False)
    rng = np.random.default_rng(0)
    prior = np.log(rng.dirichlet(np.ones(units.num_states)))
    return HybridSystem(
        units, Network(model, Context(4, 8)), prior, rng.uniform(0.2, 0.8, units.num_states)
    )


@pytest.mark.parametrize("bottleneck", [None, 6])
def test_likelihoods_of_a_stream_are_those_of_the_whole_recording(bottleneck: int | None) -> None:
    system = _small(bottleneck)
    model, context = system.network.model, system.network.context
    features = np.random.default_rng(1).normal(size=(90, 80)).astype(np.float32)
    whole = system.log_likelihoods(system.front_end(features))
    state, found = model.encoder.start(context), []
    first = model.encoder.grid.frames_of(4)  # a chunk of four steps at a time
    for part in np.split(features, range(first, 90, 16)):
        chunk = torch.from_numpy(part)
        ((steps, state),) = model.encoder.step([(chunk, state)], context)
        found.append(steps)
    found += model.encoder.finish([state], context)
    streamed = system.log_likelihoods(model.log_posteriors(torch.cat(found)).numpy())
    np.testing.assert_allclose(streamed, whole, atol=1e-4)


def test_a_system_comes_back_from_its_folder(tmp_path: Path) -> None:
    system = _small(6)
    system.save(tmp_path / "round1", SMALL)
    again = load_hybrid(tmp_path / "round1")
    features = np.random.default_rng(1).normal(size=(50, 80)).astype(np.float32)
    np.testing.assert_allclose(again.front_end(features), system.front_end(features))
    np.testing.assert_array_equal(again.stay_probs, system.stay_probs)
    np.testing.assert_array_equal(again.log_priors, system.log_priors)
    assert again.network.bottleneck(features).shape == (11, 6)
    assert again.acoustic_scale == pytest.approx(0.8)
    assert (again.units, again.network.context) == (system.units, system.network.context)
    (tmp_path / "round1" / DESCRIPTION).write_text("encoder = 1")
    with pytest.raises(DataError, match="expected a network"):
        load_hybrid(tmp_path / "round1")
    (tmp_path / "round1" / STATES).write_bytes(b"PK")
    with pytest.raises(DataError, match="expected the states of a hybrid"):
        load_hybrid(tmp_path / "round1")


def test_a_network_without_a_bottleneck_says_so() -> None:
    with pytest.raises(ConfigError, match="found one without"):
        _small(None).network.bottleneck(np.zeros((9, 80), np.float32))


def test_a_context_is_kept_with_the_network() -> None:
    hybrid, _, _ = _world(0)
    assert hybrid.network.context == WHOLE
    assert hybrid.acoustic_scale == pytest.approx(0.2)


def test_the_phones_of_a_graph_are_the_nodes_of_one_with_one_state_a_phone() -> None:
    words = [[[3, 7], [3, 8, 9]], [[4], [5, 4]]]
    three = utterance_graph(words, units=UNITS)
    one = utterance_graph(words, units=Monophones(1, silence_states=1))
    path = np.arange(len(three.states), dtype=np.int32)
    recording = Recording("a", 0, np.zeros((len(path), 13), np.float32), words)
    (nodes,) = tokens([recording], UNITS, [path])
    np.testing.assert_array_equal(one.phones[nodes], three.phones[path])
    np.testing.assert_array_equal(one.words[nodes], three.words[path])
    np.testing.assert_array_equal(one.tokens[nodes], nodes)
