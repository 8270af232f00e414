"""Graphones: pairs of a letter and the none, one or two phones that it sounds.

Which letter sounds which phones is found by expectation maximisation over all segmentations of the
dictionary's words (the many-to-many aligner of Jiampojamarn et al. 2007, after Bisani & Ney 2008);
then each word is written as its likeliest sequence of graphones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.text import kernels
from steno_models.text.kernels import DoubleArray, Graphones
from steno_models.text.lexicon import Pronunciation
from steno_models.text.tokens import PHONES
from steno_models.types import IntArray, LongArray

LETTERS = "'abcdefghijklmnopqrstuvwxyz"
NUM_CODES = len(LETTERS) * kernels.PARTS
# The tokens of the n-gram: the two ends of a word come before the graphones.
END, BEGIN, FIRST = 0, 1, 2

_LETTER_NUMBERS = {letter: number for number, letter in enumerate(LETTERS)}
_PHONE_NUMBERS = {phone: number for number, phone in enumerate(PHONES)}
# Graphones less likely than this are noise of the estimation (and slow as denormal numbers).
_LEAST_PROB = 1e-10


@dataclass(frozen=True, slots=True)
class Pairs:
    """Words and pronunciations end to end, as numbers.

    Attributes:
        letters: letters of all words; word n has letter_begin[n] up to letter_begin[n + 1].
        phones: phones of all pronunciations, likewise.
    """

    letters: IntArray
    letter_begin: LongArray
    phones: IntArray
    phone_begin: LongArray

    @classmethod
    def of(cls, entries: Sequence[tuple[str, Pronunciation]]) -> "Pairs":
        """Return words and pronunciations as numbers."""
        letters, letter_begin = _flat([letter_numbers(word) for word, _ in entries])
        phones, phone_begin = _flat(
            [np.array([_PHONE_NUMBERS[phone] for phone in sound], np.int32) for _, sound in entries]
        )
        return cls(letters, letter_begin, phones, phone_begin)


def letter_numbers(word: str) -> IntArray:
    """Return the letters of `word`, (L,), as numbers; others than [a-z'] are a DataError."""
    try:
        return np.array([_LETTER_NUMBERS[letter] for letter in word], np.int32)
    except KeyError as error:
        raise DataError(f"expected a word of [a-z'], found {error} in {word!r}") from None


def estimate(
    pairs: Pairs, iterations: int, report: Callable[[int, float], None] | None = None
) -> DoubleArray:
    """Return the probability of each graphone, (NUM_CODES,), after EM from a uniform start.

    Args:
        pairs: the dictionary.
        iterations: how many steps.
        report: called with the number of each step and the log-likelihood that it began with.
    """
    prob = np.full(NUM_CODES, 1.0 / NUM_CODES)
    for iteration in range(iterations):
        counts = np.zeros(NUM_CODES)
        log_likelihood = kernels.expect(*_arrays(pairs), prob, counts)
        if report:
            report(iteration, log_likelihood)
        prob = counts / counts.sum()
        prob[prob < _LEAST_PROB] = 0.0
    return prob


def segment(pairs: Pairs, prob: DoubleArray, *, min_count: int) -> tuple[IntArray, LongArray]:
    """Return the words as graphone codes, end to end, and where each begins.

    Graphones that the best segmentations use less than `min_count` times are given up (they are
    mostly errors of the dictionary), and words that cannot do without them are left out.
    """
    codes = kernels.segment(*_arrays(pairs), prob)
    counts = np.bincount(codes[codes >= 0], minlength=NUM_CODES)
    codes = kernels.segment(*_arrays(pairs), np.where(counts >= min_count, prob, 0.0))
    lengths = np.diff(pairs.letter_begin)
    lengths = lengths[codes[pairs.letter_begin[:-1]] >= 0]
    return codes[codes >= 0], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def table(codes: IntArray) -> Graphones:
    """Return what tokens write and sound; FIRST + i is the graphone codes[i], these ascending."""
    letter, part = np.divmod(codes, kernels.PARTS)
    two = part > kernels.NUM_PHONES
    pair = part - 1 - kernels.NUM_PHONES
    ends = np.zeros(FIRST, np.int32)
    return Graphones(
        begin=(FIRST + np.searchsorted(letter, np.arange(len(LETTERS) + 1))).astype(np.int32),
        first=np.concatenate([ends, np.where(two, pair // kernels.NUM_PHONES + 1, part)]),
        second=np.concatenate([ends, np.where(two, pair % kernels.NUM_PHONES + 1, 0)]),
    )


def _arrays(pairs: Pairs) -> tuple[IntArray, LongArray, IntArray, LongArray]:
    return pairs.letters, pairs.letter_begin, pairs.phones, pairs.phone_begin


def _flat(rows: Sequence[IntArray]) -> tuple[IntArray, LongArray]:
    begin = np.zeros(len(rows) + 1, np.int64)
    begin[1:] = np.cumsum([row.size for row in rows])
    return np.concatenate([np.zeros(0, np.int32), *rows]), begin
