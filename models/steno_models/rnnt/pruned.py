"""The pruned transducer loss (Kuang et al. 2022, arXiv:2206.13236).

A joiner that only adds, logits(t, u) = encoder(t) + predictor(u), needs no (T, U, V) numbers: its
normaliser is a product of two matrices. Its lattice tells which S numbers of labels are likely at
each step, and the full joiner is run for these alone, so that T · S · V numbers are stored in
place of T · (U + 1) · V.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from steno_models.rnnt.loss import Lattice, Occupancy, Window, lattice_loss, occupancy


@dataclass(frozen=True, slots=True)
class Simple:
    """What the adding joiner adds.

    Attributes:
        encoder: (B, T, V) logits by encoder step.
        predictor: (B, U + 1, V) logits by number of labels.
    """

    encoder: Tensor
    predictor: Tensor

    def lattice(self, targets: Tensor, lengths: Tensor, target_lengths: Tensor) -> Lattice:
        """Return the lattice of `targets`, (B, U), in float32 or better."""
        dtype = torch.promote_types(self.encoder.dtype, torch.float32)
        encoder, predictor = self.encoder.to(dtype), self.predictor.to(dtype)
        with torch.autocast(encoder.device.type, enabled=False):  # a sum of many needs all digits
            normaliser = _normaliser(encoder, predictor)
        T, columns = normaliser.shape[1:]
        tokens = torch.nn.functional.pad(targets.long(), (0, 1))
        by_step = encoder.gather(-1, tokens.unsqueeze(1).expand(-1, T, -1))
        by_label = predictor.gather(-1, tokens.unsqueeze(-1)).view(-1, 1, columns)
        return Lattice(
            encoder[..., :1] + predictor[..., 0].unsqueeze(1) - normaliser,
            by_step + by_label - normaliser,
            lengths,
            target_lengths,
        )


def simple_loss(simple: Simple, targets: Tensor, lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """Return −ln p(targets) of the adding joiner, (B,)."""
    return lattice_loss(simple.lattice(targets, lengths, target_lengths))


@torch.no_grad()
def prune(
    simple: Simple, targets: Tensor, lengths: Tensor, target_lengths: Tensor, columns: int
) -> tuple[Window, int]:
    """Return where the full joiner is to be run, and the number S of columns of each step.

    Args:
        simple: the adding joiner.
        targets: (B, U) token ids, padded.
        lengths: (B,) encoder steps.
        target_lengths: (B,) labels.
        columns: how many there should be. There are more where windows that overlap could not
            otherwise climb to the target's end, and never more than U + 1.

    Raises:
        ValueError: fewer than two columns.
    """
    if columns < 2:
        raise ValueError(f"expected at least 2 columns, found {columns}")
    found = occupancy(simple.lattice(targets, lengths, target_lengths))
    steepest = (target_lengths / lengths.clamp(min=1)).ceil().max().int()
    S = min(max(columns, 1 + int(steepest)), targets.shape[1] + 1)
    begin = _monotone(_likeliest(found, S), lengths, (target_lengths + 1 - S).clamp(min=0), S)
    return Window(begin, lengths, target_lengths), S


def take_columns(predictor: Tensor, window: Window, columns: int) -> Tensor:
    """Return (B, T, S, D): the predictor's outputs, (B, U + 1, D), at the columns of `window`."""
    rows = torch.arange(len(predictor), device=predictor.device).view(-1, 1, 1)
    at = window.begin.unsqueeze(-1) + torch.arange(columns, device=predictor.device)
    return predictor[rows, at]


def _normaliser(encoder: Tensor, predictor: Tensor) -> Tensor:
    """Return (B, T, U + 1) ln Σ_v exp(encoder + predictor)."""
    top = encoder.detach().amax(-1, keepdim=True)
    other = predictor.detach().amax(-1, keepdim=True)
    product = (encoder - top).exp() @ (predictor - other).exp().transpose(1, 2)
    # Where the two agree on nothing, the product may be too small for a number.
    least = torch.finfo(product.dtype).tiny
    return (product + least).log() + top + other.transpose(1, 2)


def _likeliest(found: Occupancy, S: int) -> Tensor:
    """Return (B, T) int64: where S columns keep most of what passes a step.

    Each way leaves a step by one blank. It is kept where that blank is within the window, unless
    the way came into the window from below at this very step.
    """
    kept = found.blank.unfold(-1, S, 1).sum(-1)
    kept[..., 1:] -= found.label[..., : kept.shape[-1] - 1]
    return kept.argmax(-1)


def _monotone(begin: Tensor, lengths: Tensor, last: Tensor, S: int) -> Tensor:
    """Return `begin`, (B, T), from 0 to `last`, (B,), with steps of 0 to S − 1."""
    steps = torch.arange(begin.shape[1], device=begin.device)
    limit = (S - 1) * steps
    ended = steps >= lengths.long().unsqueeze(1) - 1
    begin = torch.where(ended, last.long().unsqueeze(1), begin)
    begin = torch.minimum(begin, last.long().unsqueeze(1))
    begin = begin.flip(1).cummin(1).values.flip(1)
    begin = torch.minimum(begin, limit)
    # Steps that would have to climb too far later begin to climb now.
    return (begin - limit).flip(1).cummax(1).values.flip(1) + limit
