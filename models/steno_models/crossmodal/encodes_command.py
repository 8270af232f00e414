"""`steno-models crossmodal encodes`: whether vectors of words encode sound or meaning."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from steno_models.crossmodal.encoding import (
    Agreement,
    Homophones,
    Phones,
    agreement,
    homophones,
)
from steno_models.crossmodal.heard import Heard
from steno_models.crossmodal.segmentation.segments import read_segments
from steno_models.crossmodal.space import Space
from steno_models.crossmodal.tasks.identity import identities
from steno_models.crossmodal.word2vec_text import read_text
from steno_models.errors import DataError
from steno_models.text.lexicon import Lexicon

_WIDTH = 130

_DESCRIPTION = """Measure what vectors of words encode: how words sound, or how they are used.

Homophones are words that sound the same and are spelled otherwise: made from sound alone, their
vectors can hardly differ. Rank correlations of cosines over pairs of words tell whether the order
is that of a text's vectors (meaning) or that of the words' phones (sound).

With --truth the words of a space are clusters, and each is called what most of its pieces are.
"""
_EXAMPLE = """example:
  steno-models crossmodal encodes heard/speech2vec heard/word2vec --text text
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one space encodes, for programs.

    Attributes:
        space: where it is.
        homophones: None if no two words sound the same.
        agreement: with text and sound.
    """

    space: str
    homophones: Homophones | None
    agreement: Agreement


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal encodes`."""
    asked = _parser().parse_args(arguments)
    lexicon = Lexicon.read(asked.lexicon) if asked.lexicon else Lexicon.from_cmudict()
    text = None if asked.text is None else _read(asked.text)
    rows = [_row(path, asked.truth, text, lexicon) for path in asked.spaces]
    if text is not None:
        rows.append(_row(asked.text, None, text, lexicon))
    if asked.json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    else:
        _print(rows)
    return 0


def _row(path: Path, truth: Path | None, text: Space | None, lexicon: Lexicon) -> Row:
    space = _read(path) if truth is None else _true_names(path, truth)
    said: dict[str, Phones] = {word: lexicon[word][0] for word in space.words if word in lexicon}
    try:
        twins = homophones(space, said)
    except DataError as error:
        Console(file=sys.stderr, soft_wrap=True).print(f"{path}: {error}", highlight=False)
        twins = None
    return Row(space=str(path), homophones=twins, agreement=agreement(space, said, text))


def _true_names(path: Path, truth: Path) -> Space:
    """Return the space in `path`, its clusters called what most of their pieces are.

    Of several clusters of one word the most frequent is kept.
    """
    heard = Heard.load(path)
    names = identities(heard, read_segments(truth)).majority()
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if name:
            first.setdefault(name, place)
    kept = np.array(list(first.values()), np.int64)
    return Space(tuple(first), heard.space.vectors[kept], heard.space.counts[kept])


def _read(path: Path) -> Space:
    return Space.load(path) if path.is_dir() else read_text(path)


def _print(rows: Sequence[Row]) -> None:
    table = Table("space", "homophones", "cosine", "by chance", "nearer %", "among 10 %",
                  "ρ with text", "ρ with sound")  # fmt: skip
    for row in rows:
        twins = row.homophones
        cells = ["none", "", "", "", ""]
        if twins is not None:
            cells = [
                str(twins.pairs), f"{twins.cosine:.3f}", f"{twins.random_cosine:.3f}",
                f"{twins.apart:.1f}", f"{twins.near:.1f}",
            ]  # fmt: skip
        with_text = row.agreement.with_text
        table.add_row(
            row.space, *cells, "" if with_text is None else f"{with_text:.3f}",
            f"{row.agreement.with_sound:.3f}",
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=_WIDTH)
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal encodes",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("spaces", type=Path, nargs="+", metavar="SPACE", help="of words or of clusters")
    add("--text", type=Path, metavar="SPACE", help="the same words by how they are used")
    add("--truth", type=Path, metavar="FILE", help="true words in time, for clusters")
    add("--lexicon", type=Path, metavar="FILE", help="of another language than English")
    add("--json", action="store_true", help="print JSON")
    return parser
