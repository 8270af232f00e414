"""The trained speller that deep fusion begins with."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from steno_models.errors import ConfigError, DataError
from steno_models.las.model import LasModel
from steno_models.training.checkpoint import read_checkpoint, weights_to_use
from steno_models.training.speech import TOKENS
from steno_models.training.start import EncoderStart

_CHECKPOINTED = "model/"
_FUSION = "speller.fusion."


@dataclass(frozen=True, slots=True)
class SpellerStart:
    """A trained listener and speller.

    Attributes:
        weights: the file that holds them.
        tokens: the file of what the speller writes.
    """

    weights: Path
    tokens: Path

    @classmethod
    def find(cls, place: Path) -> "SpellerStart":
        """Return what is at `place`, the folder of a training, whose best checkpoint is taken.

        Raises:
            ConfigError: there are no weights, or no normalisation or tokens with them.
        """
        weights = EncoderStart.find(place).weights
        for folder in (weights.parent, weights.parent.parent):
            if (folder / TOKENS).is_file():
                return cls(weights, folder / TOKENS)
        raise ConfigError(f"fusion.speller: expected {TOKENS} beside {weights}, found none")

    def give(self, model: LasModel) -> None:
        """Put all weights into `model`; those of its fusion stay as they are.

        Raises:
            ConfigError: they are of another shape.
        """
        found = self._read()
        wanted = {name for name in model.state_dict() if not name.startswith(_FUSION)}
        if found.keys() != wanted:
            differing = ", ".join(sorted(found.keys() ^ wanted)[:3])
            raise ConfigError(
                f"{self.weights}: expected the weights of a speller as [encoder] and [speller] say "
                f"and without a fusion, found differences: {differing}"
            )
        try:
            model.load_state_dict(found, strict=False)
        except RuntimeError as error:
            raise ConfigError(
                f"{self.weights}: expected weights as [encoder] and [speller] say, found others: "
                f"{error}"
            ) from error

    def _read(self) -> dict[str, Tensor]:
        """Return the weights by the names that the model has for them."""
        try:
            found = load_file(self.weights)
            if not any(name.startswith(_CHECKPOINTED) for name in found):
                return {name: weight.float() for name, weight in found.items()}
            kept = weights_to_use(read_checkpoint(self.weights))
        except (SafetensorError, OSError, DataError) as error:
            raise ConfigError(f"{self.weights}: expected weights, found: {error}") from error
        return {
            name.removeprefix("model."): weight
            for name, weight in kept.items()
            if name.startswith("model.")
        }
