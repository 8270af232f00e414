"""AdamW with a warm-up and a falling learning rate, and running averages of the weights.

Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019 (AdamW) and "SGDR",
ICLR 2017 (cosine); Vaswani et al., "Attention is all you need", NeurIPS 2017 (Noam).
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from steno_models.errors import ConfigError


class Schedule(StrEnum):
    """How the learning rate falls after the warm-up."""

    COSINE = "cosine"  # half a cosine down to `final_share` at `total_steps`
    NOAM = "noam"  # with the inverse square root of the step


@dataclass(frozen=True, slots=True)
class OptimOptions:
    """How weights are moved.

    Attributes:
        learning_rate: The highest, reached at the end of the warm-up.
        warmup_steps: Steps over which it rises from 0 in a straight line.
        total_steps: Where the cosine ends; later steps stay there.
        schedule: How it falls.
        final_share: Of the highest rate, that the cosine ends at.
        betas: AdamW's decay rates of the two moments.
        weight_decay: On matrices alone; biases and normalisations keep theirs.
        clip_norm: Longest gradient; longer ones are scaled down to it.
        ema_decay: Of the averaged weights for each step, or 0 for no averaging.
    """

    learning_rate: float = 1e-3
    warmup_steps: int = 1_000
    total_steps: int = 20_000
    schedule: Schedule = Schedule.COSINE
    final_share: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip_norm: float = 5.0
    ema_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.warmup_steps < self.total_steps:
            raise ConfigError(
                "expected 0 < warmup_steps < total_steps, "
                f"found {self.warmup_steps} and {self.total_steps}"
            )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"expected 0 <= ema_decay < 1, found {self.ema_decay}")
        if self.learning_rate <= 0 or self.clip_norm <= 0:
            raise ConfigError(
                "expected learning_rate and clip_norm above 0, "
                f"found {self.learning_rate} and {self.clip_norm}"
            )


def learning_rate_at(step: int, options: OptimOptions) -> float:
    """Return the learning rate of step number `step`, the first being 1."""
    if step <= options.warmup_steps:
        return options.learning_rate * step / options.warmup_steps
    if options.schedule is Schedule.NOAM:
        return options.learning_rate * math.sqrt(options.warmup_steps / step)
    falling_steps = options.total_steps - options.warmup_steps
    done = min(1.0, (step - options.warmup_steps) / falling_steps)
    share = options.final_share + (1 - options.final_share) * (1 + math.cos(math.pi * done)) / 2
    return options.learning_rate * share


def make_adamw(model: nn.Module, options: OptimOptions) -> torch.optim.AdamW:
    """Return AdamW over the model's trained weights, decaying its matrices alone."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in trained if w.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [w for w in trained if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=options.learning_rate,
        betas=options.betas,
        eps=1e-9,
        fused=True,  # one pass over the weights instead of a dozen
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give all weights of `optimiser` the same learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


class AveragedWeights:
    """An exponential running average of a model's weights and buffers.

    Early on the average is short, min(decay, (1 + step) / (10 + step)), so that it does not hold
    on to the first random weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._average = {name: value.clone() for name, value in _tensors(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after step number `step`."""
        decay = min(self._decay, (1 + step) / (10 + step))
        values = _tensors(model)
        moving = [name for name, value in values.items() if value.is_floating_point()]
        averages = [self._average[name] for name in moving]
        torch._foreach_lerp_(averages, [values[name] for name in moving], 1 - decay)
        for name in values.keys() - set(moving):
            self._average[name].copy_(values[name])  # counters are not averaged

    @contextmanager
    def put_into(self, model: nn.Module) -> Iterator[None]:
        """Let `model` have the average, and its own weights again afterwards."""
        own = {name: value.clone() for name, value in _tensors(model).items()}
        _copy(self._average, model)
        try:
            yield
        finally:
            _copy(own, model)

    def state(self) -> dict[str, Tensor]:
        """Return the average, for a checkpoint."""
        return dict(self._average)

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        if state.keys() != self._average.keys():
            unlike = sorted(state.keys() ^ self._average.keys())
            raise ConfigError(f"expected averages of the model's weights, found unlike: {unlike}")
        for name, value in state.items():
            self._average[name].copy_(value)


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return model.state_dict()


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], model: nn.Module) -> None:
    for name, place in _tensors(model).items():
        place.copy_(values[name])
