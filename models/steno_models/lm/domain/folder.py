"""A domain's folder, written whole or not at all.

Everything goes into a hidden folder beside the place, which takes the place at the end: whoever
looks there sees the old domain or the new one, and a full disk leaves the old one.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import tomli_w

from steno_models.errors import ConfigError, DataError
from steno_models.lm.domain.description import DESCRIPTION, Description


def check_place(place: Path) -> None:
    """Check that a domain may be written to `place`: nothing else is there.

    Raises:
        ConfigError: there is.
    """
    if place.is_dir() and any(place.iterdir()) and not (place / DESCRIPTION).is_file():
        raise ConfigError(
            f"--out: expected a new folder, or one with {DESCRIPTION} to replace, found other "
            f"files in {place}"
        )
    if place.exists() and not place.is_dir():
        raise ConfigError(f"--out: expected a folder, found a file at {place}")


@contextmanager
def replacing(place: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `place` if all goes well, and vanishes otherwise.

    Raises:
        DataError: the disk is full, or it cannot be written.
    """
    place = place.absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as scratch:
            fresh, former = Path(scratch, "new"), Path(scratch, "old")
            fresh.mkdir()
            yield fresh
            if place.exists():
                place.rename(former)
            fresh.rename(place)
    except OSError as error:
        raise DataError(
            f"expected to write a domain to {place}, found: {error.strerror}: everything there is "
            "as it was"
        ) from error


def file_digest(file: Path) -> str:
    """Return the SHA-256 of `file` in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_description(folder: Path, description: Description) -> None:
    """Write domain.toml with the hashes of the other files of `folder`."""
    digests = {file.name: file_digest(file) for file in sorted(folder.iterdir())}
    whole = msgspec.structs.replace(description, files=digests)
    (folder / DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(whole)))


def copy_checked(source: Path, target: Path, digest: str) -> None:
    """Copy a file, if it is the one of that SHA-256.

    Raises:
        DataError: it is not there, cannot be copied, or is another.
    """
    found = hashlib.sha256()
    try:
        with source.open("rb") as old, target.open("xb") as new:
            while block := old.read(1 << 20):
                found.update(block)
                new.write(block)
        shutil.copymode(source, target)
    except OSError as error:
        raise DataError(f"expected to read {source}, found: {error.strerror}") from error
    if found.hexdigest() != digest:
        raise DataError(
            f"{source.name} is damaged or half written: expected sha256 {digest[:12]}…, found "
            f"{found.hexdigest()[:12]}…"
        )
