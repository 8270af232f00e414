"""The pruned transducer loss beside the whole one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from steno_models.rnnt.loss import Window, transducer_loss, windowed_loss
from steno_models.rnnt.pruned import Simple, prune, simple_loss, take_columns

torch.set_num_threads(1)

LENGTHS = torch.tensor([6, 3, 2, 4])
TARGETS = torch.tensor([[1, 2, 2, 4], [3, 1, 0, 0], [2, 4, 1, 0], [0, 0, 0, 0]])
TARGET_LENGTHS = torch.tensor([4, 2, 3, 0])


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, dtype=torch.float64, generator=generator)


def simple(seed: int = 0) -> Simple:
    return Simple(random(4, 6, 5, seed=seed), random(4, 5, 5, seed=seed + 1))


def test_the_adding_joiner_is_a_joiner_that_adds() -> None:
    parts = simple()
    parts.encoder.requires_grad_()
    parts.predictor.requires_grad_()
    inputs = (parts.encoder, parts.predictor)
    arguments = (TARGETS, LENGTHS, TARGET_LENGTHS)
    losses = simple_loss(parts, *arguments)
    whole = transducer_loss(parts.encoder[:, :, None] + parts.predictor[:, None], *arguments)
    torch.testing.assert_close(losses, whole)
    found = torch.autograd.grad(losses.sum(), inputs)
    wanted = torch.autograd.grad(whole.sum(), inputs)
    torch.testing.assert_close(found, wanted)


def test_its_gradient_is_exact() -> None:
    assert torch.autograd.gradcheck(
        lambda e, p: simple_loss(Simple(e, p), TARGETS, LENGTHS, TARGET_LENGTHS),
        (simple().encoder.requires_grad_(), simple().predictor.requires_grad_()),
    )


def test_logits_far_apart_stay_finite() -> None:
    far = torch.full((1, 2, 3), -500.0)
    encoder, predictor = far.clone(), far[:, :1].clone()
    encoder[..., 0] = predictor[..., 1] = 500.0
    losses = simple_loss(
        Simple(encoder, predictor),
        torch.zeros(1, 0, dtype=torch.int32),
        torch.tensor([2]),
        torch.tensor([0]),
    )
    assert losses.isfinite().all()


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), columns=st.integers(2, 6), spread=st.floats(0.1, 10))
def test_windows_overlap_and_climb_from_no_label_to_all(
    seed: int, columns: int, spread: float
) -> None:
    parts = Simple(spread * simple(seed).encoder, spread * simple(seed).predictor)
    window, S = prune(parts, TARGETS, LENGTHS, TARGET_LENGTHS, columns)
    assert min(max(columns, 3), 5) == S  # the third target needs three columns
    assert not window.begin[:, 0].any()
    climb = window.begin.diff(dim=1)
    assert ((climb >= 0) & (climb <= S - 1)).all()
    for begin, T, U in zip(window.begin, LENGTHS, TARGET_LENGTHS, strict=True):
        assert begin[T - 1] == max(0, int(U) + 1 - S)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), columns=st.integers(2, 5))
def test_the_loss_of_windows_is_the_whole_one_with_all_else_impossible(
    seed: int, columns: int
) -> None:
    window, S = prune(simple(seed), TARGETS, LENGTHS, TARGET_LENGTHS, columns)
    logits = random(4, 6, 5, 5, seed=seed).requires_grad_()
    rows, steps = torch.arange(4).view(-1, 1, 1), torch.arange(6).view(1, -1, 1)
    column = window.begin[..., None] + torch.arange(S)
    inside = torch.zeros(4, 6, 5, dtype=torch.bool)
    inside[rows, steps, column] = True
    losses = windowed_loss(logits[rows, steps, column], TARGETS, window)
    # A way that enters a cell outside has to go through one of its arcs.
    log_probs = logits.log_softmax(-1).masked_fill(~inside[..., None], -1e9)
    tokens = torch.nn.functional.pad(TARGETS, (0, 1))[:, None, :, None].expand(4, 6, 5, 1)
    wanted = brute(log_probs[..., 0], log_probs.gather(-1, tokens).squeeze(-1))
    torch.testing.assert_close(losses, wanted)
    (found,) = torch.autograd.grad(losses.sum(), logits)
    (expected,) = torch.autograd.grad(wanted.sum(), logits)
    torch.testing.assert_close(found, expected)
    assert (losses >= transducer_loss(logits, TARGETS, LENGTHS, TARGET_LENGTHS) - 1e-9).all()


def brute(blank: Tensor, label: Tensor) -> Tensor:
    """−ln p of the four targets by the recursion, cell by cell, for autograd to differentiate."""
    losses = []
    for b, (T, U) in enumerate(zip(LENGTHS.tolist(), TARGET_LENGTHS.tolist(), strict=True)):
        alpha = {(0, 0): blank.new_zeros(())}
        for t in range(T):
            for u in range(U + 1):
                ways = []
                if t:
                    ways.append(alpha[t - 1, u] + blank[b, t - 1, u])
                if u:
                    ways.append(alpha[t, u - 1] + label[b, t, u - 1])
                if ways:
                    alpha[t, u] = torch.logsumexp(torch.stack(ways), 0)
        losses.append(-(alpha[T - 1, U] + blank[b, T - 1, U]))
    return torch.stack(losses)


def test_windows_over_everything_lose_nothing() -> None:
    window, S = prune(simple(), TARGETS, LENGTHS, TARGET_LENGTHS, 20)
    assert S == 5
    assert not window.begin.any()
    encoder, predictor = random(4, 6, 7), random(4, 5, 7, seed=1)
    torch.testing.assert_close(
        take_columns(predictor, window, S), predictor[:, None].expand(4, 6, 5, 7), rtol=0, atol=0
    )
    logits = (encoder[:, :, None] + take_columns(predictor, window, S)).requires_grad_()
    losses = windowed_loss(logits, TARGETS, window)
    whole = transducer_loss(logits, TARGETS, LENGTHS, TARGET_LENGTHS)
    torch.testing.assert_close(losses, whole, rtol=0, atol=0)


def test_the_gradient_within_windows_is_exact() -> None:
    window, S = prune(simple(), TARGETS, LENGTHS, TARGET_LENGTHS, 3)
    assert torch.autograd.gradcheck(
        lambda z: windowed_loss(z, TARGETS, window), (random(4, 6, S, 5).requires_grad_(),)
    )


def test_windows_lie_where_the_adding_joiner_is_sure() -> None:
    """Labels come at steps 1, 1, 4 and 5 with certainty, so the windows must follow."""
    out = torch.tensor([0, 2, 2, 2, 3, 4])
    target, T = torch.tensor([[1, 2, 3, 4]]), 6
    encoder = torch.zeros(1, T, 5)
    for t, label in ((1, 1), (1, 2), (4, 3), (5, 4)):
        encoder[0, t, label] = 40.0
    predictor = torch.zeros(1, 5, 5)
    for u in range(4):
        predictor[0, u, u + 1] = 20.0
    predictor[:, :, 0] = 30.0
    parts = Simple(encoder, predictor)
    window, S = prune(parts, target, torch.tensor([T]), torch.tensor([4]), 3)
    kept = out - window.begin[0]
    assert ((kept >= 0) & (kept < S)).all()
    logits = encoder[:, :, None] + take_columns(predictor, window, S)
    pruned = windowed_loss(
        logits, target, Window(window.begin, torch.tensor([T]), torch.tensor([4]))
    )
    whole = simple_loss(parts, target, torch.tensor([T]), torch.tensor([4]))
    torch.testing.assert_close(pruned, whole, rtol=1e-3, atol=1e-3)


def test_one_column_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least 2 columns, found 1"):
        prune(simple(), TARGETS, LENGTHS, TARGET_LENGTHS, 1)
