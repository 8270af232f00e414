"""The transducer as a task of the training loop: losses, contexts, error rate of greedy search."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from steno_models.encoders.protocol import Context
from steno_models.rnnt.greedy import GreedySearch
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.objective import TrainingTransducer, Weights, Work, weighted
from steno_models.text.units import Units
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BucketedBatches
from steno_models.training.error_rate import error_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the losses are weighed: `weights` once the first `warm_batches` are over."""

    weights: Weights
    warm_batches: int

    def weights_at(self, batch: int) -> Weights:
        """Return the weights for a process's batch number `batch`, from 0."""
        return self.weights.warming((batch + 1) / max(1, self.warm_batches))


class TransducerTask:
    """Trains `model`; the loss is a mean over encoder steps.

    Args:
        model: what is trained.
        course: how the losses are weighed.
        contexts: how far steps may look.
        dev: held-out speech by name.
        units: what tokens mean, for counting errors.
    """

    def __init__(
        self,
        model: TrainingTransducer,
        course: Course,
        contexts: Contexts,
        dev: Mapping[str, BucketedBatches],
        units: Units,
    ) -> None:
        self.model = model
        self._course = course
        self._contexts = contexts
        self._dev = dev
        self._units = units

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the weighted loss, (), and its parts."""
        weights = self._course.weights_at(self.model.count_batch())
        steps = self.model.model.encoder.grid.steps_of_all(batch.feature_lengths)
        work = Work(batch.features, steps, batch.targets, batch.target_lengths)
        found = self.model(work, self._contexts.draw())
        metrics = {name: float(part.detach()) for name, part in found.items()}
        return weighted(found, weights), metrics

    def weight(self, batch: Batch) -> float:
        """Return the number of encoder steps."""
        return float(self.model.model.encoder.grid.steps_of_all(batch.feature_lengths).sum())

    def evaluate(self) -> Mapping[str, float]:
        """Return the greedy error rate: of each held-out set, and of all as `error`."""

        def transcribed(batch: Batch) -> list[list[int]]:
            return transcribe(self.model.model, batch, self._contexts.dev)

        device = self.model.ctc_output.weight.device
        return error_rates(transcribed, self._dev, self._units, device)


@torch.no_grad()
def transcribe(model: TransducerModel, batch: Batch, context: Context) -> list[list[int]]:
    """Return what greedy search finds of each utterance, token ids."""
    steps = model.encoder.grid.steps_of_all(batch.feature_lengths)
    encoded = model.encoder(batch.features, steps, context)[-1]
    search = GreedySearch(model)
    states = search.step(
        [(x[: int(S)], search.start()) for x, S in zip(encoded, steps, strict=True)]
    )
    return [[token.token for token in state.tokens] for state in states]
