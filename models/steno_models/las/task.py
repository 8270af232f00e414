"""Listen, attend and spell as a task of the training loop: losses, contexts, error rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from steno_models.las.loss import TrainingLas, Weights, spelling_loss, weighted
from steno_models.las.search import LasSearch, SearchOptions
from steno_models.text.units import Units
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BucketedBatches
from steno_models.training.error_rate import error_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a training goes on.

    Attributes:
        batches: how many one process sees in the whole training.
        weights: of the losses.
        sampling: the share of tokens that the speller draws itself, in the end.
        sampling_from: the share of the training after which it does so at all.
        sampling_until: the share after which it does so as often as `sampling` says.
    """

    batches: int
    weights: Weights
    sampling: float = 0.0
    sampling_from: float = 0.0
    sampling_until: float = 0.0

    def sampling_at(self, batch: int) -> float:
        """Return the share of tokens drawn in a process's batch number `batch`, from 0."""
        done = (batch + 1) / self.batches
        if done >= self.sampling_until:
            return self.sampling
        rise = self.sampling_until - self.sampling_from
        return self.sampling * max(0.0, (done - self.sampling_from) / rise)


class LasTask:
    """Trains `model`; the loss is a mean over tokens.

    Args:
        model: what is trained.
        course: how it goes on.
        contexts: how far encoder steps may look.
        dev: held-out speech by name.
        units: what tokens mean, for counting errors.
        search: how the error is measured.
    """

    def __init__(
        self,
        model: TrainingLas,
        course: Course,
        contexts: Contexts,
        dev: Mapping[str, BucketedBatches],
        units: Units,
        search: SearchOptions,
    ) -> None:
        self.model = model
        self._course = course
        self._contexts = contexts
        self._dev = dev
        self._units = units
        self._search = LasSearch(model.model, search)

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the weighted loss, (), and its parts."""
        sampling = self._course.sampling_at(self.model.count_batch())
        found = self.model(batch, self._contexts.draw(), sampling=sampling)
        metrics = {name: float(part.detach()) for name, part in found.items()}
        return weighted(found, self._course.weights), metrics

    def weight(self, batch: Batch) -> float:
        """Return the number of tokens, the ends of the utterances among them."""
        return float((batch.target_lengths + 1).sum())

    def evaluate(self) -> Mapping[str, float]:
        """Return the error rate of each held-out set, of all as `error`, and `spelling_loss`.

        That is −ln p of a token by the speller, unsmoothed, the tokens before it being given.
        """
        device = self.model.model.ctc_output.weight.device
        rates = error_rates(self._transcribed, self._dev, self._units, device)
        return {**rates, "spelling_loss": self._spelling_loss(device)}

    @torch.no_grad()
    def _spelling_loss(self, device: torch.device) -> float:
        model, total, tokens = self.model.model, 0.0, 0
        for held_out in self._dev.values():
            for each in held_out.epoch(0):
                batch = each.to(device)
                encoded = model.encode(batch.features, batch.feature_lengths, self._contexts.dev)
                logits, _ = model.speller(batch.targets.unsqueeze(1), model.memory(encoded))
                losses = spelling_loss(logits.squeeze(1), batch.targets, batch.target_lengths, 0.0)
                total += float(losses.sum())
                tokens += int(batch.target_lengths.sum()) + len(batch.keys)
        return total / max(1, tokens)

    @torch.no_grad()
    def _transcribed(self, batch: Batch) -> list[tuple[int, ...]]:
        model = self.model.model
        encoded = model.encode(batch.features, batch.feature_lengths, self._contexts.dev)
        return [best.tokens for best, *_ in self._search.search(encoded)]
