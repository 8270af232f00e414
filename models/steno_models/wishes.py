"""What a stream may wish of any recogniser, checked alike."""

from collections.abc import Mapping
from typing import TypeVar

from steno_models.errors import ConfigError
from steno_models.recogniser import DecodeOptions

_Model = TypeVar("_Model")


def check_wishes(options: DecodeOptions) -> None:
    """Check what does not depend on the recogniser.

    Raises:
        ConfigError: an impossible chunk or beam.
    """
    if options.chunk_steps is not None and options.chunk_steps < 1:
        raise ConfigError(f"expected a chunk of 1 step or more, found {options.chunk_steps}")
    if options.first_chunk_steps is not None and options.first_chunk_steps < 1:
        raise ConfigError(
            f"expected a first chunk of 1 step or more, found {options.first_chunk_steps}"
        )
    if not options.beam_scale > 0:
        raise ConfigError(f"expected a beam scale above 0, found {options.beam_scale}")


def wished(models: Mapping[str, _Model], options: DecodeOptions) -> _Model:
    """Return the one of a recogniser's own language models that is wished.

    Raises:
        ConfigError: it has none of that name, or the stream brings one of its own.
    """
    name = options.language_model
    if isinstance(name, str) and name in models:
        return models[name]
    known = ", ".join(sorted(models))
    found = name if isinstance(name, str) else "one that was made for a search of CTC"
    raise ConfigError(f"expected one of the language models {known}, found {found}")
