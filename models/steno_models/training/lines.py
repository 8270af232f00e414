"""Text files line by line, with every bad line of a file in one complaint."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from steno_models.errors import DataError

_MOST_COMPLAINTS = 20

T = TypeVar("T")


def each_line(path: Path, parse: Callable[[str], T], *, skip: int = 0) -> Iterator[T]:
    """Give `parse(line)` for each line of the UTF-8 file `path` that is not blank.

    Args:
        path: The file.
        parse: Raises a `DataError` ("expected …, found …") for a line it does not accept.
        skip: How many lines at the top are headings.

    Raises:
        DataError: At the end, with file and line number of every line that was not accepted.
    """
    complaints: list[str] = []
    for number, line in _numbered_lines(path):
        if number <= skip or not line.strip():
            continue
        try:
            parsed = parse(line)
        except DataError as error:
            complaints.append(f"{path}:{number}: {error}")
        else:
            yield parsed
    raise_complaints(complaints, kind="bad lines")


def parse_lines(path: Path, parse: Callable[[str], T], *, skip: int = 0) -> list[T]:
    """Return all that `each_line` gives."""
    return list(each_line(path, parse, skip=skip))


def raise_complaints(complaints: list[str], *, kind: str) -> None:
    """Raise one DataError with the first twenty `complaints`, if there are any."""
    if not complaints:
        return
    hidden = len(complaints) - _MOST_COMPLAINTS
    more = [f"… and {hidden} more {kind}"] if hidden > 0 else []
    raise DataError("\n".join(complaints[:_MOST_COMPLAINTS] + more))


def refuse_duplicates(path: Path, keys: Iterable[str]) -> None:
    """Raise a DataError if a key stands twice in `keys`, which were read from `path`."""
    seen: set[str] = set()
    twice: list[str] = []
    for key in keys:
        if key in seen:
            twice.append(f"{path}: expected each key once, found again: {key}")
        seen.add(key)
    raise_complaints(twice, kind="duplicates")


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise DataError(f"{path}: expected a text file, found none")
    # Only "\n" ends a line: transcripts may hold the other separators that splitlines knows.
    for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}:{number}: expected UTF-8, found {error.reason}") from error
