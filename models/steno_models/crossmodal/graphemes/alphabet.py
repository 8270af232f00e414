"""The letters of a language as tokens: what its transcripts are written in, and a blank."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.text.letters import plain
from steno_models.types import IntArray

BLANK, GAP = 0, 1  # no letter; the border of two words


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Letters, each with the number 2 or more of its token.

    Attributes:
        letters: in the order of their tokens.
    """

    letters: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Alphabet":
        """Return all letters of `texts`.

        Raises:
            DataError: there is none.
        """
        found = {letter for text in texts for letter in plain(text)} - {" "}
        if not found:
            raise DataError("expected transcripts with letters, found none")
        return cls(tuple(sorted(found)))

    @property
    def tokens(self) -> int:
        """How many tokens there are, the blank and the border included."""
        return len(self.letters) + 2

    def encode(self, text: str) -> IntArray:
        """Return (U,) int32 tokens of `text`; letters that transcripts never had are left out."""
        numbers = {letter: place for place, letter in enumerate(self.letters, start=2)}
        numbers[" "] = GAP
        known = (numbers.get(letter) for letter in plain(text))
        return np.array([each for each in known if each is not None], np.int32)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the words that `tokens` spell, separated by single blanks."""
        spelled = "".join(" " if token == GAP else self.letters[token - 2] for token in tokens)
        return " ".join(spelled.split())
