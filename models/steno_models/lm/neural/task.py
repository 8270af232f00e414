"""A network as a task of the training loop: mean -ln p of a unit, and perplexity of words."""

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from steno_models.training.data import Batch
from steno_models.training.loop import Batches


class TextNetwork(Protocol):
    """What a training asks of a network."""

    def __call__(
        self, inputs: Tensor, outputs: Tensor, memory: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return (B, U) ln p of `outputs` after `inputs`, and what is remembered at the end."""


class Carrying(nn.Module):
    """A network, and what it remembers from one batch to the next.

    The memory is a buffer, so that a checkpoint has it and a resumed training goes on exactly.

    Args:
        network: the model that is trained.
        memory: before the first batch; without one each row begins anew.
    """

    carried: Tensor | None

    def __init__(self, network: nn.Module, memory: Tensor | None = None) -> None:
        super().__init__()
        self.model = network
        self.register_buffer("carried", memory)

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """Return (B, U) ln p of `outputs` after `inputs`, (B, U) units each."""
        log_probs, memory = self.model(inputs, outputs, self.carried)
        if self.carried is not None:
            # Gradients end here: back-propagation through time is cut between batches.
            self.carried = memory.detach()
        found: Tensor = log_probs
        return found


class LmTask:
    """Trains `model`.

    Args:
        model: with its memory.
        dev: held-out text; where memory is carried its rows go on from batch to batch.
        units_per_word: of the held-out text, the ends counted as words.
    """

    def __init__(self, model: Carrying, dev: Batches, units_per_word: float) -> None:
        self.model = model
        self._dev = dev
        self._units_per_word = units_per_word

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the mean of -ln p over the batch's units, ()."""
        inputs, outputs = _pairs(batch)
        counted = _counted(batch, outputs)
        log_probs = self.model(inputs, outputs)
        return -(log_probs * counted).sum() / counted.sum(), {}

    def evaluate(self) -> Mapping[str, float]:
        """Return the perplexity of a held-out word as `error`.

        Rare words count by the probability of being one of them; the ends count as words.
        """
        network: TextNetwork = self.model.model
        carried, total, units = None, 0.0, 0
        for batch in self._dev.epoch(0):
            on_device = batch.to(next(self.model.parameters()).device)
            inputs, outputs = _pairs(on_device)
            log_probs, memory = network(inputs, outputs, carried)
            carried = memory if self.model.carried is not None else None
            counted = _counted(on_device, outputs)
            total -= float((log_probs * counted).sum())
            units += int(counted.sum())
        return {"error": math.exp(min(total / max(1, units) * self._units_per_word, 50.0))}


def _pairs(batch: Batch) -> tuple[Tensor, Tensor]:
    targets = batch.targets.long()
    return targets[:, :-1], targets[:, 1:]


def _counted(batch: Batch, outputs: Tensor) -> Tensor:
    """Return (B, U) whether each unit is one of the row's own."""
    places = torch.arange(outputs.shape[1], device=outputs.device)
    return places < batch.target_lengths[:, None]
