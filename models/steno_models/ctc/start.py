"""Weights to begin a training with: of a bundle, or of an earlier training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Size, Tensor

from steno_models.ctc.loss import TrainingCtc
from steno_models.errors import ConfigError, DataError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use

CMVN = "cmvn.safetensors"

_COUNTER = "batches_seen"
_CHECKPOINTED = "model/"


@dataclass(frozen=True, slots=True)
class Start:
    """What a training begins with.

    Attributes:
        path: the file of the weights.
        cmvn: the file of the normalisation that they were trained with.
    """

    path: Path
    cmvn: Path

    @classmethod
    def find(cls, place: Path) -> "Start":
        """Return what is at `place`.

        Args:
            place: the folder of a training, whose best checkpoint is taken; a bundle or another
                folder with `model.safetensors`; or a file of weights or a checkpoint, with
                `cmvn.safetensors` in its folder or the one above.

        Raises:
            ConfigError: there are no weights, or no normalisation with them.
        """
        path = _weights_at(place)
        for folder in (path.parent, path.parent.parent):
            if (folder / CMVN).is_file():
                return cls(path, folder / CMVN)
        raise ConfigError(f"expected {CMVN} beside the weights {path}, found none")

    def give(self, model: TrainingCtc) -> None:
        """Put the weights into `model`; outputs that a bundle lacks stay as they are.

        Raises:
            ConfigError: they are another model's.
        """
        weights = self._read()
        weights.pop(_COUNTER, None)  # this training has its own course
        expected = {name: w.shape for name, w in model.state_dict().items() if name != _COUNTER}
        for name, weight in weights.items():
            if expected.get(name) != weight.shape:
                raise ConfigError(
                    f"{self.path}: expected {name} of shape {_shape(expected.get(name))}, "
                    f"found {_shape(weight.shape)}; is [encoder] as it was?"
                )
        lacking = sorted(n for n in expected.keys() - weights.keys() if n.startswith("model."))
        if lacking:
            raise ConfigError(f"{self.path}: expected {lacking[0]}, found no such weight")
        model.load_state_dict(weights, strict=False)

    def read_cmvn(self) -> GlobalCmvn:
        """Return the normalisation that the weights were trained with."""
        return GlobalCmvn.load(self.cmvn)

    def _read(self) -> dict[str, Tensor]:
        """Return the weights by the names that `TrainingCtc` has for them."""
        try:
            weights = load_file(self.path)
        except (SafetensorError, OSError) as error:
            raise ConfigError(f"{self.path}: expected weights, found: {error}") from error
        if any(name.startswith(_CHECKPOINTED) for name in weights):
            return dict(_of_checkpoint(self.path))
        return {f"model.{name}": weight.float() for name, weight in weights.items()}


def _weights_at(place: Path) -> Path:
    if place.is_file():
        return place
    checkpoints = CheckpointFolder(place / "checkpoints")
    paths = checkpoints.paths()
    if paths:
        return checkpoints.best() or paths[-1]
    bundled = place / "model.safetensors"
    if bundled.is_file():
        return bundled
    raise ConfigError(f"init: expected a training, a bundle or weights at {place}, found none")


def _of_checkpoint(path: Path) -> Mapping[str, Tensor]:
    try:
        return weights_to_use(read_checkpoint(path))
    except DataError as error:
        raise ConfigError(str(error)) from error


def _shape(shape: Size | None) -> str:
    return "none" if shape is None else str(tuple(shape))
