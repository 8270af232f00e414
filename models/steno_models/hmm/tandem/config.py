"""What a TOML file may say about a tandem: all of a training of Gaussians, and the network."""

from pathlib import Path
from typing import Literal

from steno_models.hmm.config import TrainConfig
from steno_models.hmm.tandem.features import Source
from steno_models.training.sections import Count
from steno_models.training.toml_file import converted, read_table


class TandemConfig(TrainConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training of Gaussians on what a network hears.

    Attributes:
        kind: what is trained, here always "tandem".
        hybrid: the TOML file of the hybrid's training, whose best network is taken.
        source: what of the network.
        width: principal components that are kept of it.
        pca_every: of the recordings, every so-manieth counts for them.
    """

    kind: Literal["tandem"]
    hybrid: Path
    source: Source = "posteriors"
    width: Count = 24
    pca_every: Count = 4


def read_tandem(path: Path) -> TandemConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), TandemConfig, path)
