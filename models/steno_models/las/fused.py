"""The language model that a speller's training says it is joined to."""

from collections.abc import Sequence

from steno_models.errors import ConfigError
from steno_models.fusion.language import LanguageNetwork, OpenLanguage
from steno_models.las.config import TrainConfig


def fused_language(
    config: TrainConfig, symbols: Sequence[str], open_language: OpenLanguage | None
) -> LanguageNetwork | None:
    """Return the language model of the fusion in `config`, None if there is none.

    Raises:
        ConfigError: there is nobody to open it, or it is one of other tokens.
    """
    if config.fusion is None:
        return None
    if open_language is None:
        raise ConfigError(
            f"expected a speller without a language model, found {config.fusion.kind} fusion"
        )
    return open_language(config.fusion.language_model, symbols)
