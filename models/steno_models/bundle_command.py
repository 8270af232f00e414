"""`steno-models bundle`: write the description of a bundle's files, or check it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import tomli_w
from rich.console import Console

from steno_models import bundle
from steno_models.bundle import Description

CARD = "MODEL_CARD.md"

_EXAMPLES = """\
examples:
  steno-models bundle check en          whether the shipped English bundle is whole
  steno-models bundle seal ./my-bundle  after a change of its files; then serve it by
                                        stenod --bundle ./my-bundle

Exit status: 0 when every file is as recorded, 1 when one is not, 2 when the command line is wrong.
"""


def seal(path: Path) -> Description:
    """Write into bundle.toml the hash of every other file there, and return the description.

    The model card is for people and may be edited without sealing anew.
    """
    description = bundle.describe(path)
    files = sorted(
        file.relative_to(path).as_posix()
        for file in path.rglob("*")
        if file.is_file() and file.name not in {bundle.DESCRIPTION, CARD}
    )
    digests = {name: bundle.file_digest(path / name) for name in files}
    sealed = msgspec.structs.replace(description, files=digests)
    (path / bundle.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(sealed)))
    return sealed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models bundle",
        description="A bundle is a directory with bundle.toml, weights, tokens, lexicon and\n"
        "language models. `seal` records the hash of every file, `check` compares them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("seal", "check"), help="write hashes, or compare")
    parser.add_argument("bundle", help="a directory, or the name of an embedded bundle")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models bundle`."""
    asked = _parser().parse_args(arguments)
    path = bundle.find(asked.bundle)
    description = seal(path) if asked.action == "seal" else bundle.describe(path)
    bundle.check_files(path, description.files)
    size_mb = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    Console().print(
        f"{description.name} {description.version}: {len(description.files)} files, "
        f"{size_mb:.1f} MB, all as recorded"
    )
    return 0
