"""What a training with a fusion begins with: a language model, and a trained model for deep fusion.

Of interest to trainings alone.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from steno_models.errors import ConfigError, DataError
from steno_models.fusion.language import LanguageNetwork, OpenLanguage
from steno_models.fusion.section import FusionSection
from steno_models.training.checkpoint import read_checkpoint, weights_to_use
from steno_models.training.distributed import Ranks
from steno_models.training.speech import TOKENS
from steno_models.training.speech_sections import SpeechConfig
from steno_models.training.start import EncoderStart

_CHECKPOINTED = "model/"
_FUSION = ".fusion."


@dataclass(frozen=True, slots=True)
class TrainedStart:
    """A trained model.

    Attributes:
        weights: the file that holds them.
        tokens: the file of what the model writes.
    """

    weights: Path
    tokens: Path

    @classmethod
    def find(cls, place: Path) -> "TrainedStart":
        """Return what is at `place`, the folder of a training, whose best checkpoint is taken.

        Raises:
            ConfigError: there are no weights, or no normalisation or tokens with them.
        """
        weights = EncoderStart.find(place).weights
        for folder in (weights.parent, weights.parent.parent):
            if (folder / TOKENS).is_file():
                return cls(weights, folder / TOKENS)
        raise ConfigError(f"fusion.after: expected {TOKENS} beside {weights}, found none")

    def give(self, model: nn.Module, moved: Mapping[str, str] | None = None) -> None:
        """Put all weights into `model`; those of its fusion stay as they are.

        Args:
            model: gets them.
            moved: what names of weights begin with there, by what they begin with here.

        Raises:
            ConfigError: they are of another shape.
        """
        found = {_moved(name, moved or {}): weight for name, weight in self._read().items()}
        wanted = {name for name in model.state_dict() if _FUSION not in name}
        if found.keys() != wanted:
            differing = ", ".join(sorted(found.keys() ^ wanted)[:3])
            raise ConfigError(
                f"{self.weights}: expected the weights of a model of this shape and without a "
                f"fusion, found differences: {differing}"
            )
        try:
            model.load_state_dict(found, strict=False)
        except RuntimeError as error:
            raise ConfigError(
                f"{self.weights}: expected weights of this shape, found others: {error}"
            ) from error

    def _read(self) -> dict[str, Tensor]:
        """Return the weights by the names that the model had for them."""
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


def begin(fusion: FusionSection | None, folder: Path, ranks: Ranks) -> TrainedStart | None:
    """Return the model that deep fusion goes on from; its tokens become those of the run.

    Args:
        fusion: of a training; None, or another kind, begins with nothing.
        folder: of the run.
        ranks: the processes.
    """
    if fusion is None or fusion.after is None:
        return None
    found = TrainedStart.find(fusion.after)
    tokens = folder / TOKENS
    if ranks.is_first and not tokens.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.tokens, tokens)
    return found


def with_encoder_of(config: SpeechConfig, fusion: FusionSection | None) -> SpeechConfig:
    """Return `config` with the encoder, and so the normalisation, of what deep fusion comes after.

    Args:
        config: of a training, which has a field `fusion`.
        fusion: what stands there.
    """
    if fusion is None or fusion.after is None:
        return config
    return structs.replace(config, fusion=None, init_encoder=fusion.after)


def fused_language(
    fusion: FusionSection | None, symbols: Sequence[str], open_language: OpenLanguage | None
) -> LanguageNetwork | None:
    """Return the language model of a fusion, None if there is none.

    Args:
        fusion: of a training.
        symbols: of its tokens.
        open_language: opens language models.

    Raises:
        ConfigError: there is nobody to open it, or it is one of other tokens.
    """
    if fusion is None:
        return None
    if open_language is None:
        raise ConfigError(
            f"expected a model without a language model within, found {fusion.kind} fusion"
        )
    return open_language(fusion.language_model, symbols)


def _moved(name: str, moved: Mapping[str, str]) -> str:
    for here, there in moved.items():
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name
