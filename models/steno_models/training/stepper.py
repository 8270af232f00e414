"""One step of a training: gradients of a few batches on all ranks, then the weights' move."""

import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from steno_models.encoders.protocol import Trained
from steno_models.errors import ConfigError
from steno_models.features.fbank import FRAME_SHIFT_SAMPLES, SAMPLE_RATE
from steno_models.narrow import multiplies_bfloat16
from steno_models.training.checkpoint import Checkpoint, unpack_optimiser, weights_to_use
from steno_models.training.data import Batch
from steno_models.training.distributed import Ranks
from steno_models.training.optim import (
    AveragedWeights,
    OptimOptions,
    learning_rate_at,
    make_adamw,
    set_learning_rate,
)

_log = logging.getLogger(__name__)


class Task(Protocol):
    """What a model family brings to a training."""

    @property
    def model(self) -> nn.Module:
        """The model whose weights are trained."""

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the mean loss over the batch's utterances, (), and what else to report.

        The batch is on the model's device. Means are weighted by the number of utterances, or of
        what a `Weighed` task says, so that how a batch was dealt out over ranks and parts does not
        change the gradient.
        """

    def evaluate(self) -> Mapping[str, float]:
        """Return measures on the held-out set; the one called `error` decides what is best."""


@runtime_checkable
class Weighed(Protocol):
    """A task whose loss is a mean over something else than utterances."""

    def weight(self, batch: Batch) -> float:
        """Return over how much of it the mean is taken: encoder steps, tokens.

        The batch is on the CPU.
        """


@dataclass(slots=True)
class Tally:
    """Weighted sums over some steps on one rank or on all, and the sum of the weights."""

    weight: float = 0.0
    loss: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Take in the sums of `other`."""
        self.weight += other.weight
        self.loss += other.loss
        for name, value in other.metrics.items():
            self.metrics[name] = self.metrics.get(name, 0.0) + value


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of a step.

    Attributes:
        taken: Whether the weights moved.
        tally: Sums over this rank's share.
        audio_s: Seconds of audio on all ranks.
        gradient_norm: Before clipping.
        stop: Whether some rank was asked to stop; all ranks have the same answer.
    """

    taken: bool
    stop: bool
    tally: Tally = field(default_factory=Tally)
    audio_s: float = 0.0
    gradient_norm: float = 0.0


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What all ranks know of a batch before its backward pass."""

    finite: bool
    stop: bool
    weight: float
    audio_s: float


class _LossModule(nn.Module):
    """The task's loss as a module: the one call that `DistributedDataParallel` sees."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.model = task.model
        self._task = task

    def forward(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the task's loss of `batch`."""
        return self._task.loss(batch)


class Stepper:
    """Moves a model's weights, the same way on every rank.

    Random numbers of a step (dropout) are seeded by the step's number, so they need no state in a
    checkpoint and do not depend on what was drawn between steps.
    """

    def __init__(
        self, task: Task, options: OptimOptions, ranks: Ranks, *, bf16: bool, seed: int
    ) -> None:
        task.model.to(ranks.device)
        self._options = options
        self._ranks = ranks
        # Others spell out each product of 16 bits, slowly, and have none at all for some layers.
        self._bf16 = bf16 and (ranks.device.type != "cpu" or multiplies_bfloat16())
        self._seed = seed
        self._model = task.model
        self._task = task
        self._trained = [each for each in task.model.modules() if isinstance(each, Trained)]
        self._joined: DistributedDataParallel | None = None
        self.stop_asked = False
        self.optimiser = make_adamw(task.model, options)
        self.average = AveragedWeights(task.model, options.ema_decay) if options.ema_decay else None

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over weights, moments and averages.

        Raises:
            ConfigError: They are another model's.
        """
        try:
            self._model.load_state_dict(dict(checkpoint.model))
        except RuntimeError as error:
            raise ConfigError(f"expected a checkpoint of this model, found: {error}") from error
        unpack_optimiser(self.optimiser, checkpoint.optimiser, checkpoint.optimiser_groups)
        if self.average is not None:
            self.average.restore(weights_to_use(checkpoint))

    def join(self) -> None:
        """Make this rank's model that of the first rank and share gradients from now on."""
        if self._ranks.world_size > 1:
            self._joined = DistributedDataParallel(_LossModule(self._task))

    def step(self, number: int, batches: Sequence[Batch]) -> StepResult:
        """Take step `number` on the joint gradient of `batches`, or skip them all.

        They are skipped, with a warning that names their utterances, where a loss or the gradient
        is not finite.
        """
        self._seed_step(number)
        self._model.train()
        for each in self._trained:
            each.before_step((number - 1) / self._options.total_steps)
        self.optimiser.zero_grad(set_to_none=True)
        tally, weight, audio_s, stop = Tally(), 0.0, 0.0, False
        for place, batch in enumerate(batches):
            agreed = self._add_gradient(batch, tally, is_last=place == len(batches) - 1)
            weight += agreed.weight
            audio_s += agreed.audio_s
            stop = stop or agreed.stop
            if not agreed.finite:
                return StepResult(taken=False, stop=stop)
        norm = self._scale_gradient(self._ranks.world_size / weight)
        if not np.isfinite(norm):
            _warn_skipped("gradient", batches)
            return StepResult(taken=False, stop=stop)
        set_learning_rate(self.optimiser, learning_rate_at(number, self._options))
        self.optimiser.step()
        for each in self._trained:
            each.after_step()
        if self.average is not None:
            self.average.update(self._model, number)
        return StepResult(taken=True, stop=stop, tally=tally, audio_s=audio_s, gradient_norm=norm)

    def _seed_step(self, number: int) -> None:
        sequence = np.random.SeedSequence([self._seed, number, self._ranks.rank])
        seed = int(sequence.generate_state(1, np.uint64)[0] >> 1)
        # torch.manual_seed would also queue the seed for every absent kind of device, slowly.
        torch.default_generator.manual_seed(seed)
        if self._ranks.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        random.seed(seed)

    def _add_gradient(self, batch: Batch, tally: Tally, *, is_last: bool) -> _Agreed:
        """Add the gradient of the loss times the batch's weight, if it is finite."""
        loss_of = self._joined if self._joined is not None else self._task.loss
        with self._without_sharing(unless=is_last):
            with torch.autocast(self._ranks.device.type, torch.bfloat16, enabled=self._bf16):
                loss, metrics = loss_of(batch.to(self._ranks.device))
            found, weight = float(loss.detach()), self._weight(batch)
            if not np.isfinite(found):
                _warn_skipped("loss", [batch])
            agreed = self._agree(found, weight, batch)
            if agreed.finite:
                (loss * weight).backward()
                sums = {name: float(value) * weight for name, value in metrics.items()}
                tally.add(Tally(weight, found * weight, sums))
        return agreed

    def _without_sharing(self, *, unless: bool) -> AbstractContextManager[None]:
        if self._joined is None or unless:
            return nullcontext()
        return self._joined.no_sync()

    def _weight(self, batch: Batch) -> float:
        return self._task.weight(batch) if isinstance(self._task, Weighed) else len(batch.keys)

    def _agree(self, loss: float, weight: float, batch: Batch) -> _Agreed:
        bad, stop, weight, audio_s = self._ranks.summed(
            [not np.isfinite(loss), self.stop_asked, weight, _audio_s(batch)]
        )
        return _Agreed(bad == 0, stop > 0, weight, audio_s)

    def _scale_gradient(self, factor: float) -> float:
        """Turn the ranks' averaged sums into the mean over all of them; return its norm."""
        weights = [weight for weight in self._model.parameters() if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        torch._foreach_mul_(gradients, factor)
        return float(nn.utils.clip_grad_norm_(weights, self._options.clip_norm))


def _audio_s(batch: Batch) -> float:
    return float(batch.feature_lengths.sum()) * FRAME_SHIFT_SAMPLES / SAMPLE_RATE


def _warn_skipped(what: str, batches: Sequence[Batch]) -> None:
    keys = ", ".join(key for batch in batches for key in batch.keys)
    _log.warning("expected a finite %s, found another: skipping the utterances %s", what, keys)
