"""`steno-models lm quantise`: a trained network with matrices of eight bits a weight.

It takes about half the room, and says nearly the same.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.errors import DataError
from steno_models.lm.neural import stored

_BITS = 8


def quantise(folder: Path, out: Path) -> None:
    """Write the model in `folder` to `out`, which is made, at eight bits a weight.

    Raises:
        DataError: there is no such model, or `out` holds something already.
    """
    description = stored.read_description(folder)
    weights = stored.load_weights(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"expected a new or empty folder, found {out}")
    stored.write_units(out, stored.read_units(folder, description))
    for file in folder.iterdir():
        if file.is_file() and file.name != stored.WEIGHTS and not (out / file.name).exists():
            shutil.copyfile(file, out / file.name)
    stored.write_weights(out, weights, bits=_BITS)


def main(arguments: Sequence[str]) -> None:
    """Run `steno-models lm quantise` with `arguments`."""
    parser = argparse.ArgumentParser(prog="steno-models lm quantise", description=__doc__)
    parser.add_argument("model", type=Path, help="the folder of a model of `lm train`")
    parser.add_argument("out", type=Path, help="a new folder")
    asked = parser.parse_args(arguments)
    quantise(asked.model, asked.out)
    before, after = (_megabytes(path) for path in (asked.model, asked.out))
    line = f"{asked.out}: {after:.1f} MB, was {before:.1f} MB"
    Console().print(line, highlight=False, soft_wrap=True)


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / 1e6
