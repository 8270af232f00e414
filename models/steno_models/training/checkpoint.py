"""Checkpoints: one file with all that a training needs to go on exactly where it was.

A checkpoint is a safetensors file: the tensors of the model, the optimiser and the averaged
weights, with everything else as JSON in its header. Nothing that is loaded can run code. Files
appear whole or not at all, and a damaged one is passed over for the one before.
"""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from steno_models.errors import ConfigError, DataError
from steno_models.training.data import Position

_log = logging.getLogger(__name__)

_FORMAT = 1
_GROUPS = ("model", "optimiser", "average")

Setting = float | int | str | bool | None | list[float]
OptimiserGroup = dict[str, Setting]


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint holds besides tensors."""

    format: int
    step: int
    epoch: int
    batch: int
    optimiser_groups: list[OptimiserGroup]
    metrics: dict[str, float]
    audio_s: float
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a training needs to go on, after a step.

    The learning rate is a function of the step, and random numbers are drawn from seeds made of
    the step and the epoch: neither has a state to keep.

    Attributes:
        step: How many steps were taken.
        position: The next batch.
        model: Weights and buffers by name.
        optimiser: Moments, as `pack_optimiser` names them.
        optimiser_groups: Its other settings, for each group of weights.
        average: Averaged weights by name, empty if none are kept.
        metrics: Of the evaluation after this step, if there was one.
        audio_s: Seconds of audio trained on so far, repeats counted.
        fingerprint: Of the batches: with others, `position` means something else.
    """

    step: int
    position: Position
    model: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    optimiser_groups: Sequence[OptimiserGroup]
    average: Mapping[str, Tensor] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    audio_s: float = 0.0
    fingerprint: str = ""


class CheckpointFolder:
    """The checkpoints of one training: the last few, and the best by one measure.

    Args:
        folder: Where they are; made when the first one is saved.
        keep_last: How many of the newest to keep.
        measure: The metric whose lowest value makes a checkpoint the best.
    """

    def __init__(self, folder: Path, *, keep_last: int = 3, measure: str = "error") -> None:
        if keep_last < 1:
            raise ConfigError(f"expected to keep at least 1 checkpoint, found {keep_last}")
        self._folder = folder
        self._keep_last = keep_last
        self._measure = measure

    def paths(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return sorted(self._folder.glob("step-*.safetensors"))

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write `checkpoint`, forget the ones that are neither new nor best, return its path."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"step-{checkpoint.step:09d}.safetensors"
        write_checkpoint(path, checkpoint)
        for draft in self._folder.glob("step-*.tmp"):
            draft.unlink()  # of a process that was killed
        kept = {*self.paths()[-self._keep_last :], self.best()}
        for old in self.paths():
            if old not in kept:
                old.unlink()
        return path

    def latest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, or None."""
        for path in reversed(self.paths()):
            try:
                return read_checkpoint(path)
            except DataError as error:
                _log.warning("passing over a damaged checkpoint: %s", error)
        return None

    def best(self) -> Path | None:
        """Return the checkpoint with the lowest measure, the newest of equals, or None."""
        measured: list[tuple[float, Path]] = []
        for path in reversed(self.paths()):
            try:
                metrics = _read_header(path).metrics
            except DataError:
                continue  # `latest` complains about it
            if self._measure in metrics:
                measured.append((metrics[self._measure], path))
        return min(measured, key=lambda each: each[0])[1] if measured else None


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` so that a crash at any moment leaves the old file or the new one."""
    groups = (checkpoint.model, checkpoint.optimiser, checkpoint.average)
    tensors = {
        f"{group}/{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for group, values in zip(_GROUPS, groups, strict=True)
        for name, value in values.items()
    }
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, draft, metadata={"training": _header_json(checkpoint)})
        _flush_to_disk(draft)
        draft.replace(path)
        _flush_to_disk(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint at `path`, its tensors on the CPU.

    Raises:
        DataError: The file is missing, truncated or no checkpoint.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a checkpoint, found none")
    header = _read_header(path)
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in _GROUPS}
    with safe_open(path, framework="pt") as file:
        for full_name in file.keys():  # noqa: SIM118 - not a mapping
            group, _, name = full_name.partition("/")
            groups[group][name] = file.get_tensor(full_name)
    return Checkpoint(
        step=header.step,
        position=Position(header.epoch, header.batch),
        optimiser_groups=header.optimiser_groups,
        metrics=header.metrics,
        audio_s=header.audio_s,
        fingerprint=header.fingerprint,
        **groups,
    )


def weights_to_use(checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    """Return the weights that the evaluation measured: the averaged ones where there are any."""
    return checkpoint.average or checkpoint.model


def average_checkpoints(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Return the mean of the models' weights, (…) of each name; counters are the last one's.

    Raises:
        DataError: There are none, one is damaged, or they are of different models.
    """
    if not paths:
        raise DataError("expected checkpoints to average, found none")
    models = [read_checkpoint(path).model for path in paths]
    shapes = [{name: value.shape for name, value in model.items()} for model in models]
    for path, found in zip(paths, shapes, strict=True):
        if found != shapes[0]:
            raise DataError(f"{path}: expected weights like those of {paths[0]}, found others")
    return {name: _mean([model[name] for model in models]) for name in models[0]}


def pack_optimiser(
    optimiser: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], list[OptimiserGroup]]:
    """Return an optimiser's tensors, "weight number/name", and its groups' settings."""
    state = optimiser.state_dict()
    tensors = {
        f"{number}/{name}": value
        for number, values in state["state"].items()
        for name, value in values.items()
        if value is not None
    }
    return tensors, state["param_groups"]


def unpack_optimiser(
    optimiser: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    groups: Sequence[OptimiserGroup],
) -> None:
    """Give `optimiser` what `pack_optimiser` took from one of the same weights.

    Raises:
        DataError: It is of other weights.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for full_name, value in tensors.items():
        number, _, name = full_name.partition("/")
        state.setdefault(int(number), {})[name] = value
    restored = [
        # JSON has lists alone; what must stay one, the weights' numbers, is replaced on loading.
        {name: tuple(x) if isinstance(x, list) else x for name, x in group.items()}
        for group in groups
    ]
    try:
        optimiser.load_state_dict({"state": state, "param_groups": restored})
    except ValueError as error:
        raise DataError(f"expected the optimiser of the same weights, found: {error}") from error


def _header_json(checkpoint: Checkpoint) -> str:
    header = _Header(
        format=_FORMAT,
        step=checkpoint.step,
        epoch=checkpoint.position.epoch,
        batch=checkpoint.position.batch,
        optimiser_groups=list(checkpoint.optimiser_groups),
        # JSON has no nan and no infinity, and neither is the best.
        metrics={name: x for name, x in checkpoint.metrics.items() if math.isfinite(x)},
        audio_s=checkpoint.audio_s,
        fingerprint=checkpoint.fingerprint,
    )
    return msgspec.json.encode(header).decode()


def _read_header(path: Path) -> _Header:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: expected a whole checkpoint, found: {error}") from error
    try:
        return msgspec.json.decode(metadata.get("training", ""), type=_Header)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: expected a checkpoint of a training, found: {error}") from error


def _mean(values: Sequence[Tensor]) -> Tensor:
    if not values[-1].is_floating_point():
        return values[-1]
    return torch.stack([value.double() for value in values]).mean(dim=0).to(values[-1].dtype)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
