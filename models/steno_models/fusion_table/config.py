"""What a TOML file may say about a table of fusions.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from steno_models.errors import ConfigError
from steno_models.las.config import TrainConfig
from steno_models.las.config import read_config as read_speller
from steno_models.lm.recurrent.config import read_config as read_language_model
from steno_models.training.sections import Amount, Count, Share
from steno_models.training.toml_file import converted, read_table


class Domain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people speak about.

    Attributes:
        name: what the table calls it.
        language_model: the recipe of a recurrent model, for `steno-models lm train`.
        manifest: speech to measure on.
    """

    name: Annotated[str, Meta(min_length=1)]
    language_model: Path
    manifest: Path

    def network(self) -> Path:
        """Return the folder of the trained language model."""
        return read_language_model(self.language_model).folder / "lm"


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How all systems search.

    Attributes:
        beam: hypotheses of an utterance.
        candidates: next labels of each that a language model is asked about.
        ctc_weight: λ of CTC beside the speller.
        labels_per_step: at most, for each encoder step.
        lm_weight: in shallow fusion.
        subtracted_weight: of what is taken away then.
    """

    beam: Count = 8
    candidates: Count = 12
    ctc_weight: Share = 0.2
    labels_per_step: Annotated[float, Meta(gt=0)] = 1.0
    lm_weight: Annotated[float, Meta(gt=0)] = 0.3
    subtracted_weight: Amount = 0.15


class FusionTableConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table.

    Attributes:
        folder: gets `curves.png`.
        plain: the recipe of the speller without a fusion.
        domains: the first one is what spellers and fusions are trained on.
        deep: the recipe of deep fusion.
        cold: the recipe of cold fusion.
        search: of all.
    """

    folder: Path
    plain: Path
    domains: Annotated[tuple[Domain, ...], Meta(min_length=1)]
    deep: Path | None = None
    cold: Path | None = None
    search: Search = Search()

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        names = [domain.name for domain in self.domains]
        if len(set(names)) < len(names):
            raise ValueError(f"expected domains of different names, found {', '.join(names)}")

    def fusions(self) -> dict[str, Path]:
        """Return the recipes of those that there are, by kind."""
        found = {"deep": self.deep, "cold": self.cold}
        return {kind: path for kind, path in found.items() if path is not None}

    def spellers(self) -> dict[str, TrainConfig]:
        """Return what all recipes of spellers say: of `plain`, and of each kind of fusion.

        Raises:
            ConfigError: one has another fusion, or another language model, than it should.
        """
        plain = read_speller(self.plain)
        if plain.fusion is not None:
            raise ConfigError(f"{self.plain}: expected no fusion, found {plain.fusion.kind}")
        first = self.domains[0].network().resolve()
        found = {"plain": plain}
        for kind, path in self.fusions().items():
            config = read_speller(path)
            if config.fusion is None or config.fusion.kind != kind:
                there = "none" if config.fusion is None else config.fusion.kind
                raise ConfigError(f"{path}: expected {kind} fusion, found {there}")
            if config.fusion.language_model.resolve() != first:
                raise ConfigError(
                    f"{path}: expected the language model of {self.domains[0].name}, {first}, "
                    f"found {config.fusion.language_model}"
                )
            found[kind] = config
        return found


def read_fusion_table(path: Path) -> FusionTableConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), FusionTableConfig, path)
