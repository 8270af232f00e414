"""The frame loss: cross-entropy with the states of an alignment."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from steno_models.hmm.hybrid.data import NO_LABEL


def frame_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of the labelled steps, (); 0 where there is none.

    Args:
        logits: (B, S, A).
        labels: (B, S) int64 states, `NO_LABEL` where a step counts nothing.
        smoothing: share of the targets that all states have alike (Szegedy et al. 2016, §7).
    """
    total = cross_entropy(
        logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=NO_LABEL,
        label_smoothing=smoothing,
        reduction="sum",
    )
    return total / (labels != NO_LABEL).sum().clamp(min=1)
