"""How often each word followed each history, as a sparse matrix."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steno_models.errors import ConfigError, DataError
from steno_models.lm.neural.units import END
from steno_models.types import IntArray, LongArray

FILE = "counts.safetensors"


@dataclass(frozen=True, slots=True)
class PairCounts:
    """A matrix of counts, row by row.

    Attributes:
        histories: (R, n - 1) int32 the units of each history, latest last, -1 before shorter ones.
        begins: (R + 1,) int64 where each row's entries begin.
        words: (E,) int32 the unit of each entry.
        counts: (E,) int32 how often it followed.
        unigrams: (V,) int32 how often each unit occurs at all.
    """

    histories: IntArray
    begins: LongArray
    words: IntArray
    counts: IntArray
    unigrams: IntArray

    @classmethod
    def of_text(cls, stream: IntArray, V: int, *, order: int, least: int) -> Self:
        """Return the counts of `stream`, (N,) units with an end after each sentence.

        Args:
            stream: the text; the end counts as the word before each sentence.
            V: how many units there are.
            order: n; histories are of up to n - 1 units and hold nothing before an end.
            least: occurrences that a history needs.
        """
        tokens = stream.astype(np.int64)
        places = np.arange(len(tokens))
        numbers = np.zeros(len(tokens), np.int64)  # of the history before each token
        rows: list[LongArray] = [np.zeros((1, 0), np.int64)]
        found: list[tuple[IntArray, LongArray, LongArray]] = []
        for k in range(1, order):
            # A longer history goes one token further back, unless a sentence begins there.
            inside = places >= k
            if k > 1:
                inside &= tokens[places - k + 1] != END
            places, numbers = places[inside], numbers[inside]
            keys = numbers * V + tokens[places - k]
            distinct, numbers, often = np.unique(keys, return_inverse=True, return_counts=True)
            histories = np.concatenate([(distinct % V)[:, None], rows[-1][distinct // V]], axis=1)
            kept = often >= least
            places = places[kept[numbers]]
            numbers = (np.cumsum(kept) - 1)[numbers[kept[numbers]]]
            rows.append(histories[kept])
            pairs, counts = np.unique(numbers * V + tokens[places], return_counts=True)
            padding = np.full((len(rows[-1]), order - 1 - k), -1)
            padded = np.concatenate([padding, rows[-1]], axis=1).astype(np.int32)
            found.append((padded, pairs, counts))
        sizes = np.cumsum([0, *(len(histories) for histories, _, _ in found)])
        if not sizes[-1]:
            raise ConfigError(f"expected histories that occur {least} times, found none")
        entries = [pairs // V + at for at, (_, pairs, _) in zip(sizes, found, strict=False)]
        per_row = np.bincount(np.concatenate(entries), minlength=sizes[-1])
        return cls(
            histories=np.concatenate([histories for histories, _, _ in found]),
            begins=np.concatenate([[0], np.cumsum(per_row)]),
            words=np.concatenate([pairs % V for _, pairs, _ in found]).astype(np.int32),
            counts=np.concatenate([counts for _, _, counts in found]).astype(np.int32),
            unigrams=np.bincount(tokens, minlength=V).astype(np.int32),
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the counts of the model in `folder`."""
        path = folder / FILE
        try:
            found = load_file(path)
            return cls(**{name: found[name] for name in cls.__slots__})
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{path}: expected counts, found: {error}") from error

    def write(self, folder: Path) -> None:
        """Write the counts into `folder`."""
        save_file({name: getattr(self, name) for name in self.__slots__}, folder / FILE)

    def __len__(self) -> int:
        """Return R."""
        return len(self.histories)

    def dense(self) -> LongArray:
        """Return (R, V) all counts: for small ones."""
        matrix = np.zeros((len(self), len(self.unigrams)), np.int64)
        matrix[np.repeat(np.arange(len(self)), np.diff(self.begins)), self.words] = self.counts
        return matrix
