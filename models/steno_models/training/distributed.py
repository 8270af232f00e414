"""Several processes that train one model together, as `torchrun` starts them.

Each takes its share of every batch; gradients are averaged by `DistributedDataParallel`. Without
`torchrun` there is one process and nothing is set up.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from steno_models.errors import ConfigError

# While one process evaluates the others wait.
_PATIENCE = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this is, and what it computes on."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and the log."""
        return self.rank == 0

    def summed(self, values: list[float]) -> list[float]:
        """Return the sum of each value over all processes."""
        if self.world_size == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return [float(value) for value in total]


@contextmanager
def joined_ranks(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that `torchrun` started, for as long as the block takes.

    Args:
        device: `cpu`, `cuda` or `auto`, which is `cuda` where there is one.
    """
    rank, world_size = _from_environment("RANK", 0), _from_environment("WORLD_SIZE", 1)
    kind = "cuda" if device == "auto" and torch.cuda.is_available() else device
    kind = "cpu" if kind == "auto" else kind
    place = torch.device(kind)
    if kind == "cuda":
        place = torch.device("cuda", _from_environment("LOCAL_RANK", 0))
        torch.cuda.set_device(place)
    if world_size == 1:
        yield Ranks(0, 1, place)
        return
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(rank, world_size, place)
    finally:
        distributed.destroy_process_group()


def _from_environment(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise ConfigError(f"expected a number in the environment's {name}, found {value}")
    return int(value)
