"""What a TOML file may say about a comparison.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.hmm.recipe import ADAPTED, STAGES
from steno_models.training.sections import Count
from steno_models.training.toml_file import converted, read_table

Kind = Literal["gmm", "tandem", "hybrid", "ctc", "rnnt", "las", "bundle"]
Way = Literal["stream", "speaker"]

_ROUND = re.compile(r"round[1-9]\d*|sequence")


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How wide to search and how to weigh, where it is not as the family's bundles have it."""

    beam: Annotated[float, Meta(gt=0)] | None = None
    max_tokens: Count | None = None
    lm_weight: Annotated[float, Meta(ge=0)] | None = None
    word_score: float | None = None


class System(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the table.

    Attributes:
        name: what the table calls it.
        kind: what it is: Gaussians (also in a subspace), Gaussians on a network, a network with
            hidden Markov states, a family that writes, or a bundle that is there already.
        recipe: the TOML file of its training; of all but bundles.
        bundle: a bundle's directory, or the name of an embedded one; it is heard with the first of
            its own language models.
        stage: of a training that has several; of `ctc` the last one if left out.
        way: how it hears: as a `stream`, chunk by chunk, or all that a `speaker` says before the
            first word. Where it is left out, as a stream if it can.
        after: the system whose training this one's goes on from, for the time of both.
        search: what is different in its search.
        word_score_without: instead of the language model's, where its scores are on another scale.
        acoustic_scale: of hidden Markov models, where it is not as their training has it.
    """

    name: Annotated[str, Meta(min_length=1)]
    kind: Kind
    recipe: Path | None = None
    bundle: Path | None = None
    stage: str | None = None
    way: Way | None = None
    after: str | None = None
    search: Search = Search()
    word_score_without: float | None = None
    acoustic_scale: Annotated[float, Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        wanted, other = ("bundle", "recipe") if self.kind == "bundle" else ("recipe", "bundle")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"expected a {wanted} and no {other} for the kind {self.kind}")
        self._check_stage()
        of_hmms = {"way": self.way, "acoustic_scale": self.acoustic_scale}
        for name, value in of_hmms.items():
            if value is not None and self.kind not in {"gmm", "hybrid", "tandem"}:
                raise ValueError(f"expected no {name} for the kind {self.kind}, found {value}")
        if self.way == "stream" and not self._can_stream:
            raise ValueError(f'expected the way "speaker" for {self.kind} {self.stage}')

    def _check_stage(self) -> None:
        found = self.stage or "none"
        if self.kind in {"gmm", "tandem"} and found not in STAGES:
            raise ValueError(f"expected a stage of: {', '.join(STAGES)}, found {found}")
        if self.kind == "hybrid" and not _ROUND.fullmatch(found):
            raise ValueError(f"expected a stage of: round1, round2, …, sequence, found {found}")
        if self.kind in {"rnnt", "las", "bundle"} and self.stage is not None:
            raise ValueError(f"expected no stage for the kind {self.kind}, found {found}")

    @property
    def _can_stream(self) -> bool:
        return self.kind != "tandem" and not (self.kind == "gmm" and self.stage == ADAPTED)

    @property
    def hears(self) -> Way:
        """How it hears."""
        return self.way or ("stream" if self._can_stream else "speaker")

    def training(self) -> Path:
        """Return the TOML file of its training.

        Raises:
            ValueError: a bundle has none.
        """
        if self.recipe is None:
            raise ValueError(f"expected a system that is trained, found the bundle {self.bundle}")
        return self.recipe


class LanguageModelSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The language model of all systems: NAME.bin and NAME.lexicon.txt of a bundle.

    Attributes:
        bundle: its directory, or the name of an embedded one.
        name: of the language model; its lexicon also says how words sound.
        word_score_without: added for each word where there is no language model.
    """

    bundle: Path = Path("en")
    name: str = "general"
    word_score_without: float = 0.0


class CompareConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One comparison.

    Attributes:
        folder: remembers what was measured.
        manifest: the recordings that all systems hear.
        language_model: that they share.
        systems: in the order of the table.
    """

    folder: Path
    manifest: Path
    language_model: LanguageModelSection = LanguageModelSection()
    systems: Annotated[tuple[System, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        names: list[str] = []
        for system in self.systems:
            if system.name in names:
                raise ValueError(f"expected systems of different names, found two {system.name!r}")
            if system.after is not None and system.after not in names:
                raise ValueError(
                    f"expected {system.name!r} after a system above it, found {system.after!r}"
                )
            names.append(system.name)


def read_compare(path: Path) -> CompareConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), CompareConfig, path)
