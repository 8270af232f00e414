"""Reading a TOML file into types: paths relative to the file, `~` and `$VARIABLES` filled in."""

import os
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from steno_models.errors import ConfigError

Table = dict[str, object]

_UNSET = re.compile(r"\$\{?(\w+)")
_Config = TypeVar("_Config")


def read_table(path: Path) -> Table:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"expected a TOML file at {path}, found: {error}") from error


def converted(table: object, kind: type[_Config], path: Path, what: str = "") -> _Config:
    """Return `table` of the file at `path` as a `kind`.

    Args:
        table: what `read_table` found, or a part of it.
        kind: what it should be.
        path: of the file, which paths are relative to.
        what: of the file is read, for messages; all of it if empty.

    Raises:
        ConfigError: it says something else than expected.
    """
    try:
        return msgspec.convert(table, kind, dec_hook=partial(_located, base=path.resolve().parent))
    except msgspec.ValidationError as error:
        message = str(error)
        place = f"{path}: {what}" if what else f"{path}"
        raise ConfigError(f"{place}: {message[:1].lower()}{message[1:]}") from error


def _located(kind: type, value: object, *, base: Path) -> object:
    """Return the path that `value` writes, seen from the folder `base`; any object as it is."""
    if kind is object:
        return value
    if kind is not Path or not isinstance(value, str):
        raise ValueError(f"expected {kind.__name__}, found {value!r}")
    filled = os.path.expandvars(value)
    unset = _UNSET.search(filled)
    if unset:
        raise ValueError(f"expected the environment variable {unset[1]} to be set, found it unset")
    return base / Path(filled).expanduser()
