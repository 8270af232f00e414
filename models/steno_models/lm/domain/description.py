"""What a domain's folder holds.

domain.toml         what it is, what it was made of, and the SHA-256 of the others
NAME.bin            the n-gram model
NAME.lexicon.txt    its vocabulary in the order of its word ids, "word P1 P2 …"
NAME.tree           the same as a tree, sooner loaded; domains of earlier versions have none
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from steno_models.errors import DataError

DESCRIPTION = "domain.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME_RULE = "1 to 64 of a-z, 0-9, - and _, the first a letter or digit"
_LONGEST_BYTES = 1 << 20


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of the mixture: where it comes from, and how much it weighs."""

    source: str
    weight: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well it predicts text that it was not made of."""

    words: int
    perplexity: float
    unknown_rate: float


class Description(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What domain.toml holds."""

    name: str
    language: str = "en"
    made: str = ""
    """When, in UTC."""
    words: int
    ngrams: tuple[int, ...]
    """How many of each length, from one word on."""
    shares: tuple[Share, ...] = ()
    held_out: Measure | None = None
    texts: dict[str, str] = {}
    """SHA-256 of each file of text, by its name."""
    neural_share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Of the bundle's neural language model beside this one in a second pass: 0 for none, its own
    where left out. It may be changed by hand."""
    files: dict[str, str]
    """SHA-256 of each file of the folder."""


def files_of(name: str) -> tuple[str, str]:
    """Return the names of the model and the lexicon of a domain."""
    return f"{name}.bin", f"{name}.lexicon.txt"


def tree_of(name: str) -> str:
    """Return the name of the file of a domain's lexicon as a tree."""
    return f"{name}.tree"


def check_name(name: str) -> None:
    """Check that a domain may be called so.

    Raises:
        DataError: it may not.
    """
    if not NAME.fullmatch(name):
        raise DataError(f"expected a name of {NAME_RULE}, found {name[:80]!r}")


def describe(folder: Path) -> Description:
    """Return what the domain.toml in `folder` says.

    Raises:
        DataError: it is not there, not TOML, or not of this form.
    """
    file = folder / DESCRIPTION
    try:
        with file.open("rb") as opened:
            text = opened.read(_LONGEST_BYTES).decode()
        found = msgspec.convert(tomllib.loads(text), Description)
    except OSError as error:
        raise DataError(f"expected a domain's {file}, found: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"expected TOML in {file}, found: {error}") from error
    except msgspec.ValidationError as error:
        raise DataError(f"expected a domain's description in {file}, found: {error}") from error
    check_name(found.name)
    if set(found.files) - {tree_of(found.name)} != set(files_of(found.name)):
        raise DataError(
            f"{file}: expected the hashes of {' and '.join(files_of(found.name))}, found those of "
            f"{', '.join(sorted(found.files)) or 'nothing'}"
        )
    return found
