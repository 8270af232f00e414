"""CTC-CRF's partition function, against the enumeration of all paths and finite differences."""

from collections.abc import Iterator
from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from steno_models.ctc.crf import LabelLm, log_partition, transcribe


def _table(V: int, seed: int) -> Tensor:
    """Return p(q | a, b), (V, V, V), of a random trigram that never predicts the start."""
    logits = torch.randn(
        V, V, V, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    logits[:, :, 0] = -torch.inf
    return logits.softmax(-1)


def _lm(table: Tensor) -> LabelLm:
    lm = LabelLm.of_table(table)
    return LabelLm(lm.other.double(), lm.again.double())


def _paths(log_probs: Tensor, table: Tensor) -> Iterator[tuple[list[int], Tensor]]:
    """Yield the labels and the weight of each of the V ** S paths of one recording, (S, V)."""
    S, V = log_probs.shape
    for path in product(range(V), repeat=S):
        p = log_probs[range(S), list(path)].sum().exp()
        labels = [label for label, _ in groupby(path) if label]
        for a, b, label in zip([0, 0, *labels], [0, *labels], labels, strict=False):
            p = p * table[a, b, label]
        yield labels, p


def _enumerated(log_probs: Tensor, table: Tensor) -> Tensor:
    """Return ln Z of one recording, (S, V), by going through its V ** S paths."""
    return torch.stack([p for _, p in _paths(log_probs, table)]).sum().log()


def _log_probs(B: int, S: int, V: int) -> Tensor:
    generator = torch.Generator().manual_seed(B * 100 + S)
    return torch.randn(B, S, V, dtype=torch.float64, generator=generator).log_softmax(-1)


@pytest.mark.parametrize(("S", "V"), [(1, 3), (4, 3), (5, 4)])
def test_it_is_the_sum_over_all_paths(S: int, V: int) -> None:
    log_probs, table = _log_probs(3, S, V), _table(V, 7).float().double()
    lengths = torch.tensor([S, max(1, S - 1), 1])
    found = log_partition(log_probs, lengths, _lm(table))
    wanted = [_enumerated(one[:n], table) for one, n in zip(log_probs, lengths, strict=True)]
    torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-6, atol=1e-6)


def test_its_gradient_is_that_of_finite_differences() -> None:
    log_probs, lm = _log_probs(2, 4, 3).requires_grad_(), _lm(_table(3, 1))
    lengths = torch.tensor([4, 2])
    assert torch.autograd.gradcheck(lambda x: log_partition(x, lengths, lm), (log_probs,))


def test_posteriors_sum_to_one_at_each_step_and_vanish_behind_the_end() -> None:
    log_probs = _log_probs(2, 50, 9).requires_grad_()
    lengths = torch.tensor([50, 31])
    log_partition(log_probs, lengths, _lm(_table(9, 2))).sum().backward()  # type: ignore[no-untyped-call]
    assert log_probs.grad is not None
    live = torch.arange(50)[None] < lengths[:, None]
    torch.testing.assert_close(log_probs.grad.sum(-1), live.double())


def test_long_recordings_neither_underflow_nor_overflow() -> None:
    log_probs = (_log_probs(1, 3000, 5).float() * 8).requires_grad_()
    total = log_partition(log_probs, torch.tensor([3000]), LabelLm.of_table(_table(5, 3)))
    total.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(total).all()
    assert log_probs.grad is not None
    assert torch.isfinite(log_probs.grad).all()


def test_whatever_is_certain_costs_its_language_model_alone() -> None:
    """With one path possible, ln Z is that path's ln p under the language model."""
    table = _table(4, 5).float().double()
    path = [1, 1, 0, 1, 2, 0]
    log_probs = torch.full((1, len(path), 4), -60.0, dtype=torch.float64)
    log_probs[0, range(len(path)), path] = 0.0
    found = log_partition(log_probs, torch.tensor([len(path)]), _lm(table))
    wanted = (table[0, 0, 1] * table[0, 1, 1] * table[1, 1, 2]).log()
    torch.testing.assert_close(found[0], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_likeliest_path_is_the_best_of_all(seed: int) -> None:
    """Labels may win by one path where others have more weight in all: Viterbi, not the sum."""
    log_probs, table = _log_probs(2, 5, 4) * (1 + seed), _table(4, seed).float().double()
    lengths = torch.tensor([5, 3])
    found = transcribe(log_probs, lengths, _lm(table))
    for labels, one, n in zip(found, log_probs, lengths, strict=True):
        paths = list(_paths(one[:n], table))
        best = max(float(p) for _, p in paths)
        assert any(labels == wanted and p > best * (1 - 1e-9) for wanted, p in paths)


def test_a_label_said_twice_needs_a_blank_between() -> None:
    log_probs = torch.full((1, 5, 3), -40.0)
    log_probs[0, range(5), [1, 1, 0, 1, 2]] = 0.0
    lm = LabelLm.of_table(_table(3, 1))
    assert transcribe(log_probs, torch.tensor([5]), lm) == [[1, 1, 2]]
