"""`steno-models crossmodal low-resource`: what little data of a language are worth."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from steno_models.crossmodal.low_resource import letters, speech
from steno_models.crossmodal.low_resource.config import WORDLESS, read_recipe
from steno_models.crossmodal.low_resource.table import print_rows, read_rows, save_row
from steno_models.errors import ConfigError

_DESCRIPTION = """Measure what little data of a language are worth, row by row.

no-transcripts    pieces of speech and words of a text, mapped onto each other without labels
MINUTES-own       a recogniser of letters, taught by so many minutes of transcripts
MINUTES-transfer  … that hears what the encoder of another language makes of the speech
MINUTES-texts     … and knows the words of all texts, spoken or not

Each --row is trained and measured, and goes on after an interruption. Without any, the table of
all rows so far is printed.
"""
_EXAMPLE = """examples (mboshi.toml is beside the program's crossmodal/low_resource):
  export STENO_DATA=… STENO_RUNS=…
  steno-models crossmodal low-resource mboshi.toml --row 30-own --row 30-transfer
  steno-models crossmodal low-resource mboshi.toml
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal low-resource`."""
    asked = _parser().parse_args(arguments)
    recipe = read_recipe(asked.recipe)
    unknown = [name for name in asked.row if name not in recipe.rows()]
    if unknown:
        raise ConfigError(f"expected rows of {', '.join(recipe.rows())}, found {unknown[0]}")
    for name in asked.row:
        Console(file=sys.stderr).print(f"{name} …", highlight=False)
        measure = speech.measure if name == WORDLESS else letters.measure
        save_row(recipe, measure(recipe, name))
    rows = read_rows(recipe)
    if asked.json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    else:
        print_rows(recipe, rows)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal low-resource",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, help="the TOML file")
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="again for more")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
