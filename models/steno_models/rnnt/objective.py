"""What the transducer is trained on.

    loss = w · pruned + s · simple + c · CTC(last) + m · CTC(middle)

The simple loss is that of the joiner that only adds and says where the full one is run (Kuang et
al. 2022). At first its alignments are poor, so it counts fully and the pruned loss little;
over the warm-up the weights become those that were asked for. The CTC losses share the encoder
(Kim et al. 2017; the middle one: Lee & Watanabe 2021): they keep its alignments monotone early on.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from steno_models.encoders.protocol import Context
from steno_models.rnnt.fused import FusedPredictor
from steno_models.rnnt.loss import windowed_loss
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.pruned import Simple, prune, simple_loss, take_columns

_FIRST_PRUNED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How the parts of the loss are weighed, once the warm-up is over."""

    pruned: float = 1.0
    simple: float = 0.5
    ctc: float = 0.5
    middle_ctc: float = 0.3

    def warming(self, share: float) -> "Weights":
        """Return the weights after this `share` of the warm-up."""
        done = min(1.0, max(0.0, share))
        return Weights(
            pruned=self.pruned * (_FIRST_PRUNED + (1 - _FIRST_PRUNED) * done),
            simple=1.0 + (self.simple - 1.0) * done,
            ctc=self.ctc,
            middle_ctc=self.middle_ctc,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """A batch: (B, T, F) normalised features with (B,) encoder steps, (B, U) targets with (B,)."""

    features: Tensor
    steps: Tensor
    targets: Tensor
    target_lengths: Tensor


class TrainingTransducer(nn.Module):
    """The transducer with the output layers that only training needs.

    It counts its batches itself, in a buffer that checkpoints keep.

    Args:
        model: the transducer.
        columns: S, cells of the lattice that the full joiner is run for at each step; with as
            many as a target has labels, and one, nothing is pruned.
        fast_emit: see `transducer_loss`.
        only_fusion: whether all weights of the model stay as they are but those of the predictor's
            fusion and of the joiner's output.
    """

    batches_seen: Tensor

    def __init__(
        self,
        model: TransducerModel,
        *,
        columns: int,
        fast_emit: float = 0.0,
        only_fusion: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self._columns = columns
        self._fast_emit = fast_emit
        self._only_fusion = only_fusion
        width, tokens = model.encoder.width, model.joiner.output.out_features
        self.simple_encoder = nn.Linear(width, tokens)
        self.simple_predictor = nn.Linear(model.predictor.width, tokens, bias=False)
        self.ctc_output = nn.Linear(width, tokens)
        self.middle_ctc_output = nn.Linear(width, tokens)
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))
        if only_fusion:
            model.requires_grad_(requires_grad=False)
            model.joiner.output.requires_grad_()
            if isinstance(model.predictor, FusedPredictor):
                model.predictor.fusion.requires_grad_()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - as in PyTorch
        """Begin or end training; an encoder that is not trained hears as it will later."""
        super().train(mode)
        if self._only_fusion:
            self.model.encoder.eval()
        return self

    def count_batch(self) -> int:
        """Return how many batches were counted before, and count one more."""
        before = int(self.batches_seen)
        self.batches_seen += 1
        return before

    def forward(self, work: Work, context: Context | None) -> dict[str, Tensor]:
        """Return the parts of the loss by the names of their weights, by encoder step."""
        layers = self.model.encoder(work.features, work.steps, context)
        longest = int(work.steps.max())
        middle, last = (each[:, :longest] for each in (layers[len(layers) // 2], layers[-1]))
        predicted = self.model.predictor(work.targets)
        lengths = (work.targets, work.steps, work.target_lengths)
        simple = Simple(self.simple_encoder(last), self.simple_predictor(predicted))
        found = {
            "simple": simple_loss(simple, *lengths),
            "pruned": self._pruned(simple, last, predicted, work),
            "ctc": _ctc_loss(self.ctc_output(last), work),
            "middle_ctc": _ctc_loss(self.middle_ctc_output(middle), work),
        }
        total = work.steps.sum().clamp(min=1)
        return {name: losses.sum() / total for name, losses in found.items()}

    def _pruned(self, simple: Simple, steps: Tensor, predicted: Tensor, work: Work) -> Tensor:
        window, S = prune(simple, work.targets, work.steps, work.target_lengths, self._columns)
        joiner = self.model.joiner
        projected = take_columns(joiner.predictor(predicted), window, S)
        logits = joiner(joiner.encoder(steps).unsqueeze(2), projected)
        return windowed_loss(logits, work.targets, window, fast_emit=self._fast_emit)


def _ctc_loss(logits: Tensor, work: Work) -> Tensor:
    """Return the CTC losses, (B,), 0 where an utterance is too short for its target."""
    losses: Tensor = torch.nn.functional.ctc_loss(
        log_softmax(logits.float(), dim=-1).transpose(0, 1),
        work.targets.long(),
        work.steps.long(),
        work.target_lengths.long(),
        reduction="none",
        zero_infinity=True,
    )
    return losses


def weighted(found: dict[str, Tensor], weights: Weights) -> Tensor:
    """Return the sum of the parts under `weights`."""
    return torch.stack([getattr(weights, name) * part for name, part in found.items()]).sum()
