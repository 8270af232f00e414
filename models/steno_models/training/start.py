"""The encoder to begin with: of a bundle or of an earlier training, of any family that has it."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from steno_models.errors import ConfigError, DataError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use

CMVN = "cmvn.safetensors"

# What the encoder is called within a bundle's weights and within those of a training.
_PREFIXES = ("encoder.", "model.encoder.")
_CHECKPOINTED = "model/"


@dataclass(frozen=True, slots=True)
class EncoderStart:
    """A trained encoder.

    Attributes:
        weights: the file that holds them.
        cmvn: the file of the normalisation that they were trained with.
    """

    weights: Path
    cmvn: Path

    @classmethod
    def find(cls, place: Path) -> "EncoderStart":
        """Return what is at `place`.

        Args:
            place: the folder of a training, whose best checkpoint is taken; a bundle; or a file
                of weights, with `cmvn.safetensors` in its folder or the one above.

        Raises:
            ConfigError: there are no weights, or no normalisation with them.
        """
        weights = _weights_at(place)
        for folder in (weights.parent, weights.parent.parent):
            if (folder / CMVN).is_file():
                return cls(weights, folder / CMVN)
        raise ConfigError(f"init_encoder: expected {CMVN} beside {weights}, found none")

    def give(self, encoder: nn.Module) -> None:
        """Put the weights into `encoder`.

        Raises:
            ConfigError: they are of another shape.
        """
        try:
            encoder.load_state_dict(self._read())
        except RuntimeError as error:
            raise ConfigError(
                f"{self.weights}: expected an encoder as [encoder] says, found another: {error}"
            ) from error

    def read_cmvn(self) -> GlobalCmvn:
        """Return the normalisation that the encoder was trained with."""
        return GlobalCmvn.load(self.cmvn)

    def _read(self) -> dict[str, Tensor]:
        """Return the encoder's weights by the names that it has for them itself."""
        try:
            found = load_file(self.weights)
            if any(name.startswith(_CHECKPOINTED) for name in found):
                found = dict(weights_to_use(read_checkpoint(self.weights)))
        except (SafetensorError, OSError, DataError) as error:
            raise ConfigError(f"{self.weights}: expected weights, found: {error}") from error
        return {
            name.removeprefix(prefix): weight.float()
            for name, weight in found.items()
            for prefix in _PREFIXES
            if name.startswith(prefix)
        }


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
    raise ConfigError(
        f"init_encoder: expected a training, a bundle or weights at {place}, found none"
    )
