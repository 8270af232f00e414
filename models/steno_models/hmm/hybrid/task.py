"""The network as a task of the training loop: the frame loss, frame and phone errors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steno_models.hmm.hybrid.data import NO_LABEL, split_labels
from steno_models.hmm.hybrid.loss import frame_loss
from steno_models.hmm.hybrid.model import StateClassifier
from steno_models.hmm.hybrid.phones import PhoneLoop
from steno_models.hmm.hybrid.sequence import Criterion, in_order
from steno_models.text.wer import align
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BucketedBatches


@dataclass(frozen=True, slots=True)
class Held:
    """What a network is measured on.

    Attributes:
        batches: held-out speech; its targets are the phones to be heard, its labels the states.
        loop: how phones follow each other.
    """

    batches: BucketedBatches
    loop: PhoneLoop


class HybridTask:
    """Trains `model` on batches whose last column of features are the states of frames.

    The loss is a mean over encoder steps; as batches hold utterances of like length, that is
    nearly the mean over utterances which the loop asks for.

    Args:
        model: what is trained.
        contexts: how far steps may look.
        held: what it is measured on.
        smoothing: of the targets.
    """

    def __init__(
        self, model: StateClassifier, contexts: Contexts, held: Held, *, smoothing: float
    ) -> None:
        self.model = model
        self._contexts = contexts
        self._held = held
        self._smoothing = smoothing

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the frame loss, (), and the share of steps whose state was not the likeliest."""
        steps = self.model.encoder.grid.steps_of_all(batch.feature_lengths)
        features, labels = split_labels(batch.features, steps, self.model.encoder.grid)
        logits = self.model(features, steps, self._contexts.draw())
        wrong, labelled = _wrong(logits, labels)
        loss = frame_loss(logits, labels, self._smoothing)
        return loss, {"frame_error": wrong / max(1, labelled)}

    def evaluate(self) -> Mapping[str, float]:
        """Return the phone error rate as `error`, and the shares of wrong states and phones."""
        return measure(self.model, self._held, self._contexts)


class SequenceTask(HybridTask):
    """Goes on with a network that knows its states, by the criterion of whole sequences.

    Args:
        model: what is trained.
        contexts: how far steps may look.
        held: what it is measured on.
        criterion: of sequences.
        frame_weight: of the frame loss beside it, which keeps the network from forgetting where
            states are.
    """

    def __init__(
        self,
        model: StateClassifier,
        contexts: Contexts,
        held: Held,
        *,
        criterion: Criterion,
        frame_weight: float,
    ) -> None:
        super().__init__(model, contexts, held, smoothing=0.0)
        self._criterion = criterion
        self._frame_weight = frame_weight

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the weighted sum of both losses, (), and each."""
        grid = self.model.encoder.grid
        steps = grid.steps_of_all(batch.feature_lengths)
        features, labels = split_labels(batch.features, steps, grid)
        rows = batch.features[..., -1].int().cpu().numpy()
        orders = [
            in_order(row[:T]) for row, T in zip(rows, batch.feature_lengths.tolist(), strict=True)
        ]
        logits = self.model(features, steps, self._contexts.draw())
        sequence = self._criterion(logits, labels, orders)
        frame = frame_loss(logits, labels)
        metrics = {"sequence": float(sequence.detach()), "frame": float(frame.detach())}
        return sequence + self._frame_weight * frame, metrics


@torch.no_grad()
def measure(model: StateClassifier, held: Held, contexts: Contexts) -> dict[str, float]:
    """Return how well `model` hears.

    Returns:
        `error`, the phone error rate; `state_error`, the share of steps whose state is another
        than the alignment's; `frame_error`, likewise of its phone.
    """
    device = model.output.weight.device
    grid = model.encoder.grid
    members = torch.from_numpy(held.loop.members).to(device)
    phone_of = members.argmax(dim=1)
    sums = {"state": 0, "phone": 0, "steps": 0, "edits": 0, "spoken": 0}
    for on_cpu in held.batches.epoch(0):
        batch = on_cpu.to(device)
        steps = grid.steps_of_all(batch.feature_lengths)
        features, labels = split_labels(batch.features, steps, grid)
        logits = model(features, steps, contexts.dev).float()
        wrong, labelled = _wrong(logits, labels)
        sums["state"] += wrong
        sums["steps"] += labelled
        phones = logits.softmax(dim=-1) @ members
        expected = phone_of[labels.clamp(min=0)].masked_fill(labels == NO_LABEL, NO_LABEL)
        sums["phone"] += _wrong(phones, expected)[0]
        rows = torch.log_softmax(logits, dim=-1).cpu().numpy()
        for row, S, target, U in zip(
            rows,
            steps.tolist(),
            on_cpu.targets.numpy(),
            on_cpu.target_lengths.tolist(),
            strict=True,
        ):
            found = align(
                list(map(str, target[:U].tolist())),
                list(map(str, held.loop.transcribe(np.asarray(row[:S], np.float32)))),
            )
            sums["edits"] += found.errors
            sums["spoken"] += found.reference_length
    return {
        "error": sums["edits"] / max(1, sums["spoken"]),
        "state_error": sums["state"] / max(1, sums["steps"]),
        "frame_error": sums["phone"] / max(1, sums["steps"]),
    }


def _wrong(scores: Tensor, labels: Tensor) -> tuple[int, int]:
    """Return how many labelled steps have another class on top, and how many are labelled."""
    labelled = labels != NO_LABEL
    wrong = (scores.argmax(dim=-1) != labels) & labelled
    return int(wrong.sum()), int(labelled.sum())
