"""The transducer loss (Graves 2012), its lattice swept one anti-diagonal at a time.

    α(t, u) = α(t−1, u) ∅(t−1, u) + α(t, u−1) y(t, u−1)        loss = −ln α(T, U)

∅(t, u) is the probability of the blank at step t after u labels, y(t, u) that of the next label.
All cells with t + u = n depend on the diagonal n − 1 alone, so a sweep takes T + U rounds of a
few operations on (B, U + 1) numbers, whatever the device.

The gradient is exact and taken by hand: with the occupancies of both arcs, b = α ∅ β(t+1, u) / p
and e = α y β(t, u+1) / p, that of a logit z_k is (b + e) softmax(z)_k − b [k = 0] − e [k = y].
So log probabilities of the size of the logits are never stored.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Lattice:
    """The log probabilities of the arcs of a batch of lattices.

    Attributes:
        blank: (B, T, U + 1) of the blank.
        label: (B, T, U + 1) of the next label; nothing follows the last.
        lengths: (B,) encoder steps.
        target_lengths: (B,) labels.
    """

    blank: Tensor
    label: Tensor
    lengths: Tensor
    target_lengths: Tensor


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How likely each arc is to be on the way, given the target.

    Attributes:
        losses: (B,) −ln p(target).
        blank: (B, T, U + 1).
        label: (B, T, U + 1).
    """

    losses: Tensor
    blank: Tensor
    label: Tensor


def transducer_loss(
    logits: Tensor,
    targets: Tensor,
    lengths: Tensor,
    target_lengths: Tensor,
    *,
    fast_emit: float = 0.0,
) -> Tensor:
    """Return −ln p(targets | logits) of each utterance, (B,).

    Args:
        logits: (B, T, U + 1, V), the blank at 0; not normalised.
        targets: (B, U) token ids above 0, padded.
        lengths: (B,) encoder steps; an utterance without any counts nothing.
        target_lengths: (B,) labels.
        fast_emit: λ of FastEmit (Yu et al. 2021): the gradient through labels counts
            1 + λ times, so that they come early. The loss's value is without it.

    Raises:
        ValueError: the shapes do not fit together.
    """
    B, T, _, _ = logits.shape
    begin = lengths.new_zeros(B, T, dtype=torch.int64)
    return windowed_loss(
        logits, targets, Window(begin, lengths, target_lengths), fast_emit=fast_emit
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the lattices there are logits of.

    Attributes:
        begin: (B, T) int64, the number of labels at a step's first column.
        lengths: (B,) encoder steps.
        target_lengths: (B,) labels.
    """

    begin: Tensor
    lengths: Tensor
    target_lengths: Tensor


def windowed_loss(
    logits: Tensor, targets: Tensor, window: Window, *, fast_emit: float = 0.0
) -> Tensor:
    """Return −ln of the probability of `targets` by ways inside `window`, (B,).

    Args:
        logits: (B, T, S, V): column s of step t is where begin(t) + s labels are out.
        targets: (B, U), likewise.
        window: where the columns stand.
        fast_emit: as for `transducer_loss`.
    """
    _check(logits, targets, window)
    found: Tensor = _WindowedLoss.apply(logits, targets, window, fast_emit)  # type: ignore[no-untyped-call]
    return found


def lattice_loss(lattice: Lattice) -> Tensor:
    """Return −ln p of each target, (B,), with the exact gradient of both kinds of arcs."""
    found: Tensor = _LatticeLoss.apply(  # type: ignore[no-untyped-call]
        lattice.blank, lattice.label, lattice.lengths, lattice.target_lengths
    )
    return found


@torch.no_grad()
def occupancy(lattice: Lattice) -> Occupancy:
    """Return the losses and the occupancy of each arc, by a sweep in either direction.

    The sweeps count in float64: an occupancy is what is left of numbers a thousand times larger.
    """
    B, T, columns = lattice.blank.shape
    device = lattice.blank.device
    steps = torch.arange(T, device=device).view(1, T, 1)
    labels = torch.arange(columns, device=device).view(1, 1, columns)
    inside = steps < lattice.lengths.view(B, 1, 1)
    U = lattice.target_lengths.view(B, 1, 1)
    blank = _skewed(lattice.blank.double().masked_fill(~(inside & (labels <= U)), _NEVER))
    label = _skewed(lattice.label.double().masked_fill(~(inside & (labels < U)), _NEVER))
    alpha = _forward(blank, label)
    # The end is one step after the last: cell (lengths, target_lengths).
    end = (lattice.lengths + lattice.target_lengths).long()
    beta = _backward(blank, label, end, lattice.target_lengths.long())
    log_p = beta[0, :, 0]
    possible = torch.isfinite(log_p)
    log_p = log_p.masked_fill(~possible, 0.0)
    scaled = alpha[:-1] - log_p.view(1, B, 1)
    after_blank = (scaled + blank[:-1] + beta[1:]).exp_()
    after_label = (scaled[:, :, :-1] + label[:-1, :, :-1] + beta[1:, :, 1:]).exp_()
    after_label = torch.nn.functional.pad(after_label, (0, 1))
    dtype = lattice.blank.dtype
    return Occupancy(
        -log_p.to(dtype), _straight(after_blank.to(dtype), T), _straight(after_label.to(dtype), T)
    )


class _LatticeLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, blank: Tensor, label: Tensor, lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        found = occupancy(Lattice(blank, label, lengths, target_lengths))
        ctx.save_for_backward(found.blank, found.label)
        return found.losses

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        blank, label = ctx.saved_tensors  # type: ignore[attr-defined]
        scale = -gradient.view(-1, 1, 1)
        return blank * scale, label * scale, None, None


class _WindowedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, logits: Tensor, targets: Tensor, window: Window, fast_emit: float
    ) -> Tensor:
        normaliser = _normaliser(logits)
        column = _columns(logits, window)
        tokens = _next_tokens(targets, column)
        blank = logits[..., 0].to(normaliser.dtype) - normaliser
        label = logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).to(normaliser.dtype)
        label = label - normaliser
        U = targets.shape[1]
        found = occupancy(
            Lattice(
                _placed(blank, column, U),
                _placed(label, column, U),
                window.lengths,
                window.target_lengths,
            )
        )
        occupied = [_taken(each, column) for each in (found.blank, found.label)]
        occupied[1] *= 1.0 + fast_emit
        ctx.save_for_backward(logits, normaliser, tokens, *occupied)
        return found.losses

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        logits, normaliser, tokens, blank, label = ctx.saved_tensors  # type: ignore[attr-defined]
        scale = gradient.view(-1, 1, 1)
        blank, label = blank * scale, label * scale
        found = torch.empty_like(logits)
        for row, z, log_z, b, e in zip(
            found, logits, normaliser, blank, label, strict=True
        ):  # one utterance at a time: what float32 needs in between stays small
            share = (z.to(log_z.dtype) - log_z.unsqueeze(-1)).exp_().mul_((b + e).unsqueeze(-1))
            row.copy_(share)
        found[..., 0] -= blank.to(found.dtype)
        found.scatter_add_(-1, tokens.unsqueeze(-1), -label.unsqueeze(-1).to(found.dtype))
        return found, None, None, None


def _check(logits: Tensor, targets: Tensor, window: Window) -> None:
    B, T, S, _ = logits.shape
    if window.begin.shape != (B, T) or targets.ndim != 2 or len(targets) != B:
        raise ValueError(
            f"expected {B} targets and windows of {T} steps, found targets of shape "
            f"{tuple(targets.shape)} and windows of shape {tuple(window.begin.shape)}"
        )
    if targets.shape[1] + 1 < S:
        raise ValueError(
            f"expected at most {targets.shape[1] + 1} columns for targets of up to "
            f"{targets.shape[1]} labels, found {S}"
        )
    for name, found in (("lengths", window.lengths), ("target_lengths", window.target_lengths)):
        if found.shape != (B,):
            raise ValueError(f"expected {name} of shape ({B},), found {tuple(found.shape)}")


def _normaliser(logits: Tensor) -> Tensor:
    """Return (B, T, S) ln Σ exp of the logits, in float32 or better."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    found = torch.empty(logits.shape[:-1], dtype=dtype, device=logits.device)
    for row, z in zip(found, logits, strict=True):
        torch.logsumexp(z.to(dtype), dim=-1, out=row)
    return found


def _columns(logits: Tensor, window: Window) -> Tensor:
    """Return (B, T, S): how many labels are out at each cell that there are logits of."""
    return window.begin.unsqueeze(-1) + torch.arange(logits.shape[2], device=logits.device)


def _next_tokens(targets: Tensor, column: Tensor) -> Tensor:
    """Return (B, T, S) int64: the label that comes next at each cell, 0 after the last."""
    B, T, _ = column.shape
    padded = torch.nn.functional.pad(targets.long(), (0, 1))
    return padded.unsqueeze(1).expand(B, T, -1).gather(-1, column)


def _placed(x: Tensor, column: Tensor, U: int) -> Tensor:
    """Return (B, T, U + 1): `x`, (B, T, S), where it belongs, −inf elsewhere."""
    B, T, S = x.shape
    if S == U + 1:
        return x
    return x.new_full((B, T, U + 1), _NEVER).scatter(-1, column, x)


def _taken(x: Tensor, column: Tensor) -> Tensor:
    """Return (B, T, S) of `x`, (B, T, U + 1): the inverse of `_placed`."""
    return x if column.shape[-1] == x.shape[-1] else x.gather(-1, column)


def _skewed(x: Tensor) -> Tensor:
    """Return (T + U + 1, B, U + 1): entry (n, u) is `x`, (B, T, U + 1), at (n − u, u), else −inf.

    One step is added, where lattices end. Cutting rows one shorter than they were laid out moves
    each by one place more than the row above.
    """
    B, T, columns = x.shape
    rows = torch.nn.functional.pad(x.transpose(1, 2), (0, 1 + columns), value=_NEVER)
    diagonals = T + columns
    flat = rows.reshape(B, -1)[:, : columns * diagonals]
    return flat.view(B, columns, diagonals).permute(2, 0, 1).contiguous()


def _straight(x: Tensor, T: int) -> Tensor:
    """Return (B, T, U + 1) of `x`, (T + U, B, U + 1), by diagonals: the inverse of `_skewed`."""
    diagonals, B, columns = x.shape
    flat = torch.nn.functional.pad(x.permute(1, 2, 0).reshape(B, -1), (0, columns))
    return flat.view(B, columns, diagonals + 1)[:, :, :T].transpose(1, 2).contiguous()


def _forward(blank: Tensor, label: Tensor) -> Tensor:
    """Return ln α by diagonals, like the arcs' log probabilities, (T + U + 1, B, U + 1)."""
    alpha = torch.full_like(blank, _NEVER)
    alpha[0, :, 0] = 0.0
    for n in range(1, len(blank)):
        torch.add(alpha[n - 1], blank[n - 1], out=alpha[n])
        arrived = alpha[n - 1, :, :-1] + label[n - 1, :, :-1]
        alpha[n, :, 1:] = torch.logaddexp(alpha[n, :, 1:], arrived)
    return alpha


def _backward(blank: Tensor, label: Tensor, end: Tensor, column: Tensor) -> Tensor:
    """Return ln β by diagonals; it is 0 on the diagonal `end`, (B,), in `column`, (B,)."""
    beta = torch.full_like(blank, _NEVER)
    rows = torch.arange(blank.shape[1], device=blank.device)
    beta[end, rows, column] = 0.0
    for n in range(len(blank) - 2, -1, -1):
        here = beta[n + 1] + blank[n]
        arrived = beta[n + 1, :, 1:] + label[n, :, :-1]
        here[:, :-1] = torch.logaddexp(here[:, :-1], arrived)
        # The ends keep their 0: no arc leaves them.
        beta[n] = torch.maximum(beta[n], here)
    return beta
