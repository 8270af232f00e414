"""What the recipe of a language says: its speech, and how much of it counts as transcribed.

Paths are relative to the file; `~` and `$VARIABLES` are filled in.
"""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from steno_models.crossmodal.graphemes.train import GraphemeOptions
from steno_models.encoders.section import Count
from steno_models.training.toml_file import converted, read_table

WORDLESS = "no-transcripts"
OWN, TRANSFER, TEXTS = "own", "transfer", "texts"


class Pieces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How speech without transcripts becomes words.

    Attributes:
        method: of `crossmodal segment`.
        clusters: words that pieces become.
        dimensions: of both spaces.
        min_count: of a word of the text or of a cluster.
    """

    method: str = "es-kmeans"
    clusters: Count = 500
    dimensions: Count = 50
    min_count: Count = 3


class LowResource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language with little data.

    Attributes:
        folder: of everything that is made.
        cache: of features.
        train: manifest of speech, of which some counts as transcribed.
        dev: manifest of other speech, which measures.
        encoder: a bundle of another language, whose encoder is listened to.
        times: folder of true phones or words in time, which measure (a) alone; None without any.
        minutes: of transcripts, a row each.
        held_out: share of the transcribed recordings that choose and fit.
        seed: of which recordings are transcribed.
        pieces: of (a).
        letters: of (b).
    """

    folder: Path
    cache: Path
    train: Path
    dev: Path
    encoder: Path
    times: Path | None = None
    minutes: Annotated[tuple[Count, ...], Meta(min_length=1)] = (30, 60, 240)
    held_out: Annotated[float, Meta(gt=0, lt=0.5)] = 0.1
    seed: int = 0
    pieces: Pieces = Pieces()
    letters: GraphemeOptions = GraphemeOptions()

    def rows(self) -> list[str]:
        """Return the names of all rows, in the order of the table."""
        kinds = (OWN, TRANSFER, TEXTS)
        return [WORDLESS, *(f"{each}-{kind}" for each in self.minutes for kind in kinds)]


def read_recipe(path: Path) -> LowResource:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), LowResource, path)
