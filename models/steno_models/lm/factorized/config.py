"""What a TOML file may say about a training of factors.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.errors import ConfigError
from steno_models.lm.neural.config import LmConfig
from steno_models.training.sections import Amount, Count
from steno_models.training.toml_file import converted, read_table


class FactorsTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is approximated, and by how much.

    Attributes:
        order: n; histories have up to n - 1 words.
        least: occurrences that a history needs to have a vector.
        width: D, of the vectors.
        transform: of counts: `log`, ln(1 + c), or `none`.
        zero_weight: of what was never seen, against 1 of what was.
        rows: histories in a batch.
    """

    order: Annotated[int, Meta(ge=2)] = 2
    least: Count = 5
    width: Count = 64
    transform: Literal["log", "none"] = "log"
    zero_weight: Amount = 1.0
    rows: Count = 512


class TrainConfig(LmConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training.

    Attributes:
        kind: says which kind of model the file is about.
        factors: what is approximated.
    """

    kind: Literal["factorized"]
    factors: FactorsTable = FactorsTable()


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    config = converted(read_table(path), TrainConfig, path)
    if config.units.kind != "words":
        raise ConfigError(f"{path}: expected units of words, found {config.units.kind}")
    return config
