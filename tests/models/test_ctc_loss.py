"""The CTC loss beside the sum over all alignments, written out."""

from collections.abc import Sequence
from itertools import groupby, pairwise, product
from math import log, prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from steno_models.ctc.crf import LabelLm
from steno_models.ctc.loss import (
    NO_LABEL,
    Targets,
    TrainingCtc,
    Weights,
    ctc_loss,
    frame_loss,
    parts,
    weighted,
)
from steno_models.ctc.model import CtcModel
from steno_models.encoders.conformer import ConformerOptions, Context

torch.set_num_threads(1)

TINY = ConformerOptions(
    width=8, layers=2, heads=2, feed_forward=8, kernel=3, subsampling_channels=2, dropout=0.0
)


def all_alignments(steps: int, tokens: int, target: Sequence[int]) -> list[tuple[int, ...]]:
    """Every path of `steps` tokens that gives `target` once repeats and blanks are taken out."""
    return [
        path
        for path in product(range(tokens), repeat=steps)
        if [token for token, _ in groupby(path) if token] == list(target)
    ]


def enumerated(logits: Tensor, target: Sequence[int]) -> Tensor:
    """−ln p(target | logits) of one utterance, (S, V), by enumeration."""
    S, V = logits.shape
    paths = torch.tensor(all_alignments(S, V, target)).view(-1, S)
    log_probs = logits.double().log_softmax(-1)
    return -torch.logsumexp(log_probs[torch.arange(S), paths].sum(1), dim=0)


def loss_of_one(logits: Tensor, target: Sequence[int]) -> Tensor:
    return ctc_loss(
        logits[None],
        torch.tensor([len(logits)]),
        torch.tensor([list(target)], dtype=torch.int32).view(1, -1),
        torch.tensor([len(target)]),
    )


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(0, 2, shape), dtype=torch.float32)


@pytest.mark.parametrize("target", [(), (1,), (1, 2), (1, 1), (2, 2, 1), (1, 2, 1, 2, 1)], ids=str)
def test_loss_and_gradient_are_those_of_the_sum_over_all_alignments(
    target: tuple[int, ...],
) -> None:
    logits = random_logits(5, 3, seed=len(target)).requires_grad_()
    other = logits.detach().clone().requires_grad_()
    loss, expected = loss_of_one(logits, target), enumerated(other, target) / 5
    torch.testing.assert_close(loss, expected.float(), atol=1e-5, rtol=1e-5)
    (found,) = torch.autograd.grad(loss, logits)
    (wanted,) = torch.autograd.grad(expected, other)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=25)
@given(
    target=st.lists(st.integers(1, 2), max_size=4),
    spare=st.integers(0, 2),
    seed=st.integers(0, 1000),
)
def test_any_target_that_fits_has_the_enumerated_loss(
    target: list[int], spare: int, seed: int
) -> None:
    between_repeats = sum(a == b for a, b in pairwise(target))
    logits = random_logits(max(1, len(target) + between_repeats + spare), 3, seed=seed)
    expected = enumerated(logits, target) / len(logits)
    torch.testing.assert_close(loss_of_one(logits, target), expected.float(), atol=1e-5, rtol=1e-4)


def test_a_target_that_does_not_fit_counts_nothing_and_pulls_nowhere() -> None:
    assert all_alignments(3, 3, (1, 1, 2)) == []
    logits = random_logits(3, 3).requires_grad_()
    loss = loss_of_one(logits, (1, 1, 2))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0.0
    assert not gradient.any()


def test_a_batch_is_the_sum_over_its_utterances_by_step() -> None:
    logits = random_logits(2, 5, 3)
    targets = torch.tensor([[1, 2, 2], [2, 0, 0]], dtype=torch.int32)
    lengths = torch.tensor([5, 3], dtype=torch.int32)
    loss = ctc_loss(logits, lengths, targets, torch.tensor([3, 1], dtype=torch.int32))
    expected = (enumerated(logits[0], (1, 2, 2)) + enumerated(logits[1, :3], (2,))) / 8
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_padding_does_not_change_the_loss() -> None:
    logits = random_logits(2, 5, 3)
    args = (torch.tensor([5, 3]), torch.tensor([[1, 2], [2, 0]]), torch.tensor([2, 1]))
    expected = ctc_loss(logits, *args)
    padded = torch.cat([logits, random_logits(2, 4, 3, seed=1)], dim=1)
    padded[1, 3:] = 100.0
    assert ctc_loss(padded, *args).item() == pytest.approx(expected.item(), abs=1e-6)


def test_it_is_the_loss_that_pytorch_sums_up() -> None:
    logits = random_logits(3, 20, 40, seed=4)
    targets, lengths = torch.randint(1, 40, (3, 8)), torch.tensor([20, 18, 17])
    target_lengths = torch.tensor([8, 7, 0])
    oracle = torch.nn.CTCLoss(reduction="none")(
        logits.log_softmax(-1).transpose(0, 1), targets, lengths, target_lengths
    )
    loss = ctc_loss(logits, lengths, targets, target_lengths)
    assert loss.item() == pytest.approx(oracle.sum().item() / 55, rel=1e-6)


def test_the_frame_loss_is_smoothed_cross_entropy_over_labelled_steps() -> None:
    logits = random_logits(1, 3, 4)
    loss = frame_loss(logits, torch.tensor([[2, NO_LABEL, 0]]))
    p = logits[0].double().log_softmax(-1)
    smoothed = [-(0.95 * p[s, label] + 0.05 * p[s].mean()) for s, label in ((0, 2), (2, 0))]
    assert loss.item() == pytest.approx(float(sum(smoothed)) / 2, rel=1e-5)


def test_without_a_labelled_step_the_frame_loss_is_nothing() -> None:
    logits = random_logits(1, 3, 4).requires_grad_()
    loss = frame_loss(logits, torch.full((1, 3), NO_LABEL))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0.0
    assert not gradient.any()


def test_the_whole_loss_is_the_weighted_sum_of_its_parts() -> None:
    torch.manual_seed(0)
    model = TrainingCtc(CtcModel(TINY, 5))
    lengths = torch.tensor([4])
    logits = model(random_logits(1, 19, 80), lengths, Context(2, 2))
    targets = Targets(
        torch.tensor([[1, 2]]), torch.tensor([2]), torch.tensor([[0, 1, 2, NO_LABEL]])
    )
    found = parts(logits, lengths, targets)
    assert list(found) == ["ctc", "middle_ctc", "frame", "middle_frame"]
    total = weighted(found, Weights(ctc=1.0, middle_ctc=0.5, frame=0.25, middle_frame=0.0))
    values = {name: part.item() for name, part in found.items()}
    expected = values["ctc"] + 0.5 * values["middle_ctc"] + 0.25 * values["frame"]
    assert total.item() == pytest.approx(expected, rel=1e-6)
    unlabelled = Targets(targets.tokens, targets.token_lengths)
    assert list(parts(logits, lengths, unlabelled)) == ["ctc", "middle_ctc"]


def _log_sum_of_paths(logits: Tensor, prior: dict[int, float]) -> float:
    """Return ln of the sum over all paths, each weighed by the prior of its labels, (S, V)."""
    log_probs = logits.detach().double().log_softmax(-1)
    total = 0.0
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        weight = prod(prior[label] for label, _ in groupby(path) if label)
        total += weight * float(log_probs[range(len(path)), list(path)].sum().exp())
    return log(total)


def test_with_a_model_of_labels_ctc_becomes_ctc_crf() -> None:
    table = torch.zeros(3, 3, 3)
    table[..., 1], table[..., 2] = 0.7, 0.3
    logits, lengths = random_logits(2, 5, 3).requires_grad_(), torch.tensor([5, 3])
    every = {"ctc": logits, "middle_ctc": logits}
    targets = Targets(
        torch.tensor([[1, 2], [2, 0]]), torch.tensor([2, 1]), lm=LabelLm.of_table(table)
    )
    found = parts(every, lengths, targets)
    expected = sum(
        _log_sum_of_paths(row[:S], {1: 0.7, 2: 0.3})
        for row, S in zip(logits, lengths.tolist(), strict=True)
    )
    assert found["crf"].item() == pytest.approx(expected / 8, abs=1e-5)
    assert weighted(found, Weights(crf=2.0)).item() == pytest.approx(
        2 * found["ctc"].item() + 2 * found["crf"].item() + 0.6 * found["middle_ctc"].item()
    )
