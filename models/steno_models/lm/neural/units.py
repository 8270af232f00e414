"""Words as the numbers that a network predicts: whole words, or the subwords that spell them.

Unit 0 is the end of a sentence, and stands before the first word too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import ConfigError, DataError
from steno_models.text.bpe import WORD_BEGIN, Bpe
from steno_models.text.tokens import TokenTable

END = 0
RARE = 1
UNKNOWN = "<unk>"

# Occurrences that each rare word gets beyond its own: some never occur.
_UNSEEN = 0.5


class Units(Protocol):
    """How words become units."""

    @property
    def size(self) -> int:
        """V, the number of units."""

    def spell(self, word: str) -> tuple[int, ...]:
        """Return the units of `word`, one or more."""

    def knows(self, word: str) -> bool:
        """Return whether `word` is in the vocabulary."""


@dataclass(frozen=True, slots=True)
class WordUnits:
    """A unit for each frequent word, and one for all others.

    Unit 1 stands for every rare word, unit i + 2 for word i of the `own` most frequent ones. Rare
    words share their unit's probability by how often they occurred, c(w) + 0.5 each; the last of
    them is `<unk>`.

    Attributes:
        words: by falling frequency, but `<unk>` last.
        counts: how often each occurred.
        own: how many have a unit of their own.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    own: int
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)
    _log_total: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.words) != len(self.counts) or not 0 < self.own < len(self.words):
            raise DataError(
                f"expected more words than {self.own}, each with a count, found {len(self.words)} "
                f"words and {len(self.counts)} counts"
            )
        if self.words[-1] != UNKNOWN:
            raise DataError(f"expected words that end with {UNKNOWN}, found {self.words[-1]}")
        numbers = {word: number for number, word in enumerate(self.words)}
        rare = np.array(self.counts[self.own :]) + _UNSEEN
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "_log_total", float(np.log(rare.sum())))

    @classmethod
    def of_counts(cls, frequencies: Mapping[str, int], own: int, vocabulary: Sequence[str]) -> Self:
        """Return units of the `vocabulary` (all words that occur, if empty).

        Args:
            frequencies: how often each word of the training texts occurs.
            own: how many words get a unit of their own, fewer if there are fewer.
            vocabulary: every word that there is to be; others are `<unk>`.
        """
        known = set(vocabulary or frequencies) - {UNKNOWN}
        ranked = sorted(known, key=lambda word: (-frequencies.get(word, 0), word))
        if not ranked:
            raise ConfigError("expected a vocabulary of some words, found none")
        unknown = sum(n for word, n in frequencies.items() if word not in known)
        counts = [*(frequencies.get(word, 0) for word in ranked), unknown]
        return cls((*ranked, UNKNOWN), tuple(counts), min(own, len(ranked)))

    @classmethod
    def read(cls, path: Path, own: int) -> Self:
        """Return the units in the file `path`, a word and its count on each line."""
        try:
            rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
            return cls(tuple(word for word, _ in rows), tuple(int(n) for _, n in rows), own)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: expected a word and its count a line: {error}") from error

    def write(self, path: Path) -> None:
        """Write the words and their counts to `path`."""
        lines = (f"{word} {n}\n" for word, n in zip(self.words, self.counts, strict=True))
        path.write_text("".join(lines), encoding="utf-8")

    @property
    def size(self) -> int:
        """V, the number of units."""
        return self.own + 2

    def spell(self, word: str) -> tuple[int, ...]:
        """Return the one unit of `word`."""
        number = self._numbers.get(word, self.own)
        return (number + 2 if number < self.own else RARE,)

    def knows(self, word: str) -> bool:
        """Return whether `word` is in the vocabulary."""
        return word in self._numbers

    def log_share(self, word: str) -> float:
        """Return ln p(word | its unit), 0 for a word that has one of its own."""
        number = self._numbers.get(word, len(self.words) - 1)
        if number < self.own:
            return 0.0
        return float(np.log(self.counts[number] + _UNSEEN)) - self._log_total


@dataclass(frozen=True, slots=True)
class SubwordUnits:
    """Byte-pair units: any word of the alphabet can be spelled; their blank is the end."""

    bpe: Bpe
    _spelled: dict[str, tuple[int, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    @classmethod
    def learn(cls, frequencies: Mapping[str, int], size: int) -> Self:
        """Return `size` units learnt from words of these frequencies."""
        texts = chain.from_iterable([word] * n for word, n in frequencies.items())
        return cls(Bpe.learn(texts, size))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the units of the token table in `path`."""
        return cls(Bpe(TokenTable.read(path)))

    @property
    def size(self) -> int:
        """V, the number of units."""
        return len(self.bpe.table)

    def spell(self, word: str) -> tuple[int, ...]:
        """Return the units of `word`; of one without a letter, the mark of its beginning."""
        found = self._spelled.get(word)
        if found is None:
            units = self.bpe.encode(word)
            found = tuple(units) or tuple(self.bpe.table.ids([WORD_BEGIN]))
            self._spelled[word] = found
        return found

    def knows(self, word: str) -> bool:
        """Return whether `word` has a letter to spell it by."""
        return word != UNKNOWN and len(self.bpe.encode(word)) > 0

    def boundaries(self) -> NDArray[np.int64]:
        """Return the units that can only follow a whole word: the end and all that begin one."""
        symbols = self.bpe.table.symbols
        return np.array(
            [END, *(i for i, symbol in enumerate(symbols) if symbol.startswith(WORD_BEGIN))]
        )
