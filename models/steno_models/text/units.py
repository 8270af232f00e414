"""What a model writes: subwords, characters, or phones of a dictionary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from steno_models.text.bpe import Bpe
from steno_models.text.lexicon import Lexicon, Pronouncer
from steno_models.text.normalise import normalise
from steno_models.text.tokens import TokenTable
from steno_models.types import IntArray


class Units(Protocol):
    """From transcripts to tokens, and from tokens to what errors are counted in."""

    @property
    def table(self) -> TokenTable:
        """The tokens, the blank first."""

    def encode(self, text: str) -> IntArray:
        """Return (U,) int32 token ids of a transcript."""

    def parts(self, tokens: Sequence[int]) -> list[str]:
        """Return what `tokens` say, in the parts that errors are counted in."""


@dataclass(frozen=True, slots=True)
class Subwords:
    """Byte-pair units, or characters where there are no unions; errors are counted in words."""

    bpe: Bpe

    @property
    def table(self) -> TokenTable:
        """The tokens, the blank first."""
        return self.bpe.table

    def encode(self, text: str) -> IntArray:
        """Return (U,) int32 token ids of a transcript."""
        return np.array(self.bpe.encode(text), np.int32)

    def parts(self, tokens: Sequence[int]) -> list[str]:
        """Return the words that `tokens` spell."""
        return self.bpe.decode(tokens).split()


@dataclass(frozen=True, slots=True)
class Phones:
    """Phones of each word's first pronunciation; errors are counted in phones."""

    lexicon: Lexicon
    fallback: Pronouncer

    @property
    def table(self) -> TokenTable:
        """The blank and the 39 phones."""
        return TokenTable.phones()

    def encode(self, text: str) -> IntArray:
        """Return (U,) int32 token ids of a transcript."""
        words = normalise(text).split()
        phones = (p for w in words for p in self.lexicon.pronounce(w, self.fallback)[0])
        return np.array(self.table.ids(phones), np.int32)

    def parts(self, tokens: Sequence[int]) -> list[str]:
        """Return the symbols of `tokens`."""
        symbols = self.table.symbols
        return [symbols[token] for token in tokens]
