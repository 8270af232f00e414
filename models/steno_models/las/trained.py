"""A trained listener and speller, from the TOML file of its training and what that has written."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from steno_models.encoders.protocol import Context
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.fusion.language import OpenLanguage
from steno_models.fusion.start import fused_language
from steno_models.las.attention_map import attention_map
from steno_models.las.config import TrainConfig
from steno_models.las.model import Encoded, LasModel
from steno_models.las.search import Hypothesis, LasSearch, SearchOptions
from steno_models.text.units import Units
from steno_models.training.speech import WEIGHTS, written_units
from steno_models.training.start import CMVN
from steno_models.training.varied import Plain
from steno_models.types import FloatArray


@dataclass(frozen=True, slots=True)
class TrainedLas:
    """A model with all that it takes to use it.

    Attributes:
        model: in evaluation mode.
        cmvn: the normalisation that it was trained with.
        units: what its tokens mean.
        context: how far an encoder step looks.
    """

    model: LasModel
    cmvn: GlobalCmvn
    units: Units
    context: Context

    @classmethod
    def load(
        cls,
        config: TrainConfig,
        folder: Path | None = None,
        *,
        open_language: OpenLanguage | None = None,
    ) -> "TrainedLas":
        """Return what a training has written.

        Args:
            config: of the training.
            folder: where `steno-models train` wrote to; the run's own `acoustic/` if left out.
            open_language: opens the language model of a fusion.

        Raises:
            ConfigError: there are no weights, or others than `config` says.
            DataError: normalisation or tokens cannot be read.
        """
        folder = config.folder / "acoustic" if folder is None else folder
        units = written_units(config, folder)
        language = fused_language(config.fusion, units.table.symbols, open_language)
        model = LasModel(config.options(), len(units.table), language)
        try:
            weights = load_file(folder / WEIGHTS)
            model.load_state_dict({name: weight.float() for name, weight in weights.items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ConfigError(
                f"expected the weights of a training in {folder}, found: {error}"
            ) from error
        return cls(
            model.eval().requires_grad_(requires_grad=False),
            GlobalCmvn.load(folder / CMVN),
            units,
            config.chunks.contexts().dev,
        )

    @torch.inference_mode()
    def encode(self, features: FloatArray) -> Encoded:
        """Return the encoder steps of one utterance's log-mel energies, (T, F)."""
        heard = self._normalised(features)
        return self.model.encode(
            torch.from_numpy(heard).unsqueeze(0), torch.tensor([len(heard)]), self.context
        )

    def recognise(
        self, features: FloatArray, options: SearchOptions, n_best: int = 1
    ) -> list[Hypothesis]:
        """Return the best texts of one utterance's log-mel energies, (T, F)."""
        return LasSearch(self.model, options).search(self.encode(features), n_best)[0]

    def attention_map(self, features: FloatArray, text: str) -> tuple[list[str], FloatArray]:
        """Return the U tokens of `text` and the looks before each, (U, S), which sum to 1.

        Step s is about the frames of 10 ms from s·factor on, with `model.encoder.grid.factor`; at
        the end there are some of the silence that every utterance is followed by.

        Args:
            features: log-mel energies of the utterance, (T, F).
            text: what is said in it.
        """
        tokens = self.units.encode(text).tolist()
        symbols = [self.units.table.symbols[token] for token in tokens]
        return symbols, attention_map(self.model, self._normalised(features), tokens, self.context)

    def _normalised(self, features: FloatArray) -> FloatArray:
        return Plain(self.cmvn).of(features)
