"""What the model sees: hashed templates of the words around one and of the sentence so far.

Weinberger et al. 2009, "Feature hashing for large scale multitask learning": a template and what
fills it become the number of a row of weights; there is no vocabulary, and a word that was never
seen has its ending. The arithmetic is the same on Python's integers and on int64 arrays.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]
Number = TypeVar("Number", int, Longs)

BEFORE, BEHIND = 1, 2
"""Hashes of what stands where the stream has not begun, and behind the end of a final."""
LEFT, RIGHT = 3, 3
"""Words to either side that templates look at."""
HISTORY = 7
"""Templates of `history`."""
LENGTHS = (*range(4), *(2 + length.bit_length() for length in range(4, 64)), 9)
"""A scale on which long sentences differ less; the last entry is for all that are longer."""
_32_BITS = 0xFFFFFFFF
_SUFFIX = 3


@lru_cache(maxsize=1 << 16)
def word_hashes(word: str) -> tuple[int, int]:
    """Return the hash of a word, and that of its ending and rough length."""
    ending = f"-{word[-_SUFFIX:]}{min(len(word), 6) // 2}"
    return zlib.crc32(word.encode()), zlib.crc32(ending.encode())


def mixed(first: Number, second: Number | int) -> Number:
    """Return one 32-bit hash of two; no product leaves 63 bits."""
    # odd multipliers below 2**30, so that the sum fits a signed 64-bit number
    both = (first * 0x2C1B3C6D + second * 0x297A2D39) & _32_BITS
    return ((both ^ (both >> 15)) * 0x1B873593 & _32_BITS) ^ (both >> 13)


def surroundings(words: Longs, endings: Longs) -> tuple[Longs, Longs]:
    """Return the hashed templates of words, which no decision changes.

    Args:
        words: (N, LEFT + 1 + RIGHT) hashes of each word and those around it, `BEFORE` and `BEHIND`
            where there are none.
        endings: (N, LEFT + 1 + RIGHT) likewise of their endings.

    Returns:
        marks: (N, F) what tells of the mark behind each word.
        cases: (N, G) what tells of its case.
    """
    w = {at: words[:, LEFT + at] for at in range(-LEFT, RIGHT + 1)}
    e = {at: endings[:, LEFT + at] for at in (-1, 0, 1)}
    here, after = mixed(w[-1], w[0]), mixed(w[0], w[1])
    two_after = mixed(w[1], w[2])
    marks = (
        w[0], w[1], w[2], w[-1], w[3], here, after, two_after, mixed(w[-1], w[1]),
        mixed(w[0], w[2]), mixed(w[-2], here), mixed(w[-1], after), mixed(w[0], two_after),
        mixed(two_after, w[3]), e[0], e[1], mixed(e[0], e[1]), mixed(w[0], e[1]),
        mixed(e[0], w[1]), mixed(e[-1], mixed(e[0], e[1])),
    )  # fmt: skip
    cases = (
        w[0], w[-1], w[1], here, after, e[0], mixed(w[-1], e[0]), mixed(e[0], w[1]),
        mixed(w[-2], here), mixed(w[-1], after),
    )  # fmt: skip
    return _numbered(marks), _numbered(cases)


def _numbered(templates: Sequence[Longs]) -> Longs:
    """Return (N, F) the templates, each told from the others by its number."""
    return np.stack([mixed(one, number + 11) for number, one in enumerate(templates)], axis=1)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What has been decided of the sentence that is going on.

    Attributes:
        first: hash of its first word.
        second: of its second.
        length: words since it began.
        clause: words since the last mark of any kind.
        before: hash of the word behind the last mark.
    """

    first: int = BEFORE
    second: int = BEFORE
    length: int = 0
    clause: int = 0
    before: int = BEFORE

    def and_word(self, word: int) -> "Sentence":
        """Return the sentence with one more word, by its hash."""
        return Sentence(
            first=word if self.length == 0 else self.first,
            second=word if self.length == 1 else self.second,
            length=self.length + 1,
            clause=self.clause + 1,
            before=word if self.clause == 0 else self.before,
        )

    def and_mark(self, mark: int, *, ends: bool) -> "Sentence":
        """Return the sentence behind a mark, a new one if that `ends` it; 0 is none."""
        if ends:
            return Sentence()
        if not mark:
            return self
        return Sentence(self.first, self.second, self.length, 0, BEFORE)

    def templates(self, word: int, next_word: int) -> list[int]:
        """Return what it tells of the mark behind `word`, its last one, before `next_word`."""
        scale, longest = LENGTHS, len(LENGTHS) - 1
        return history(
            first=self.first,
            second=self.second,
            before=self.before,
            length=scale[min(self.length, longest)],
            clause=scale[min(self.clause, longest)],
            word=word,
            next_word=next_word,
        )


def history(  # noqa: PLR0913
    *,
    first: Number,
    second: Number,
    before: Number,
    length: Number,
    clause: Number,
    word: Number,
    next_word: Number,
) -> list[Number]:
    """Return the hashed templates of a `Sentence`; lengths are on the scale of `LENGTHS`."""
    return [
        mixed(mixed(length, clause), 101),
        mixed(mixed(first, length), 102),
        mixed(mixed(first, second), 103),
        mixed(mixed(first, next_word), 104),
        mixed(mixed(clause, next_word), 105),
        mixed(mixed(before, clause), 106),
        mixed(mixed(clause, word), 107),
    ]
