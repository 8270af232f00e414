"""The text format of Word2Vec: a line "words dimensions", then on each line a word and its vector.

It holds no counts; words stand in the order of their frequency.
"""

from pathlib import Path

import numpy as np

from steno_models.crossmodal.space import Space
from steno_models.errors import DataError


def write_text(space: Space, path: Path) -> None:
    """Write `space` to `path`; six significant digits are kept.

    Raises:
        DataError: a word holds a blank, or `path` cannot be written.
    """
    blank = [word for word in space.words if not word or word.split() != [word]]
    if blank:
        raise DataError(f"expected words without blanks, found {blank[0]!r}")
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write(f"{len(space)} {space.dimensions}\n")
            for word, vector in zip(space.words, space.vectors.tolist(), strict=True):
                file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n")
    except OSError as error:
        raise DataError(f"expected to write to {path}, found: {error}") from error


def read_text(path: Path) -> Space:
    """Return the space in `path`, with counts of zero: only the words' order is known.

    Raises:
        DataError: naming the first line that is not as the format wants it.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a text of word vectors, found: {error}") from error
    if not lines[-1]:
        lines.pop()
    V, D = _heading(lines[0] if lines else "", path)
    if len(lines) - 1 != V:
        raise DataError(f"{path}: expected {V} words as line 1 says, found {len(lines) - 1}")
    vectors = np.empty((V, D), np.float32)
    words: list[str] = []
    for place, line in enumerate(lines[1:]):
        try:
            word, *values = line.split()
            vectors[place] = np.array(values, np.float32).reshape(D)
        except ValueError as error:
            raise DataError(
                f"{path}:{place + 2}: expected a word and {D} numbers, found {line[:60]!r}"
            ) from error
        words.append(word)
    try:
        return Space(tuple(words), vectors, np.zeros(V, np.int64))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _heading(line: str, path: Path) -> tuple[int, int]:
    """Return the number of words and of dimensions that the first line names."""
    match line.split():
        case [words, dimensions] if words.isdecimal() and dimensions.isdecimal():
            return int(words), int(dimensions)
        case _:
            raise DataError(
                f"{path}:1: expected the numbers of words and dimensions, found {line[:60]!r}"
            )
