"""Viterbi and forward-backward against the enumeration of all paths and against autograd."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from steno_models.hmm import kernels
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.topology import MONOPHONES, Graph, Monophones, utterance_graph
from steno_models.types import FloatArray

Way = tuple[list[int], float]
"""A path and its log probability."""


def _random_model(
    rng: np.random.Generator, units: Monophones = MONOPHONES, mixtures: int = 2, features: int = 3
) -> PhoneModel:
    shape = (units.num_states, mixtures, features)
    weights = rng.dirichlet(np.ones(mixtures), units.num_states)
    gmm = DiagonalGmm.uniform(np.log(weights), rng.normal(size=shape), rng.uniform(0.5, 2.0, shape))
    return PhoneModel(gmm, rng.uniform(0.2, 0.8, units.num_states))


def _case(seed: int) -> tuple[PhoneModel, FloatArray, Graph]:
    rng = np.random.default_rng(seed)
    graph = utterance_graph([[[1], [2]]])
    return _random_model(rng), rng.normal(size=(7, 3)).astype(np.float32), graph


def _paths(model: PhoneModel, frames: FloatArray, graph: Graph) -> Iterator[Way]:
    """Yield every path and its log probability, from the definitions alone."""
    N, T = len(graph.states), len(frames)
    arcs = np.full((N, N), -np.inf)
    stay = model.stay_probs[graph.states]
    for n in range(N):
        for e in range(graph.arc_offsets[n], graph.arc_offsets[n + 1]):
            source = graph.arc_sources[e]
            arcs[source, n] = graph.arc_log_probs[e] + np.log(1.0 - stay[source])
        arcs[n, n] = np.log(stay[n])
    densities = model.gmm.log_likelihoods(frames, graph.states).astype(np.float64)

    def extend(path: list[int], score: float) -> Iterator[Way]:
        t, node = len(path), path[-1]
        if t == T:
            yield path, score + graph.final_log_probs[node] + np.log(1.0 - stay[node])
            return
        for target in np.flatnonzero(np.isfinite(arcs[node])).tolist():
            step = arcs[node, target] + densities[t, target]
            yield from extend([*path, target], score + step)

    for n in range(N):
        if np.isfinite(graph.start_log_probs[n]):
            yield from extend([n], graph.start_log_probs[n] + densities[0, n])


def _small_case(seed: int) -> tuple[PhoneModel, FloatArray, Graph]:
    """Return a word of two ways to say it and one of five states, silence optional."""
    rng = np.random.default_rng(seed)
    units = Monophones(states_per_phone=(3, 5)[seed % 2], silence_states=1)
    graph = utterance_graph([[[1], [2]]] if seed % 2 else [[[1, 2], [2]]], units=units)
    frames = rng.normal(size=(8, 3)).astype(np.float32)
    return _random_model(rng, units), frames, graph


@pytest.mark.parametrize("seed", range(4))
def test_with_other_numbers_of_states_the_best_and_the_sum_are_those_of_all_paths(
    seed: int,
) -> None:
    model, frames, graph = _small_case(seed)
    ways = [way for way in _paths(model, frames, graph) if np.isfinite(way[1])]
    best, _ = max(ways, key=lambda way: way[1])
    found = model.posteriors(frames, graph)
    assert model.best_path(frames, graph).tolist() == best
    total = np.logaddexp.reduce([score for _, score in ways])
    assert found.log_likelihood == pytest.approx(total, abs=1e-5)
    np.testing.assert_allclose(found.occupancy.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_paths(seed: int) -> None:
    model, frames, graph = _case(seed)
    best, _ = max(_paths(model, frames, graph), key=lambda way: way[1])
    assert model.best_path(frames, graph).tolist() == best


@pytest.mark.parametrize("seed", range(5))
def test_forward_backward_sums_over_all_paths(seed: int) -> None:
    model, frames, graph = _case(seed)
    found = model.posteriors(frames, graph)
    ways = [(path, score) for path, score in _paths(model, frames, graph) if np.isfinite(score)]
    total = np.logaddexp.reduce([score for _, score in ways])
    occupancy, loops = np.zeros_like(found.occupancy), np.zeros_like(found.loops)
    for path, score in ways:
        share = np.exp(score - total)
        occupancy[np.arange(len(path)), path] += share
        for a, b in pairwise(path):
            loops[a] += share * (a == b)
    assert found.log_likelihood == pytest.approx(total, abs=1e-5)
    np.testing.assert_allclose(found.occupancy, occupancy, atol=1e-6)
    np.testing.assert_allclose(found.loops, loops, atol=1e-6)


def test_alpha_times_beta_is_the_likelihood_at_every_frame() -> None:
    rng = np.random.default_rng(0)
    model, graph = _random_model(rng), utterance_graph([[[1, 2], [2]], [[3]]])
    emissions, columns = model._emissions(rng.normal(size=(30, 3)).astype(np.float32), graph)
    loops, arcs, finals = model._transitions(graph)
    links = (graph.arc_offsets, graph.arc_sources, arcs)
    alpha = kernels.forward(emissions, columns, loops, *links, graph.start_log_probs)
    beta = kernels.backward(emissions, columns, loops, *links, finals)
    totals = np.logaddexp.reduce(alpha + beta, axis=1)
    np.testing.assert_allclose(totals, totals[0], rtol=1e-10)


def test_the_gradient_of_the_likelihood_by_the_emissions_is_the_posterior() -> None:
    rng = np.random.default_rng(1)
    model, graph = _random_model(rng), utterance_graph([[[1], [2]], [[1]]])
    frames = rng.normal(size=(20, 3)).astype(np.float32)
    N = len(graph.states)
    loops, arcs, finals = model._transitions(graph)
    matrix = np.full((N, N), -np.inf)
    matrix[np.arange(N), np.arange(N)] = loops
    targets = np.repeat(np.arange(N), np.diff(graph.arc_offsets))
    matrix[graph.arc_sources, targets] = arcs
    densities = model.gmm.log_likelihoods(frames, graph.states).astype(np.float64)
    emissions = torch.tensor(densities, requires_grad=True)
    # In probabilities, scaled at each frame: autograd of log-sum-exp over -inf would be nan.
    scale = emissions.detach().max(dim=1, keepdim=True).values
    density = (emissions - scale).exp()
    alpha = torch.tensor(np.exp(graph.start_log_probs)) * density[0]
    for row in density[1:]:
        alpha = (alpha @ torch.tensor(np.exp(matrix))) * row
    total = (alpha * torch.tensor(np.exp(finals))).sum().log() + scale.sum()
    total.backward()  # type: ignore[no-untyped-call]
    found = model.posteriors(frames, graph)
    assert emissions.grad is not None
    assert found.log_likelihood == pytest.approx(float(total.detach()), abs=1e-4)
    np.testing.assert_allclose(found.occupancy, emissions.grad.numpy(), atol=1e-6)


def test_log_sum_exp_of_groups_equals_torch_even_for_huge_values() -> None:
    rng = np.random.default_rng(2)
    values = (rng.normal(size=(5, 12)) * 300.0).astype(np.float32)
    expected = torch.tensor(values).view(5, 4, 3).logsumexp(dim=2).numpy()
    bounds = np.array([0, 3, 6, 9, 12], np.int32)
    np.testing.assert_allclose(kernels.log_sum_exp_groups(values, bounds), expected, rtol=1e-6)


@pytest.mark.parametrize("T", [1, 2])
def test_no_path_fits_when_there_are_fewer_frames_than_states(T: int) -> None:
    chain = np.arange(3, dtype=np.int32)
    starts, finals = np.array([0.0, -np.inf, -np.inf]), np.array([-np.inf, -np.inf, 0.0])
    links = (np.array([0, 0, 1, 2], np.int32), chain[:2], np.zeros(2))
    emissions = np.zeros((T, 3), np.float32)
    _, total = kernels.viterbi(emissions, chain, np.zeros(3), *links, starts, finals)
    assert total == -np.inf
