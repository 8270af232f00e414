"""`steno-models crossmodal segment-score`: how well pieces of speech fit true words."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from steno_models.crossmodal.segmentation.score import Found, Score, score
from steno_models.crossmodal.segmentation.segments import read_segments

_log = logging.getLogger(__name__)
_WIDTH = 120

_DESCRIPTION = """Measure pieces of speech against true words.

A boundary counts as found within the tolerance, each at most once; those at the edges of a
recording do not count. A token is found by a piece of which both ends are.
"""
_EXAMPLE = """example:
  steno-models crossmodal segment-score --truth words.jsonl es-kmeans.jsonl bes-gmm.jsonl
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one file of pieces is worth, for programs.

    Attributes:
        file: that was measured.
        score: of it, one for each tolerance.
    """

    file: str
    score: Score


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal segment-score`."""
    asked = _parser().parse_args(arguments)
    truth = read_segments(asked.truth)
    rows: list[Row] = []
    for path in asked.pieces:
        found = read_segments(path)
        missing: list[str] = []
        for tolerance_ms in asked.tolerance:
            missing.clear()
            made = score(truth, found, tolerance_s=tolerance_ms / 1000, left_out=missing.append)
            rows.append(Row(file=str(path), score=made))
        if missing:
            _log.warning(
                "%s: left out %d recordings, the first: %s", path, len(missing), missing[0]
            )
    if asked.json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    else:
        _print(rows)
    return 0


def _print(rows: Sequence[Row]) -> None:
    table = Table("pieces", "ms", "words", "pieces", "boundary P/R/F %", "token P/R/F %",
                  "over %", "R-value %")  # fmt: skip
    for row in rows:
        made = row.score
        table.add_row(
            Path(row.file).stem, f"{made.tolerance_ms:g}", str(made.words), str(made.pieces),
            _shares(made.boundary), _shares(made.token),
            f"{made.over_segmentation:+.1f}", f"{made.r_value:.1f}",
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=_WIDTH)
    console.print(table)


def _shares(found: Found) -> str:
    return f"{found.precision:.1f} / {found.recall:.1f} / {found.f:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal segment-score",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("pieces", type=Path, nargs="+", metavar="PIECES", help="of `crossmodal segment`")
    add("--truth", type=Path, required=True, metavar="FILE", help="true words in the same form")
    add("--tolerance", type=float, nargs="+", default=[20.0, 30.0], metavar="MS", help="(20 30)")
    add("--json", action="store_true", help="print JSON")
    return parser
