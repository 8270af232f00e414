"""`steno-models bundle`: make a bundle, write the hashes of its files, or check them."""

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
`create CONFIG.toml DIR` makes a bundle of what a training left; it has its own --help.

examples:
  steno-models bundle create small.toml ./my-bundle
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
        "language models. `create` makes one of a training, `seal` records the hash of\n"
        "every file, `check` compares them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "action", choices=("create", "seal", "check"), help="make it, write hashes, or compare"
    )
    parser.add_argument("bundle", help="a directory, or the name of an embedded bundle")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models bundle`."""
    if arguments[:1] == ["create"]:
        from steno_models.bundle_create import main as create  # noqa: PLC0415

        return create(arguments[1:])
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
