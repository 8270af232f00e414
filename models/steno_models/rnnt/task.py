"""The transducer as a task of the training loop: losses, contexts, error rate of greedy search."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from steno_models.encoders.conformer import Context
from steno_models.encoders.subsampling import steps_of_all
from steno_models.rnnt.greedy import GreedySearch
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.objective import TrainingTransducer, Weights, Work, weighted
from steno_models.rnnt.units import Units
from steno_models.text.wer import align
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BucketedBatches


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
        steps = steps_of_all(batch.feature_lengths)
        work = Work(batch.features, steps, batch.targets, batch.target_lengths)
        found = self.model(work, self._contexts.draw())
        metrics = {name: float(part.detach()) for name, part in found.items()}
        return weighted(found, weights), metrics

    def evaluate(self) -> Mapping[str, float]:
        """Return the greedy error rate: of each held-out set, and of all as `error`."""
        rates, wrong, spoken = {}, 0, 0
        for name, batches in self._dev.items():
            errors, length = self._errors(batches)
            rates[f"error_{name}"] = errors / max(1, length)
            wrong, spoken = wrong + errors, spoken + length
        return {"error": wrong / max(1, spoken), **rates}

    def _errors(self, batches: BucketedBatches) -> tuple[int, int]:
        """Return edits and the length of the references over `batches`."""
        device = self.model.ctc_output.weight.device
        errors = length = 0
        for batch in batches.epoch(0):
            found = transcribe(self.model.model, batch.to(device), self._contexts.dev)
            for tokens, target, U in zip(found, batch.targets, batch.target_lengths, strict=True):
                wanted = self._units.parts(target[: int(U)].tolist())
                alignment = align(wanted, self._units.parts(tokens))
                errors += alignment.errors
                length += alignment.reference_length
        return errors, length


@torch.no_grad()
def transcribe(model: TransducerModel, batch: Batch, context: Context) -> list[list[int]]:
    """Return what greedy search finds of each utterance, token ids."""
    steps = steps_of_all(batch.feature_lengths)
    encoded = model.encoder(batch.features, steps, context)[-1]
    search = GreedySearch(model)
    states = search.step(
        [(x[: int(S)], search.start()) for x, S in zip(encoded, steps, strict=True)]
    )
    return [[token.token for token in state.tokens] for state in states]
