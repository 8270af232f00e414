"""What the CTC model is trained on: sequences of phones, and where known their places in time.

    loss = CTC(last) + 0.3 · CTC(middle) + w · (0.6 · CE(last) + 0.4 · CE(middle)) [+ ln Z(last)]

The middle layer's CTC is the intermediate loss of Lee & Watanabe (2021, arXiv:2102.03216). CE is
the cross-entropy of each step's phone in a forced alignment: on a few hours of speech it teaches
the encoder what phones sound like long before CTC leaves its plateau of blanks. With ln Z of
`crf.py` CTC becomes CTC-CRF.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from steno_models.ctc.crf import LabelLm, log_partition
from steno_models.ctc.model import CtcModel
from steno_models.encoders.protocol import Context

NO_LABEL = -100  # PyTorch's own mark of a step that counts nothing in a cross-entropy


def ctc_loss(logits: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Return −ln p(targets | logits) summed over the batch, by encoder step.

    Args:
        logits: (B, S, V), the blank at 0.
        lengths: (B,) encoder steps.
        targets: (B, U) token ids, padded.
        target_lengths: (B,) tokens; an utterance too short for its target counts nothing.
    """
    log_probs = log_softmax(logits.float(), dim=-1).transpose(0, 1)
    total: Tensor = torch.nn.functional.ctc_loss(
        log_probs,
        targets.long(),
        lengths.long(),
        target_lengths.long(),
        reduction="sum",
        zero_infinity=True,
    )
    return total / lengths.sum().clamp(min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How the parts of the loss are weighed: each CTC loss is doubled, being per step.

    With `crf` of 0 there is no ln Z, else it should weigh as much as `ctc`.
    """

    ctc: float = 2.0
    crf: float = 0.0
    middle_ctc: float = 0.6
    frame: float = 0.3
    middle_frame: float = 0.2


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch should have given.

    Attributes:
        tokens: (B, U) padded.
        token_lengths: (B,).
        phones: (B, S) the phone at each step by alignment, 0 silence, `NO_LABEL` unknown.
        lm: what all label sequences are weighed by, for CTC-CRF.
    """

    tokens: Tensor
    token_lengths: Tensor
    phones: Tensor | None = None
    lm: LabelLm | None = None


class TrainingCtc(nn.Module):
    """The CTC model with the output layers that only training needs.

    It counts its batches itself, in a buffer that checkpoints keep.
    """

    batches_seen: Tensor

    def __init__(self, model: CtcModel) -> None:
        super().__init__()
        self.model = model
        width, tokens = model.output.in_features, model.output.out_features
        self.middle_output = nn.Linear(width, tokens)
        self.frame_output = nn.Linear(width, tokens)
        self.middle_frame_output = nn.Linear(width, tokens)
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))

    def freeze_frame_outputs(self) -> None:
        """Leave out of the training what only labelled frames could teach."""
        self.frame_output.requires_grad_(requires_grad=False)
        self.middle_frame_output.requires_grad_(requires_grad=False)

    def count_batch(self) -> int:
        """Return how many batches were counted before, and count one more."""
        before = int(self.batches_seen)
        self.batches_seen += 1
        return before

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None
    ) -> dict[str, Tensor]:
        """Return the logits of each output layer, (B, S, V), by the name of its weight."""
        layers = self.model.encoder(features, lengths, context)
        middle, last = layers[len(layers) // 2], layers[-1]
        return {
            "ctc": self.model.output(last),
            "middle_ctc": self.middle_output(middle),
            "frame": self.frame_output(last),
            "middle_frame": self.middle_frame_output(middle),
        }


def frame_loss(logits: Tensor, phones: Tensor) -> Tensor:
    """Return the smoothed cross-entropy (Szegedy et al. 2016, §7) of labelled steps, their mean.

    Args:
        logits: (B, S, V).
        phones: (B, S), `NO_LABEL` where a step counts nothing; with no other the loss is 0.
    """
    total = cross_entropy(
        logits.float().flatten(0, 1),
        phones.flatten().long(),
        ignore_index=NO_LABEL,
        label_smoothing=0.05,
        reduction="sum",
    )
    return total / (phones != NO_LABEL).sum().clamp(min=1)


def partition_loss(logits: Tensor, lengths: Tensor, lm: LabelLm) -> Tensor:
    """Return ln Z summed over the batch, by encoder step: the denominator of CTC-CRF.

    Args:
        logits: (B, S, V), the blank at 0.
        lengths: (B,) encoder steps.
        lm: of the same labels.
    """
    log_probs = log_softmax(logits.float(), dim=-1)
    return log_partition(log_probs, lengths, lm).sum() / lengths.sum().clamp(min=1)


def parts(logits: dict[str, Tensor], lengths: Tensor, targets: Targets) -> dict[str, Tensor]:
    """Return each part of the loss, unweighted; what `targets` do not tell of is absent."""
    found = {
        name: ctc_loss(logits[name], lengths, targets.tokens, targets.token_lengths)
        for name in ("ctc", "middle_ctc")
    }
    if targets.lm is not None:
        found["crf"] = partition_loss(logits["ctc"], lengths, targets.lm)
    if targets.phones is not None:
        for name in ("frame", "middle_frame"):
            found[name] = frame_loss(logits[name], targets.phones)
    return found


def weighted(found: dict[str, Tensor], weights: Weights) -> Tensor:
    """Return the sum of the parts under `weights`."""
    return torch.stack([getattr(weights, name) * part for name, part in found.items()]).sum()
