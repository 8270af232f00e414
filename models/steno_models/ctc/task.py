"""The CTC model as a task of the training loop: loss, course of the losses, phone error rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from steno_models.ctc import crf
from steno_models.ctc.crf import LabelLm
from steno_models.ctc.data import split_labels
from steno_models.ctc.loss import Targets, TrainingCtc, Weights, parts, weighted
from steno_models.encoders.protocol import Context
from steno_models.text.tokens import TokenTable
from steno_models.text.wer import align
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BucketedBatches


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the losses are weighed as the training goes on.

    Attributes:
        batches: how many one process sees in the whole training.
        weights: of the losses, once all count.
        frame_only_share: of the training, at whose beginning the frame losses count alone.
        ramp_share: of the training, over which the CTC losses then come in.
        early_share: of the training, at whose beginning the frame losses count more.
        early_factor: how much more.
    """

    batches: int
    weights: Weights
    frame_only_share: float = 0.035
    ramp_share: float = 0.03
    early_share: float = 0.15
    early_factor: float = 2.0

    def weights_at(self, batch: int) -> Weights:
        """Return the weights for a process's batch number `batch`, from 0."""
        done = (batch + 1) / self.batches
        ctc = min(1.0, max(0.0, (done - self.frame_only_share) / max(self.ramp_share, 1e-9)))
        frame = self.early_factor if done < self.early_share else 1.0
        w = self.weights
        return Weights(
            ctc=ctc * w.ctc,
            crf=ctc * w.crf,
            middle_ctc=ctc * w.middle_ctc,
            frame=frame * w.frame,
            middle_frame=frame * w.middle_frame,
        )


class CtcTask:
    """Trains `model` on batches whose last column of features are labels of frames.

    The loss is a mean over encoder steps; its parts that need labels are one over labelled steps,
    which are nearly all or none.

    Args:
        model: what is trained.
        course: how the losses are weighed; without labelled frames the CTC losses count at once.
        contexts: how far steps may look.
        dev: held-out speech by name, without a column of labels.
        aligned: whether some frames have labels.
        lm: of the labels, for CTC-CRF.
    """

    def __init__(
        self,
        model: TrainingCtc,
        course: Course,
        contexts: Contexts,
        dev: Mapping[str, BucketedBatches],
        *,
        aligned: bool,
        lm: LabelLm | None = None,
    ) -> None:
        self.model = model
        self._course = course if aligned else replace(course, frame_only_share=0, ramp_share=0)
        self._contexts = contexts
        self._dev = dev
        self._aligned = aligned
        self._lm = lm
        if not aligned:
            model.freeze_frame_outputs()

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the weighted loss, (), and its parts."""
        grid = self.model.model.encoder.grid
        steps = grid.steps_of_all(batch.feature_lengths)
        features, labels = split_labels(batch.features, steps, grid)
        weights = self._course.weights_at(self.model.count_batch())
        logits = self.model(features, steps, self._contexts.draw())
        targets = Targets(
            batch.targets, batch.target_lengths, labels if self._aligned else None, self._lm
        )
        found = parts(logits, steps, targets)
        metrics = {name: float(part.detach()) for name, part in found.items()}
        return weighted(found, weights), metrics

    def weight(self, batch: Batch) -> float:
        """Return the number of encoder steps."""
        return float(self.model.model.encoder.grid.steps_of_all(batch.feature_lengths).sum())

    def evaluate(self) -> Mapping[str, float]:
        """Return the phone error rate: of each held-out set, and of all as `error`."""
        rates, wrong, spoken = {}, 0, 0
        for name, batches in self._dev.items():
            errors, length = self._errors(batches)
            rates[f"error_{name}"] = errors / max(1, length)
            wrong, spoken = wrong + errors, spoken + length
        return {"error": wrong / max(1, spoken), **rates}

    def _errors(self, batches: BucketedBatches) -> tuple[int, int]:
        """Return edits and reference phones over `batches`."""
        device = self.model.frame_output.weight.device
        errors = length = 0
        for batch in batches.epoch(0):
            found = transcribe(self.model, batch.to(device), self._contexts.dev, self._lm)
            for phones, target, U in zip(found, batch.targets, batch.target_lengths, strict=True):
                alignment = align(_symbols(target[: int(U)].tolist()), _symbols(phones))
                errors += alignment.errors
                length += alignment.reference_length
        return errors, length


@torch.no_grad()
def transcribe(
    model: TrainingCtc, batch: Batch, context: Context, lm: LabelLm | None = None
) -> list[list[int]]:
    """Return the tokens of each utterance's likeliest path, repeats and blanks taken out.

    What was trained by CTC-CRF leaves a part of the work to its model of labels, `lm`.
    """
    steps = model.model.encoder.grid.steps_of_all(batch.feature_lengths)
    log_probs = model.model(batch.features, steps, context)
    if lm is not None:
        return crf.transcribe(log_probs, steps, lm)
    best = log_probs.argmax(dim=-1)
    return [
        [token for token, _ in groupby(row[: int(S)].tolist()) if token]
        for row, S in zip(best, steps, strict=True)
    ]


def _symbols(tokens: Sequence[int]) -> list[str]:
    symbols = TokenTable.phones().symbols
    return [symbols[token] for token in tokens]
