"""The criterion of whole sequences against trying every path."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from steno_models.hmm.hybrid.data import NO_LABEL
from steno_models.hmm.hybrid.sequence import Criterion, StateBigram, in_order
from steno_models.types import IntArray

torch.set_num_threads(1)

A = 3
RECORDINGS = [
    np.array([0, 0, 1, 1, 2, 0], np.int32),
    np.array([0, 2, 2, 1], np.int32),
    np.array([1, 2, 2, 0, 0], np.int32),
]
STAYS = np.array([0.3, 0.6, 0.5])


def _criterion(scale: float = 0.7) -> Criterion:
    bigram = StateBigram.of(RECORDINGS, STAYS)
    priors = torch.log(torch.tensor([0.5, 0.2, 0.3]))
    return Criterion(bigram, bigram.everything(), priors, scale)


def _log_weight(path: tuple[int, ...], bigram: StateBigram) -> float:
    """Return ln p(path): its states, how long each lasts, and both edges."""
    order = in_order(np.array(path, np.int32)).tolist()
    pairs = pairwise([A, *order, A])
    total = sum(bigram.log_probs.get(pair, -np.inf) for pair in pairs)
    total += sum(np.log(STAYS[b]) for a, b in pairwise(path) if a == b)
    return float(total + sum(np.log1p(-STAYS[state]) for state in order))


def _tried(likely: Tensor, order: IntArray, bigram: StateBigram) -> Tensor:
    """Return F of one utterance, every path of (S, A) scaled log-likelihoods tried."""
    S = len(likely)
    every, said = [], []
    for path in product(range(A), repeat=S):
        weight = _log_weight(path, bigram)
        if np.isfinite(weight):
            score = likely[torch.arange(S), torch.tensor(path)].sum() + weight
            every.append(score)
            if in_order(np.array(path, np.int32)).tolist() == order.tolist():
                said.append(score)
    return torch.logsumexp(torch.stack(said), 0) - torch.logsumexp(torch.stack(every), 0)


def test_the_criterion_and_its_gradient_are_those_of_all_paths_tried() -> None:
    criterion = _criterion()
    logits = torch.randn(2, 5, A, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 0, 1, 2, 0], [0, 2, 1, NO_LABEL, NO_LABEL]])
    orders = [np.array([0, 1, 2, 0], np.int32), np.array([0, 2, 1], np.int32)]
    first, second = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    found = criterion(first, labels, orders)
    likely = (second.log_softmax(-1) - criterion.log_priors) * criterion.scale
    tried = [_tried(likely[i, :S], orders[i], criterion.bigram) for i, S in enumerate((5, 3))]
    expected = -torch.stack(tried).sum() / 8
    assert found.item() == pytest.approx(float(expected.detach()), rel=1e-4)
    found.backward()  # type: ignore[no-untyped-call]
    expected.backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None
    assert second.grad is not None
    np.testing.assert_allclose(first.grad.numpy(), second.grad.numpy(), atol=1e-5)


def test_what_was_said_never_outweighs_everything() -> None:
    criterion = _criterion()
    for seed in range(10):
        logits = 5 * torch.randn(1, 6, A, generator=torch.Generator().manual_seed(seed))
        loss = criterion(logits, torch.zeros(1, 6, dtype=torch.long), [RECORDINGS[1][[0, 1, 3]]])
        assert loss.item() >= -1e-6


def test_utterances_without_a_path_count_nothing() -> None:
    criterion = _criterion()
    labels = torch.zeros(2, 2, dtype=torch.long)
    logits = torch.zeros(2, 2, A, requires_grad=True)
    unmet, too_long = np.array([1, 0], np.int32), np.array([0, 1, 2, 0], np.int32)
    loss = criterion(logits, labels, [unmet, too_long])
    assert loss.item() == 0.0
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad.any()


def test_probabilities_of_what_follows_sum_to_one() -> None:
    bigram = StateBigram.of(RECORDINGS, STAYS)
    for before in range(A + 1):
        following = [p for (first, _), p in bigram.log_probs.items() if first == before]
        assert np.exp(following).sum() == pytest.approx(1.0)
