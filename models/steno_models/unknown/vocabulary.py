"""The candidates: a vocabulary known from texts alone, far larger than a lexicon, on disk.

    vocabulary.json      how many, the phones, the endings, the neighbours, the SHA-256 of the rest
    text.bin begins.npy  the spelling of each word, UTF-8, one after the other
    counts.npy kinds.npy how often each stands in the texts, and the class of its ending
    ways.npy way_begins.npy way_words.npy    pronunciations, sorted, and whose they are
    children.npy token.npy ends.npy          their prefix tree
    before.npy after.npy                     how well classes go with the words beside them

Everything but the first is mapped into memory: opening a million words costs a moment, and what
nobody looks at is never read.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.types import ByteArray, FloatArray, IntArray, LongArray

DESCRIPTION = "vocabulary.json"
FORM = 1
ARRAYS = (
    "text", "begins", "counts", "kinds", "ways", "way_begins", "way_words", "children", "token",
    "ends", "before", "after",
)  # fmt: skip


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What vocabulary.json holds.

    Attributes:
        form: of the files.
        symbols: the phones by their numbers, the blank first.
        endings: the classes of words.
        neighbours: the words whose classes of neighbours are known, the sentence end first.
        words: how many there are.
        tokens: how many running words the texts had.
        sizes: bytes of each file.
        digests: SHA-256 of each file.
    """

    form: int
    symbols: tuple[str, ...]
    endings: tuple[str, ...]
    neighbours: tuple[str, ...]
    words: int
    tokens: int
    sizes: dict[str, int]
    digests: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class CandidateVocabulary:
    """Words, how they sound, how often they are written and beside what.

    Attributes:
        description: what vocabulary.json says.
        text: the spellings, one after the other.
        begins: (W + 1,) where each begins.
        counts: (W,) in the texts.
        kinds: (W,) numbers of the endings.
        ways: the tokens of all pronunciations.
        way_begins: (P + 1,) where each begins.
        way_words: (P,) whose it is.
        children: (N + 1,) the children of each node of their prefix tree.
        token: (N,) that leads to it.
        ends: (N + 1,) the pronunciations that end there are ends[n] .. ends[n + 1].
        before: (K, B) how well an ending goes with the word before.
        after: (K, B) and with the word after.
    """

    description: Description
    text: ByteArray
    begins: LongArray
    counts: LongArray
    kinds: IntArray
    ways: ByteArray
    way_begins: LongArray
    way_words: IntArray
    children: IntArray
    token: ByteArray
    ends: IntArray
    before: FloatArray
    after: FloatArray

    def __len__(self) -> int:
        """Return the number of words."""
        return self.description.words

    def spelling(self, word: int) -> str:
        """Return how a word is written."""
        return bytes(self.text[self.begins[word] : self.begins[word + 1]]).decode()

    def way(self, row: int) -> tuple[int, ...]:
        """Return the tokens of a pronunciation."""
        return tuple(self.ways[self.way_begins[row] : self.way_begins[row + 1]].tolist())

    def spellings(self) -> list[str]:
        """Return all words; takes a moment."""
        text = bytes(self.text)
        return [text[a:b].decode() for a, b in pairwise(self.begins.tolist())]

    def number_of(self, word: str) -> int | None:
        """Return the number of a word, None where there is none: they are sorted by their bytes."""
        wanted, low, high = word.encode(), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if bytes(self.text[self.begins[middle] : self.begins[middle + 1]]) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.spelling(low) == word else None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the vocabulary in `folder`, mapped, not read.

        Raises:
            DataError: there is none, or it is damaged.
        """
        try:
            description = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Description)
            _check(folder, description)
            arrays: dict[str, Any] = {name: _mapped(folder / f"{name}.npy") for name in ARRAYS}
            return cls(description, **arrays)
        except (OSError, ValueError, msgspec.DecodeError, EOFError) as error:
            raise DataError(
                f"expected a vocabulary of candidates at {folder}, found: {error}"
            ) from error


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(folder: Path, description: Description) -> None:
    if description.form != FORM:
        raise DataError(f"expected form {FORM} at {folder}, found {description.form}")
    for name in ARRAYS:
        found = (folder / f"{name}.npy").stat().st_size
        if found != description.sizes.get(name):
            raise DataError(
                f"expected {description.sizes.get(name)} bytes of {name}.npy in {folder}, "
                f"found {found}"
            )


def _mapped(file: Path) -> NDArray[np.generic]:
    mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    return np.asarray(mapped)
