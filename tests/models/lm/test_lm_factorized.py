"""Factors of counts against the singular value decomposition, and their view as a network."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from steno_models.errors import ConfigError
from steno_models.lm.factorized.counts import PairCounts
from steno_models.lm.factorized.loss import SquaredError, Transform, transformed
from steno_models.lm.factorized.model import Factors, SmoothedPairs

torch.set_num_threads(1)

V = 9


def _stream() -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    rng = np.random.default_rng(2)
    words = rng.choice(np.arange(1, V), 600, p=np.arange(8, 0, -1) / 36)
    return np.where(np.arange(600) % 7 == 6, 0, words).astype(np.int32)


def test_pairs_are_counted_within_sentences() -> None:
    stream = _stream()
    counts = PairCounts.of_text(stream, V, order=3, least=4)
    pairs = Counter(zip(stream[:-1].tolist(), stream[1:].tolist(), strict=True))
    triples = Counter(
        (a, b, c)
        for a, b, c in zip(*(x.tolist() for x in (stream, stream[1:], stream[2:])), strict=False)
        if b != 0
    )
    dense = counts.dense()
    histories = [tuple(u for u in row if u >= 0) for row in counts.histories.tolist()]
    for history, row in zip(histories, dense, strict=True):
        wanted = pairs if len(history) == 1 else triples
        assert row.tolist() == [wanted[*history, w] for w in range(V)]
        assert row.sum() >= 4
    often = Counter((a, b) for a, b, _ in triples.elements())
    assert {h for h in histories if len(h) == 2} == {h for h, n in often.items() if n >= 4}


@pytest.mark.parametrize(("transform", "zero_weight"), [("log", 1.0), ("none", 0.3)])
def test_the_sparse_sum_is_the_dense_one(transform: Transform, zero_weight: float) -> None:
    counts = PairCounts.of_text(_stream(), V, order=3, least=2)
    error = SquaredError.of_counts(counts, transform, zero_weight)
    torch.manual_seed(1)
    model = Factors(len(counts), V, 3)
    rows = torch.tensor([4, 0, 11])
    dense = torch.from_numpy(counts.dense())[rows]
    weights = torch.where(dense > 0, 1.0, zero_weight)
    wanted = (weights * (transformed(dense, transform) - model(rows)).square()).sum()
    found = error(rows, model.histories(rows), model.words.weight)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_gradient_descent_reaches_the_optimum_of_the_decomposition() -> None:
    counts = PairCounts.of_text(_stream(), V, order=2, least=1)
    error = SquaredError.of_counts(counts, "log", 1.0)
    singular = np.linalg.svd(np.log1p(counts.dense()), compute_uv=False)
    optimum = float((singular[3:] ** 2).sum())
    torch.manual_seed(1)
    model = Factors(len(counts), V, 3)
    rows = torch.arange(len(counts))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    reached = float("inf")
    for step in range(600):
        optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / 600)
        optimiser.zero_grad()
        loss = error(rows, model.histories(rows), model.words.weight)
        torch.autograd.backward(loss)
        optimiser.step()
        reached = float(loss.detach())
    assert optimum * (1 - 1e-4) <= reached <= optimum * 1.005


def test_it_is_a_network_of_one_linear_hidden_layer() -> None:
    torch.manual_seed(1)
    model = Factors(5, V, 3)
    first, second = nn.Linear(5, 3, bias=False), nn.Linear(3, V, bias=False)
    network = nn.Sequential(first, second)
    with torch.no_grad():
        first.weight.copy_(model.histories.weight.T)
        second.weight.copy_(model.words.weight)
    target = torch.rand(5, V)
    losses = [
        (target - model(torch.arange(5))).square().sum(),
        (target - network(torch.eye(5))).square().sum(),
    ]
    for loss in losses:
        torch.autograd.backward(loss)
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    hidden, wanted = model.histories.weight.grad, first.weight.grad
    assert hidden is not None
    assert wanted is not None
    assert torch.allclose(hidden.T, wanted, atol=1e-5)


def test_unseen_pairs_are_more_likely_where_alike_histories_had_them() -> None:
    # After 1 and after 2 came 3 to 6 alike, but 6 never after 2, where 7 is as rare in all.
    pairs = [(1, w) for w in (3, 4, 5, 6)] * 5 + [(2, w) for w in (3, 4, 5)] * 5 + [(8, 7)] * 5
    stream = np.array([x for a, b in pairs for x in (a, b, 0)], np.int32)
    counts = PairCounts.of_text(stream, V, order=2, least=1)
    left, singular, right = np.linalg.svd(np.log1p(counts.dense()))
    factors = Factors(len(counts), V, 3).requires_grad_(requires_grad=False)
    factors.histories.weight.copy_(torch.from_numpy(left[:, :3] * singular[:3]))
    factors.words.weight.copy_(torch.from_numpy(right[:3].T))
    smoothed = SmoothedPairs(factors, counts, transform="log", share=0.5).probs((2,))
    plain = SmoothedPairs(factors, counts, transform="log", share=0.0).probs((2,))
    assert plain[6] == pytest.approx(plain[7])
    assert smoothed[6] > 1.3 * smoothed[7]
    assert smoothed.sum() == pytest.approx(1.0)


def test_histories_too_rare_for_a_vector_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected histories that occur 99 times, found none"):
        PairCounts.of_text(_stream()[:20], V, order=2, least=99)


def test_counts_are_values() -> None:
    counts = PairCounts.of_text(_stream(), V, order=2, least=1)
    assert len(replace(counts, histories=counts.histories[:2])) == 2
