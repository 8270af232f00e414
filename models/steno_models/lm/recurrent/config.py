"""What a TOML file may say about a training of the recurrent network.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from steno_models.lm.neural.config import LmConfig
from steno_models.lm.recurrent.model import RecurrentShape
from steno_models.training.sections import Count, Share
from steno_models.training.toml_file import converted, read_table


class Network(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network's shape, field by field that of `RecurrentShape`."""

    width: Count = 192
    cells: Count = 512
    layers: Count = 1
    shortlist: Count = 4000
    class_size: Count = 128
    dropout: Share = 0.1

    def shape(self) -> RecurrentShape:
        """Return it as the network takes it."""
        return RecurrentShape(**msgspec.structs.asdict(self))


class TrainConfig(LmConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training.

    Attributes:
        kind: says which kind of model the file is about.
        context: `carried` from sentence to sentence, or each `sentence` alone.
        network: its shape.
        init: a trained model of the same shape whose weights and units are to begin with.
    """

    kind: Literal["recurrent"]
    context: Literal["carried", "sentence"] = "carried"
    network: Network = Network()
    init: Path | None = None


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), TrainConfig, path)
