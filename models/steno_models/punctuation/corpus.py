"""Files of written text as documents, every twelfth of them held out."""

import gzip
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from steno_models.errors import DataError
from steno_models.punctuation.labelled import Labelled, Mark, label

BOOK = "\ufeff"
"""What each book of a file begins with."""
_LINES = 1_000
_HEADING_CHARS = 40
_ENDS = tuple(mark.text for mark in Mark if mark.ends_sentence)
_HELD_OUT, _OF = 5, 12
_CASED_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Document:
    """A part of a file: a book, or so many lines.

    Attributes:
        source: name of the file.
        lines: of text.
        is_book: whether it is one of several books.
        is_held_out: whether it is for the evaluation alone.
    """

    source: str
    lines: tuple[str, ...]
    is_book: bool
    is_held_out: bool

    def labelled(self, most_words: int | None = None) -> Labelled:
        """Return its words with marks and cases, about so many at most.

        Text without capitals tells nothing of cases; nor do words in capitals in a book, which
        may be loud.
        """
        chars = None if most_words is None else 6 * most_words
        text = "\n".join(self.lines)[:chars]
        capitals = sum(character.isupper() for character in text[:100_000])
        is_cased = capitals > _CASED_SHARE * min(len(text), 100_000)
        return label(list(_paragraphs(text.split("\n"))), is_cased=is_cased, shouts=self.is_book)


def documents(paths: Sequence[Path]) -> Iterator[Document]:
    """Yield the documents of text files, which may be compressed (.xz, .gz).

    Raises:
        DataError: a file cannot be read.
    """
    for path in paths:
        text = _read(path)
        if BOOK in text:
            parts = [part.split("\n") for part in text.split(BOOK) if part.strip()]
        else:
            lines = text.splitlines()
            parts = [lines[at : at + _LINES] for at in range(0, len(lines), _LINES)]
        for number, part in enumerate(parts):
            is_held_out = number % _OF == _HELD_OUT
            yield Document(path.name.partition(".")[0], tuple(part), BOOK in text, is_held_out)


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Yield stretches of lines that end with the end of a sentence; headings are left out."""
    waiting: list[str] = []
    for line in lines:
        bare = line.strip()
        ends = bare.rstrip("\"')]”’ ").endswith(_ENDS)
        if not bare or (len(bare) < _HEADING_CHARS and not ends and not waiting):
            waiting.clear()
            continue
        waiting.append(bare)
        if ends:
            yield " ".join(waiting)
            waiting.clear()


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        match path.suffix:
            case ".xz":
                data = lzma.decompress(data)
            case ".gz":
                data = gzip.decompress(data)
        return data.decode()
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError) as error:
        raise DataError(f"expected text in UTF-8 in {path}, found: {error}") from error
