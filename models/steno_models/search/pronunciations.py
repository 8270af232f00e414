"""How the words of a vocabulary sound, in flat arrays: a hundred thousand are made in a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Self

import numpy as np

from steno_models.errors import DataError
from steno_models.search.lexicon.kernels import CODES, WIDEST, read_lexicon, word_table
from steno_models.types import IntArray, LongArray

# word id -> its pronunciations, the primary one first, each a sequence of token ids
Spelled = Sequence[Sequence[Sequence[int]]]


@dataclass(frozen=True, slots=True, eq=False)
class Pronunciations:
    """The pronunciations of the words 0 … num_words - 1, in order of words, the primary one first.

    Attributes:
        num_words: how many words there are, those without a pronunciation included.
        words: (P,) the word of each pronunciation, never falling.
        lengths: (P,) its number of tokens.
        tokens: (sum of lengths,) the token ids of all of them, one after the other.
    """

    num_words: int
    words: LongArray
    lengths: LongArray
    tokens: IntArray

    @classmethod
    def of(cls, spelled: Spelled) -> Self:
        """Return those that `spelled` lists for each word id."""
        ways = [way for several in spelled for way in several]
        counts = np.fromiter(map(len, spelled), np.int64, len(spelled))
        lengths = np.fromiter(map(len, ways), np.int64, len(ways))
        tokens = np.fromiter(chain.from_iterable(ways), np.int32, int(lengths.sum()))
        return cls(len(spelled), np.repeat(np.arange(len(spelled)), counts), lengths, tokens)

    @classmethod
    def read(cls, file: Path, words: Sequence[str], symbols: Sequence[str]) -> Self:
        """Return those of `words` in `file`, a line "word TOKEN TOKEN …" for each pronunciation.

        Args:
            file: the lexicon.
            words: their places are the word ids.
            symbols: their places are the token ids.

        Raises:
            DataError: naming the line that has another word, another token or no token at all.
        """
        quickly = _read_quickly(file.read_bytes(), words, symbols)
        if quickly is not None:
            return cls._ordered(len(words), *quickly)
        text = file.read_text(encoding="utf-8")
        numbers = {word: number for number, word in enumerate(words)}
        ids = {symbol: number for number, symbol in enumerate(symbols)}
        fields = text.split()
        lines = text.splitlines()
        widths = np.fromiter((len(line.split()) for line in lines), np.int64, len(lines))
        begins = np.cumsum(widths) - widths
        if (widths < 2).any():
            line = int(np.flatnonzero(widths < 2)[0])
            raise DataError(
                f"expected a word and its tokens at {file}:{line + 1}, found {lines[line]!r}"
            )
        # Maps of strings to numbers, since lists of lists would keep the garbage collector busy.
        known = map(numbers.get, [fields[i] for i in begins.tolist()], repeat(-1))
        found = np.fromiter(known, np.int64, len(lines))
        codes = np.fromiter(map(ids.get, fields, repeat(-1)), np.int32, len(fields))
        codes[begins] = 0
        strange = np.concatenate([begins[found < 0], np.flatnonzero(codes < 0)])
        if len(strange):
            field = int(strange.min())
            line = int(np.searchsorted(begins, field, side="right"))
            raise DataError(
                f"expected words and phones of the bundle at {file}:{line}, found {fields[field]!r}"
            )
        return cls._ordered(len(words), found, widths - 1, np.delete(codes, begins))

    @classmethod
    def _ordered(
        cls, num_words: int, words: LongArray, lengths: LongArray, tokens: IntArray
    ) -> Self:
        """Return pronunciations that come in any order of words."""
        if (np.diff(words) >= 0).all():
            return cls(num_words, words, lengths, tokens)
        order = np.argsort(words, kind="stable")
        starts = (np.cumsum(lengths) - lengths)[order]
        lengths = lengths[order]
        within = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return cls(num_words, words[order], lengths, tokens[np.repeat(starts, lengths) + within])

    def of_words(self, words: Sequence[int]) -> list[list[list[int]]]:
        """Return the pronunciations of each of `words`, which are ids, the primary one first."""
        ends = np.cumsum(self.lengths)
        first, last = (np.searchsorted(self.words, words, side) for side in ("left", "right"))
        return [
            [self.tokens[ends[i] - self.lengths[i] : ends[i]].tolist() for i in range(begin, end)]
            for begin, end in zip(first, last, strict=True)
        ]


def _read_quickly(
    data: bytes, words: Sequence[str], symbols: Sequence[str]
) -> tuple[LongArray, LongArray, IntArray] | None:
    """Return the words, lengths and tokens of a lexicon's lines; None where any is unusual."""
    ids = np.full(CODES, -1, np.int32)
    for token, phone in enumerate(symbol.encode() for symbol in symbols):
        if len(phone) <= WIDEST:
            ids[int.from_bytes(phone, "big")] = token
    text = np.frombuffer("\n".join([*words, ""]).encode(), np.uint8)
    begins = np.zeros(len(words) + 1, np.int64)
    table = np.full(1 << (2 * len(words) + 1).bit_length(), -1, np.int32)
    word_table(text, begins, table)
    most = data.count(b"\n")
    found, lengths = np.empty(most, np.int64), np.empty(most, np.int64)
    tokens = np.empty(data.count(b" "), np.int32)
    count, filled = read_lexicon(
        np.frombuffer(data, np.uint8), text, begins, table, ids, found, lengths, tokens
    )  # fmt: skip
    return None if count < 0 else (found[:count], lengths[:count], tokens[:filled])
