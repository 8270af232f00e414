"""The compiled pass over a lexicon's bytes."""

import numpy as np

from steno_models.compiled import kernel, leaf
from steno_models.types import ByteArray, IntArray, LongArray

WIDEST = 2
"""Bytes of a phone at most."""
CODES = 1 << (8 * WIDEST)
_SPACE, _LINE = 32, 10
_PLAIN = 33  # bytes below are separators, or such as no lexicon has


@leaf
def _hash(data: ByteArray, begin: int | np.int64, end: int | np.int64) -> np.int64:
    """Return a hash of the bytes begin .. end (FNV-1a, Fowler, Noll & Vo)."""
    found = np.uint64(0xCBF29CE484222325)
    for i in range(begin, end):
        found = (found ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    return np.int64(found >> np.uint64(16))


@kernel
def word_table(vocabulary: ByteArray, begins: LongArray, table: IntArray) -> None:
    """Put every word into a hash table.

    Args:
        vocabulary: words, a line each.
        begins: (words + 1,) filled with where each begins, and the end.
        table: (a power of two,) -1 everywhere.
    """
    mask, begin, word = table.shape[0] - 1, np.int64(0), np.int64(0)
    for i in range(vocabulary.shape[0]):
        if vocabulary[i] != _LINE:
            continue
        h = _hash(vocabulary, begin, i) & mask
        while table[h] >= 0:
            h = (h + 1) & mask
        table[h] = word
        begins[word] = begin
        word, begin = word + 1, np.int64(i + 1)
    begins[word] = begin


@leaf
def _word(
    data: ByteArray, begin: np.int64, end: np.int64, vocabulary: ByteArray, begins: LongArray,
    table: IntArray,
) -> np.int64:  # fmt: skip
    """Return the number of the word in the bytes begin .. end, -1 where there is no such word."""
    mask = table.shape[0] - 1
    h = _hash(data, begin, end) & mask
    while table[h] >= 0:
        word = np.int64(table[h])
        at = begins[word]
        same = begins[word + 1] - at - 1 == end - begin
        for i in range(end - begin if same else 0):
            same = same and data[begin + i] == vocabulary[at + i]
        if same:
            return word
        h = (h + 1) & mask
    return np.int64(-1)


@leaf
def _token(data: ByteArray, begin: np.int64, end: np.int64, ids: IntArray) -> np.int64:
    """Return the id of the phone in the bytes begin .. end, -1 where there is no such phone."""
    if end - begin > WIDEST:
        return np.int64(-1)
    code = np.int64(0)
    for i in range(begin, end):
        code = (code << 8) | data[i]
    return np.int64(ids[code])


@kernel
def read_lexicon(
    data: ByteArray, vocabulary: ByteArray, begins: LongArray, table: IntArray,
    ids: IntArray, words: LongArray, lengths: LongArray, tokens: IntArray,
) -> tuple[int, int]:  # fmt: skip
    """Fill `words`, `lengths` and `tokens`; return how many pronunciations and tokens there are.

    Args:
        data: the file; a word and its phones a line, one space between.
        vocabulary: as `word_table` took it.
        begins: as `word_table` left it.
        table: likewise.
        ids: (CODES,) the token id of the phone whose bytes are that number, -1 for none.
        words: room for the word of each pronunciation.
        lengths: room for how many tokens each has.
        tokens: room for all of them.

    Returns:
        (-1, -1) where the file has another form.
    """
    count, filled, place = np.int64(0), np.int64(0), np.int64(0)
    while place < data.shape[0]:
        begin = place
        while place < data.shape[0] and data[place] >= _PLAIN:
            place += 1
        word = _word(data, begin, place, vocabulary, begins, table)
        if word < 0:
            return -1, -1
        first = filled
        while place < data.shape[0] and data[place] == _SPACE:
            begin = place + 1
            place = begin
            while place < data.shape[0] and data[place] >= _PLAIN:
                place += 1
            token = _token(data, begin, place, ids)
            if token < 0:
                return -1, -1
            tokens[filled] = token
            filled += 1
        if place == data.shape[0] or data[place] != _LINE or filled == first:
            return -1, -1
        place += 1
        words[count], lengths[count] = word, filled - first
        count += 1
    return int(count), int(filled)
