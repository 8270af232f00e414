"""The shape of an encoder as a table of a TOML file: `kind` and the fields of its options."""

from dataclasses import asdict, fields
from typing import get_args

import msgspec

from steno_models.encoders.build import EncoderOptions
from steno_models.errors import ConfigError
from steno_models.training.toml_file import Table

_ENDING = "options"
_OPTIONS = {
    kind.__name__.lower().removesuffix(_ENDING): kind
    for kind in (get_args(EncoderOptions) or (EncoderOptions,))
}


def encoder_options(table: Table) -> EncoderOptions:
    """Return the shape that `table` says: `kind`, and fields of that encoder's options.

    Raises:
        ConfigError: there is no such encoder, or it has no such field.
    """
    given = dict(table)
    kind = given.pop("kind", "conformer")
    if not isinstance(kind, str) or kind not in _OPTIONS:
        raise ConfigError(f"encoder: expected a kind of: {', '.join(_OPTIONS)}, found {kind!r}")
    options = _OPTIONS[kind]
    unknown = given.keys() - {field.name for field in fields(options)}
    if unknown:
        raise ConfigError(f"encoder: expected fields of a {kind}, found {', '.join(unknown)}")
    try:
        return msgspec.convert(given, options)
    except msgspec.ValidationError as error:
        raise ConfigError(f"encoder: {str(error)[:1].lower()}{str(error)[1:]}") from error


def encoder_table(options: EncoderOptions) -> Table:
    """Return the table that `encoder_options` makes `options` of."""
    return {"kind": type(options).__name__.lower().removesuffix(_ENDING), **asdict(options)}
