"""Number words as numbers: the way back from `numerals`, which makes words of numbers.

Every reader looks at `words` from `at` on and returns what it found with how many words that took,
or None. "one hundred twenty" is read as well as "one hundred and twenty".
"""

from collections.abc import Sequence
from typing import TypeAlias

from steno_models.text import numerals

Found: TypeAlias = tuple[int, int] | None
"""A value and how many words it took."""

SMALL = {numerals.cardinal(value): value for value in range(20)}
TENS = {numerals.cardinal(value): value for value in range(20, 100, 10)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_OHS = ("o", "oh")
_ORDINALS = {
    numerals.ordinal(value): numerals.cardinal(value)
    for value in (*range(1, 20), *range(20, 100, 10))
} | {"hundredth": "hundred"} | {f"{scale}th": scale for scale in SCALES}  # fmt: skip
NUMBER_WORDS = frozenset(SMALL) | frozenset(TENS) | {"hundred"} | frozenset(SCALES)
ORDINAL_WORDS = frozenset(_ORDINALS)
_CENTURIES = range(13, 21)


def _word(words: Sequence[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""


def below_hundred(words: Sequence[str], at: int) -> Found:
    """Read 0 to 99: "twenty five"."""
    first = _word(words, at)
    if first in SMALL:
        return SMALL[first], 1
    if first not in TENS:
        return None
    ones = SMALL.get(_word(words, at + 1), 0)
    return (TENS[first] + ones, 2) if 0 < ones < 10 else (TENS[first], 1)


def _below_thousand(words: Sequence[str], at: int) -> Found:
    """Read 0 to 999; "a hundred and five" counts, too."""
    count = 1 if _word(words, at) == "a" else SMALL.get(_word(words, at), 0)
    if _word(words, at + 1) != "hundred" or not 0 < count < 10:
        return below_hundred(words, at)
    has_and = _word(words, at + 2) == "and"
    rest = below_hundred(words, at + 2 + has_and)
    if rest is None or rest[0] == 0:
        return 100 * count, 2
    return 100 * count + rest[0], 2 + has_and + rest[1]


def cardinal(words: Sequence[str], at: int) -> Found:
    """Read a whole number, as far as it goes: "two thousand and five"."""
    total, end, ceiling = 0, at, 10**15
    while True:
        has_and = end > at and _word(words, end) == "and"
        part = _below_thousand(words, end + has_and)
        if part is None and end == at and _word(words, at) == "a":
            part = (1, 1) if _word(words, at + 1) in SCALES else None
        if part is None:
            break
        value, behind = part[0], end + has_and + part[1]
        scale = SCALES.get(_word(words, behind), 1)
        if value * scale >= ceiling or (scale > 1 and value == 0) or (has_and and value >= 100):
            break
        if end > at and value == 0:
            break
        total, end, ceiling = total + value * scale, behind + (scale > 1), scale
        if scale == 1:
            break
    return (total, end - at) if end > at else None


def ordinal(words: Sequence[str], at: int) -> Found:
    """Read the place in an order: "twenty first"; it ends with the first word that is one."""
    for end in range(at, len(words)):
        if words[end] in _ORDINALS:
            plain = [*words[at:end], _ORDINALS[words[end]]]
            if plain[0] in ("hundred", *SCALES):
                return None
            found = cardinal(plain, 0)
            return found if found is not None and found[1] == len(plain) else None
        if words[end] not in NUMBER_WORDS and words[end] != "and":
            return None
    return None


def year(words: Sequence[str], at: int) -> Found:
    """Read a year in two halves: "nineteen eighty four", "eighteen o three", "nineteen hundred"."""
    first = _word(words, at)
    century = SMALL.get(first, TENS.get(first, 0))
    if century not in _CENTURIES:
        return None
    second = _word(words, at + 1)
    if second == "hundred" and century != 20:
        return (100 * century, 2) if _word(words, at + 2) != "and" else None
    if second in _OHS:
        ones = SMALL.get(_word(words, at + 2), 0)
        return (100 * century + ones, 3) if 0 < ones < 10 else None
    half = below_hundred(words, at + 1)
    return (100 * century + half[0], 1 + half[1]) if half is not None and half[0] >= 10 else None


def decade(words: Sequence[str], at: int) -> Found:
    """Read a decade of a century: "nineteen sixties" is 1960."""
    century = SMALL.get(_word(words, at), 0)
    tens = {numerals.plural(name): value for name, value in TENS.items()}
    value = tens.get(_word(words, at + 1))
    return (100 * century + value, 2) if century in _CENTURIES and value is not None else None


def digits(words: Sequence[str], at: int) -> tuple[str, int] | None:
    """Read single digits, one by one: "o five five" is "055"."""
    read = ""
    while (word := _word(words, at + len(read))) in _OHS or SMALL.get(word, 10) < 10:
        read += "0" if word in _OHS else str(SMALL[word])
    return (read, len(read)) if read else None
