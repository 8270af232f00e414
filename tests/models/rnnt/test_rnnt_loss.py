"""The transducer loss beside the sum over all alignments, written out."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from steno_models.rnnt.loss import Lattice, lattice_loss, occupancy, transducer_loss

torch.set_num_threads(1)


def enumerated(logits: Tensor, target: list[int]) -> Tensor:
    """−ln p(target | logits) of one utterance, (T, U + 1, V), by enumeration.

    An alignment is T + U arcs, of which U are labels; the last one is a blank.
    """
    T, U = len(logits), len(target)
    log_probs = logits.log_softmax(-1)
    ways = []
    for places in combinations(range(T + U - 1), U):
        t = u = 0
        way = logits.new_zeros(())
        for place in range(T + U):
            if place in places:
                way = way + log_probs[t, u, target[u]]
                u += 1
            else:
                way = way + log_probs[t, u, 0]
                t += 1
        ways.append(way)
    return -torch.logsumexp(torch.stack(ways), 0)


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, dtype=torch.float64, generator=generator)


def loss_of_one(logits: Tensor, target: list[int]) -> Tensor:
    targets = torch.tensor([target], dtype=torch.int32).view(1, -1)
    return transducer_loss(
        logits[None], targets, torch.tensor([len(logits)]), torch.tensor([len(target)])
    )[0]


@settings(deadline=None, max_examples=40)
@given(
    steps=st.integers(1, 5),
    target=st.lists(st.integers(1, 3), max_size=4),
    seed=st.integers(0, 1000),
)
def test_loss_and_gradient_are_those_of_the_sum_over_all_alignments(
    steps: int, target: list[int], seed: int
) -> None:
    logits = random_logits(steps, len(target) + 1, 4, seed=seed).requires_grad_()
    other = logits.detach().clone().requires_grad_()
    loss, expected = loss_of_one(logits, target), enumerated(other, target)
    torch.testing.assert_close(loss, expected, atol=1e-10, rtol=1e-10)
    (found,) = torch.autograd.grad(loss, logits)
    (wanted,) = torch.autograd.grad(expected, other)
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-10)


LENGTHS = torch.tensor([5, 3, 1, 4])
TARGETS = torch.tensor([[1, 2, 2], [3, 1, 0], [2, 0, 0], [0, 0, 0]])
TARGET_LENGTHS = torch.tensor([3, 2, 1, 0])


def test_the_gradient_of_a_ragged_batch_is_exact() -> None:
    logits = random_logits(4, 5, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: transducer_loss(z, TARGETS, LENGTHS, TARGET_LENGTHS), (logits,)
    )


def test_the_gradient_of_a_lattice_is_exact_for_both_kinds_of_arcs() -> None:
    arcs = random_logits(4, 5, 4, 4).log_softmax(-1)
    blank, label = (arcs[..., i].clone().requires_grad_() for i in (0, 1))
    assert torch.autograd.gradcheck(
        lambda b, y: lattice_loss(Lattice(b, y, LENGTHS, TARGET_LENGTHS)), (blank, label)
    )


def test_an_utterance_costs_the_same_alone_and_beside_others() -> None:
    logits = random_logits(4, 5, 4, 4).requires_grad_()
    losses = transducer_loss(logits, TARGETS, LENGTHS, TARGET_LENGTHS)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    for b, (T, U) in enumerate(zip(LENGTHS.tolist(), TARGET_LENGTHS.tolist(), strict=True)):
        alone = logits[b, :T, : U + 1].detach().clone().requires_grad_()
        loss = loss_of_one(alone, TARGETS[b, :U].tolist())
        torch.testing.assert_close(loss, losses[b])
        (wanted,) = torch.autograd.grad(loss, alone)
        torch.testing.assert_close(gradient[b, :T, : U + 1], wanted)
        assert not gradient[b, T:].any()
        assert not gradient[b, :, U + 1 :].any()


def test_all_ways_leave_every_step_by_one_blank_and_pass_every_label_once() -> None:
    logits = random_logits(4, 5, 4, 4).log_softmax(-1)
    found = occupancy(Lattice(logits[..., 0], logits[..., 1], LENGTHS, TARGET_LENGTHS))
    steps = torch.arange(5) < LENGTHS[:, None]
    torch.testing.assert_close(found.blank.sum(2), steps.double())
    labels = torch.arange(4) < TARGET_LENGTHS[:, None]
    torch.testing.assert_close(found.label.sum(1), labels.double())


def test_an_utterance_without_steps_counts_nothing() -> None:
    logits = random_logits(2, 3, 3, 4).requires_grad_()
    lengths, targets = torch.tensor([3, 0]), torch.tensor([[1, 2], [1, 2]])
    losses = transducer_loss(logits, targets, lengths, torch.tensor([2, 2]))
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert losses[1] == 0
    assert losses[0] > 0
    assert not gradient[1].any()
    assert gradient[0].any()


def test_fast_emit_adds_to_the_gradient_of_labels_alone() -> None:
    logits = random_logits(4, 5, 4, 4).requires_grad_()
    arguments = (TARGETS, LENGTHS, TARGET_LENGTHS)
    plain = transducer_loss(logits, *arguments)
    early = transducer_loss(logits, *arguments, fast_emit=0.3)
    torch.testing.assert_close(plain, early, rtol=0, atol=0)
    (found,) = torch.autograd.grad(early.sum(), logits)
    # The same by what it means: the labels' log probabilities, weighed by how likely their arcs
    # are to be used, count 0.3 times more.
    log_probs = logits.log_softmax(-1)
    tokens = torch.nn.functional.pad(TARGETS, (0, 1))[:, None, :, None].expand(4, 5, 4, 1)
    label = log_probs.gather(-1, tokens).squeeze(-1)
    used = occupancy(
        Lattice(log_probs[..., 0].detach(), label.detach(), LENGTHS, TARGET_LENGTHS)
    ).label
    (wanted,) = torch.autograd.grad(
        transducer_loss(logits, *arguments).sum() - 0.3 * (used * label).sum(), logits
    )
    torch.testing.assert_close(found, wanted)


def test_half_precision_logits_lose_no_more_than_their_own_rounding() -> None:
    logits = random_logits(4, 5, 4, 4).bfloat16().requires_grad_()
    exact = logits.detach().double().requires_grad_()
    arguments = (TARGETS, LENGTHS, TARGET_LENGTHS)
    losses, wanted = transducer_loss(logits, *arguments), transducer_loss(exact, *arguments)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses.double(), wanted, rtol=1e-5, atol=1e-5)
    (found,) = torch.autograd.grad(losses.sum(), logits)
    (wanted_gradient,) = torch.autograd.grad(wanted.sum(), exact)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), wanted_gradient, rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("logits", "lengths", "message"),
    [
        ((2, 5, 4, 4), 4, "expected 4|found targets of shape"),
        ((4, 5, 5, 4), 4, "at most 4 columns for targets of up to 3 labels, found 5"),
        ((4, 5, 4, 4), 3, r"expected lengths of shape \(4,\), found \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    logits: tuple[int, ...], lengths: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        transducer_loss(random_logits(*logits), TARGETS, LENGTHS[:lengths], TARGET_LENGTHS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_the_same() -> None:
    logits = random_logits(4, 5, 4, 4).requires_grad_()
    there = logits.detach().cuda().requires_grad_()
    arguments = (TARGETS, LENGTHS, TARGET_LENGTHS)
    here = transducer_loss(logits, *arguments)
    losses = transducer_loss(there, *(each.cuda() for each in arguments))
    torch.testing.assert_close(losses.cpu(), here)
    (found,) = torch.autograd.grad(losses.sum(), there)
    (wanted,) = torch.autograd.grad(here.sum(), logits)
    torch.testing.assert_close(found.cpu(), wanted)
