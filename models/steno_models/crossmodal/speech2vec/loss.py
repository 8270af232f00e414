"""What the frames that are drawn from a vector differ from those that were heard."""

from enum import StrEnum

import torch
from torch import Tensor

from steno_models.crossmodal.speech2vec.model import Speech2Vec
from steno_models.training.data import Batch


class Form(StrEnum):
    """What is drawn from what."""

    SKIP_GRAM = "skip-gram"  # the neighbours from the piece
    CBOW = "cbow"  # the piece from the mean of its neighbours' vectors


def neighbour_loss(model: Speech2Vec, batch: Batch, form: Form) -> Tensor:
    """Return the mean error, (), over pairs of a piece and a neighbour; with CBOW over pieces.

    The error is the mean over frames of the squared distance of what is drawn from what is heard.

    Args:
        model: encodes and decodes.
        batch: pieces; its targets (B, 2k) are one more than the places of their neighbours among
            them, 0 where there is none.
        form: of the task.
    """
    T = batch.features.shape[1]
    vectors = model.encode(batch.features, batch.feature_lengths)
    there = batch.targets > 0
    others = (batch.targets - 1).clamp(min=0).long()
    frames = torch.arange(T, device=vectors.device)
    inside = (frames < batch.feature_lengths[:, None]).to(vectors.dtype)
    if form is Form.CBOW:
        weights = there.to(vectors.dtype)
        total = (vectors[others] * weights[..., None]).sum(dim=1)
        means = total / weights.sum(dim=1, keepdim=True).clamp(min=1.0)
        errors = _frame_errors(model.decode(means, T), batch.features, inside)
        counted = there.any(dim=1).to(vectors.dtype)
        return (errors * counted).sum() / counted.sum().clamp(min=1.0)
    drawn = model.decode(vectors, T)
    rows, columns = there.nonzero(as_tuple=True)
    place = others[rows, columns]
    # ‖y - x‖² for every pair at once would hold (pairs, T, 13): one column of neighbours at a time.
    total = drawn.new_zeros(())
    for column in range(others.shape[1]):
        own = columns == column
        if bool(own.any()):
            heard = place[own]
            total = (
                total + _frame_errors(drawn[rows[own]], batch.features[heard], inside[heard]).sum()
            )
    return total / max(1, len(rows))


def _frame_errors(drawn: Tensor, heard: Tensor, inside: Tensor) -> Tensor:
    """Return (B,) mean squared errors over the frames that are `inside`, (B, T)."""
    squares = (drawn - heard).square().sum(dim=2) * inside
    return squares.sum(dim=1) / inside.sum(dim=1)
