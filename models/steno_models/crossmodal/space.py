"""An embedding space: words, a vector for each, and how often each was seen."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

AnyArray = np.ndarray[tuple[Any, ...], np.dtype[Any]]

VECTORS = "vectors.safetensors"
WORDS = "words.txt"
_FEWEST = 2  # one word has no neighbours, and nothing can be said of its place


@dataclass(frozen=True, slots=True)
class Space:
    """Words and their vectors, the most frequent word first.

    The words may be those of a text or the names of clusters of sound: nothing here asks which.

    Attributes:
        words: V names, each once.
        vectors: (V, D) float32.
        counts: (V,) int64, falling; all zero where only the order is known.

    Raises:
        DataError: fewer than two words, names that repeat, vectors that are not finite, counts
            that rise, or lengths that do not agree.
    """

    words: tuple[str, ...]
    vectors: FloatArray
    counts: LongArray

    def __post_init__(self) -> None:
        V = len(self.words)
        if V < _FEWEST:
            raise DataError(f"expected a space of at least two words, found {V}")
        if self.vectors.ndim != 2 or len(self.vectors) != V or self.vectors.shape[1] == 0:
            raise DataError(f"expected vectors for {V} words, found shape {self.vectors.shape}")
        if self.counts.shape != (V,):
            raise DataError(f"expected counts of {V} words, found shape {self.counts.shape}")
        repeated = [word for word, number in Counter(self.words).items() if number > 1]
        if repeated:
            raise DataError(f"expected each word once, found again: {', '.join(repeated[:5])}")
        broken = np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))
        if len(broken):
            raise DataError(
                f"expected finite vectors, found {len(broken)} that are not, "
                f"the first that of {self.words[broken[0]]!r}"
            )
        if (self.counts < 0).any() or (np.diff(self.counts) > 0).any():
            raise DataError("expected the most frequent words first, found counts that rise")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dimensions(self) -> int:
        """The length D of each vector."""
        return int(self.vectors.shape[1])

    def most_frequent(self, number: int) -> "Space":
        """Return the space of the `number` most frequent words, of all if there are fewer."""
        return Space(self.words[:number], self.vectors[:number], self.counts[:number])

    def save(self, folder: Path) -> None:
        """Write `vectors.safetensors` and `words.txt`, one word a line, into `folder`.

        Raises:
            DataError: a word holds a line end, or `folder` cannot be written.
        """
        if any("\n" in word for word in self.words):
            raise DataError("expected words of one line, found one with a line end")
        vectors = np.ascontiguousarray(self.vectors)
        tensors: dict[str, AnyArray] = {"vectors": vectors, "counts": self.counts.copy()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, folder / VECTORS)
            (folder / WORDS).write_text("".join(f"{word}\n" for word in self.words), "utf-8")
        except OSError as error:
            raise DataError(f"expected to write to {folder}, found: {error}") from error

    @classmethod
    def load(cls, folder: Path) -> "Space":
        """Return the space that `save` wrote into `folder`.

        Raises:
            DataError: there is none, or its parts do not belong together.
        """
        try:
            tensors = load_file(folder / VECTORS)
            words = (folder / WORDS).read_text("utf-8").split("\n")[:-1]
            return cls(
                tuple(words),
                tensors["vectors"].astype(np.float32),
                tensors["counts"].astype(np.int64),
            )
        except (OSError, SafetensorError, UnicodeDecodeError, KeyError, DataError) as error:
            raise DataError(
                f"{folder}: expected an embedding space ({VECTORS}, {WORDS}), found: {error}"
            ) from error


def normalised(vectors: FloatArray, centre: FloatArray | None = None) -> FloatArray:
    """Return (V, D) vectors of length 1 that were centred between two scalings to length 1.

    Lengths follow frequency and the mean is common to all words: neither tells words apart
    (Artetxe, Labaka, Agirre 2018, section 3.1).

    Args:
        vectors: (V, D).
        centre: (D,) of the space that they belong to; None if they are that space.

    Raises:
        DataError: a vector is zero, or all are the same.
    """
    return unit(unit(vectors) - (centre_of(vectors) if centre is None else centre))


def centre_of(vectors: FloatArray) -> FloatArray:
    """Return (D,) the mean of the (V, D) `vectors` at length 1."""
    centre: FloatArray = unit(vectors).mean(axis=0)
    return centre


def unit(vectors: FloatArray) -> FloatArray:
    """Return the (V, D) `vectors` at length 1.

    Raises:
        DataError: one of them is zero.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if (lengths < 1e-12).any():
        raise DataError(
            f"expected vectors that have a direction, found {int((lengths < 1e-12).sum())} "
            f"of {len(vectors)} zero or alike"
        )
    scaled: FloatArray = (vectors / lengths).astype(np.float32)
    return scaled


def same_spelling(source: Space, target: Space) -> LongArray:
    """Return (P, 2) places, in `source` and `target`, of the words that both spell the same.

    The most frequent of `source` come first. For spaces of one language that is the truth.

    Raises:
        DataError: no word is in both.
    """
    places = {word: place for place, word in enumerate(target.words)}
    pairs = [(i, places[word]) for i, word in enumerate(source.words) if word in places]
    if not pairs:
        raise DataError("expected vocabularies that share words, found disjoint ones")
    return np.array(pairs, np.int64)
