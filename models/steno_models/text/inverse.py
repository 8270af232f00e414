"""What is spoken as people write it: "five dollars and ten cents" is "$5.10".

Inverse text normalisation, the way back from `written`. Each rule looks at the words from one place
on and says what to write for how many of them; they are tried in the order of `_RULES`, so that an
amount is money before it is a number. What may mean something else stays as it is: "ten pounds"
is no price, "five" no figure, and numbers that follow one another are none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from steno_models.text import spoken_numbers as spoken
from steno_models.text.spoken_numbers import NUMBER_WORDS


@dataclass(frozen=True, slots=True)
class Written:
    """What is written for the spoken words `begin` … `end` - 1.

    Attributes:
        text: with capitals where the rule knows of some.
        is_figure: whether a rule wrote it; it is no word to be put into another case.
    """

    text: str
    begin: int
    end: int
    is_figure: bool = False


@dataclass(frozen=True, slots=True)
class _Speech:
    """Words, and of each whether it is a name; None where nobody knows."""

    words: Sequence[str]
    names: Sequence[bool] | None = None

    def __getitem__(self, at: int) -> str:
        return self.words[at] if 0 <= at < len(self.words) else ""

    def is_one_of(self, at: int, known: str) -> bool:
        """Return whether a word is one of those that spaces separate in `known`."""
        return self[at] in known.split()


_Found: TypeAlias = tuple[str, int] | None
_Rule: TypeAlias = Callable[[_Speech, int], _Found]

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_OTHER_WORDS_TOO = "may march august"
"""Months that say something else as well, unless what stands around them tells."""
_MONEY = {"dollar": "$", "dollars": "$", "euro": "€", "euros": "€", "pound": "£", "pounds": "£"}
_COINS = {"$": "cent cents", "€": "cent cents", "£": "penny pence"}
_UNITS = {
    "milligram": "mg", "microgram": "mcg", "kilogram": "kg", "gram": "g", "millilitre": "ml",
    "milliliter": "ml", "decilitre": "dl", "deciliter": "dl", "millimetre": "mm",
    "millimeter": "mm", "centimetre": "cm", "centimeter": "cm", "kilometre": "km",
    "kilometer": "km",
}  # fmt: skip
_SCALES = {"celsius": "°C", "centigrade": "°C", "fahrenheit": "°F"}
_NUMBERED = "chapter page room platform section volume figure version flight route"
_TITLES = {"mister": "Mr", "missus": "Mrs", "doctor": "Dr"}
_LONG_DIGITS = 5
"""Single digits in a row that are a number somebody reads out, not a count."""


def inverse(words: Sequence[str], names: Sequence[bool] | None = None) -> list[Written]:
    """Return what is written for `words`, lower case; every word belongs to one of the results.

    Args:
        words: as recognised.
        names: of each whether it is capitalised within a sentence; with it "doctor" before a name
            is "Dr".
    """
    speech = _Speech(words, names)
    written: list[Written] = []
    at = 0
    while at < len(words):
        text, count = next(
            (found for rule in _RULES if (found := rule(speech, at)) is not None), ("", 0)
        )
        if count:
            written.append(Written(text, at, at + count, is_figure=True))
        else:
            # a number that no rule reads stays whole: half of it would be another number
            count = max(1, _run(speech, at))
            written += [Written(words[n], n, n + 1) for n in range(at, at + count)]
        at += count
    return written


def _run(speech: _Speech, at: int) -> int:
    """Return how many number words stand in a row."""
    end = at
    while speech[end] in NUMBER_WORDS or (
        end > at and speech[end] == "and" and speech[end + 1] in NUMBER_WORDS
    ):
        end += 1
    return end - at


def _is_apart(speech: _Speech, at: int, count: int) -> bool:
    """Return whether no other number stands beside the words that were read as one."""
    behind = at + count
    follows = speech[behind] in NUMBER_WORDS or speech[behind] in spoken.ORDINAL_WORDS
    return speech[at - 1] not in NUMBER_WORDS and not follows


def figure(value: int) -> str:
    """Return a number in figures: 1,215, but 2005, which is mostly a year, and 3 million."""
    for name, scale in reversed(list(spoken.SCALES.items())[1:]):
        if value >= scale and value % scale == 0:
            return f"{value // scale:,} {name}"
    return str(value) if value < 1000 or 2000 <= value < 2100 else f"{value:,}"


def _quantity(speech: _Speech, at: int) -> _Found:
    """Read what can be counted or measured: "three", "three point five", "two million"."""
    whole = spoken.cardinal(speech.words, at)
    if whole is None:
        return None
    value, count = whole
    if speech[at + count] == "point":
        tail = spoken.digits(speech.words, at + count + 1)
        if tail is None:
            return None
        text = f"{value}.{tail[0]}"
        count += 1 + tail[1]
        scale = speech[at + count]
        if scale in spoken.SCALES:
            text, count = f"{text} {scale}", count + 1
    else:
        text = figure(value)
    return (text, count) if _is_apart(speech, at, count) else None


def _money(speech: _Speech, at: int) -> _Found:
    """Read "five dollars and ten cents" → $5.10; pounds may weigh, so they need pence."""
    found = _quantity(speech, at)
    if found is None or speech[at + found[1]] not in _MONEY:
        return None
    amount, count = found
    sign = _MONEY[speech[at + count]]
    count += 1
    start = at + count + (speech[at + count] == "and")
    small = spoken.below_hundred(speech.words, start)
    if small is not None and small[0] and speech.is_one_of(start + small[1], _COINS[sign]):
        if "." in amount or " " in amount:
            return None
        return f"{sign}{amount}.{small[0]:02}", start + small[1] + 1 - at
    return None if sign == "£" else (f"{sign}{amount}", count)


def _percentage(speech: _Speech, at: int) -> _Found:
    """Read "three per cent" → 3%."""
    found = _quantity(speech, at)
    if found is None:
        return None
    end = at + found[1]
    if speech[end] == "percent":
        return f"{found[0]}%", found[1] + 1
    if speech[end] == "per" and speech[end + 1] == "cent":
        return f"{found[0]}%", found[1] + 2
    return None


def _measure(speech: _Speech, at: int) -> _Found:
    """Read "five kilograms" → 5 kg, "twenty degrees celsius" → 20 °C."""
    found = _quantity(speech, at)
    if found is None:
        return None
    unit = speech[at + found[1]]
    if unit in {"degree", "degrees"}:
        scale = _SCALES.get(speech[at + found[1] + 1])
        return (f"{found[0]} {scale}", found[1] + 2) if scale else None
    short = _UNITS.get(unit.removesuffix("s"))
    return (f"{found[0]} {short}", found[1] + 1) if short else None


def _year(speech: _Speech, at: int) -> _Found:
    """Read "nineteen eighty four" → 1984, "nineteen sixties" → 1960s."""
    found = spoken.decade(speech.words, at)
    if found is not None and _is_apart(speech, at, found[1]):
        return f"{found[0]}s", found[1]
    found = spoken.year(speech.words, at)
    if found is not None and _is_apart(speech, at, found[1]):
        return str(found[0]), found[1]
    return None


def _year_behind(speech: _Speech, at: int) -> _Found:
    """Read the year behind a date: in two halves, or 2000 to 2099 as a number."""
    found = spoken.year(speech.words, at) or spoken.cardinal(speech.words, at)
    if found is None or not 1300 <= found[0] < 2100 or not _is_apart(speech, at, found[1]):
        return None
    return (str(found[0]), found[1]) if found[1] > 1 else None


def _date(speech: _Speech, at: int) -> _Found:
    """Read "the first of may" → 1 May, "january twenty first nineteen ten" → January 21, 1910."""
    if speech[at] in _MONTHS:
        return _date_from_month(speech, at)
    start = at + (speech[at] == "the")
    day = spoken.ordinal(speech.words, start)
    if day is None or not 1 <= day[0] <= 31 or speech[at - 1] in NUMBER_WORDS:
        return None
    end = start + day[1]
    if speech[end] != "of" or speech[end + 1] not in _MONTHS:
        return None
    year = _year_behind(speech, end + 2)
    text = f"{day[0]} {speech[end + 1].title()}{f' {year[0]}' if year else ''}"
    return text, end + 2 + (year[1] if year else 0) - at


def _date_from_month(speech: _Speech, at: int) -> _Found:
    month = speech[at].title()
    bare = _year_behind(speech, at + 1)
    if bare is not None:
        return f"{month} {bare[0]}", 1 + bare[1]
    has_the = speech[at + 1] == "the"
    day = spoken.ordinal(speech.words, at + 1 + has_the)
    if day is None or not 1 <= day[0] <= 31:
        return None
    count = 1 + has_the + day[1]
    year = _year_behind(speech, at + count)
    if year is not None:
        return f"{month} {day[0]}, {year[0]}", count + year[1]
    is_sure = not speech.is_one_of(at, _OTHER_WORDS_TOO) or speech.is_one_of(at - 1, "on by until")
    return (f"{month} {day[0]}", count) if is_sure and not has_the else None


def _half_of_day(speech: _Speech, at: int) -> _Found:
    """Read "am", or "a m" as it is spelled."""
    if speech[at] in {"am", "pm"} and speech[at + 1] != "i":
        return speech[at], 1
    if speech.is_one_of(at, "a p") and speech[at + 1] == "m":
        return f"{speech[at]}m", 2
    return None


def _hour(speech: _Speech, at: int) -> tuple[int, int] | None:
    hour = spoken.SMALL.get(speech[at], 0)
    return (hour, 1) if 1 <= hour <= 12 else None


def _past(speech: _Speech, at: int) -> _Found:
    """Read "half past ten" and its like as a time of 24 hours or less: 10:30."""
    minutes: tuple[int, int] | None
    start = at + (speech[at] == "a" and speech[at + 1] == "quarter")
    if speech[start] in {"half", "quarter"}:
        minutes = (30 if speech[start] == "half" else 15), 1
    else:
        minutes = spoken.below_hundred(speech.words, at)
        if minutes is None or minutes[0] not in {5, 10, 20, 25}:
            return None
    end = start + minutes[1]
    told = speech[end] == "minutes"
    side = speech[end + told]
    hour = _hour(speech, end + told + 1)
    if hour is None or not (side == "past" or (side == "to" and (told or minutes[0] == 15))):
        return None
    minute = minutes[0] if side == "past" else 60 - minutes[0]
    whole = hour[0] if side == "past" else (hour[0] - 2) % 12 + 1
    return f"{whole}:{minute:02}", end + told + 2 - at


def _clock(speech: _Speech, at: int) -> _Found:
    """Read "ten thirty am" → 10:30 am; without "am" only behind "at", else it may be a year."""
    hour = _hour(speech, at)
    if hour is None or speech[at - 1] in NUMBER_WORDS:
        return None
    is_o = speech.is_one_of(at + 1, "o oh")
    minute = spoken.below_hundred(speech.words, at + 1 + is_o)
    if minute is not None and (minute[0] < 10) == is_o and 0 < minute[0] < 60:
        text, count = f"{hour[0]}:{minute[0]:02}", 1 + is_o + minute[1]
        half = _half_of_day(speech, at + count)
        if half is not None:
            return f"{text} {half[0]}", count + half[1]
        is_sure = speech[at - 1] == "at" and _is_apart(speech, at, count)
        return (text, count) if is_sure else None
    half = _half_of_day(speech, at + 1)
    if half is not None:
        return f"{hour[0]} {half[0]}", 1 + half[1]
    return (f"{hour[0]} o'clock", 2) if speech[at + 1] == "o'clock" else None


def _time(speech: _Speech, at: int) -> _Found:
    """Read "half past ten" → 10:30, with "am" or "in the morning" as they stand."""
    found = _past(speech, at)
    if found is None:
        return _clock(speech, at)
    if speech[at - 1] in NUMBER_WORDS or speech[at + found[1]] in NUMBER_WORDS:
        return None
    half = _half_of_day(speech, at + found[1])
    return (f"{found[0]} {half[0]}", found[1] + half[1]) if half is not None else found


def _ordinal(speech: _Speech, at: int) -> _Found:
    """Read "twenty first" → 21st; below the tenth, and for a "second" that may be a time, words."""
    found = spoken.ordinal(speech.words, at)
    if found is None or found[0] < 10 or not _is_apart(speech, at, found[1]):
        return None
    value, count = found
    if speech[at + count - 1] == "second" and speech[at - 1] != "the":
        return None
    ending = "th" if value // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value:,}{ending}", count


def _read_out(speech: _Speech, at: int) -> _Found:
    """Read "five five five one two one two" → 5551212."""
    found = spoken.digits(speech.words, at)
    if found is None or found[1] < _LONG_DIGITS or not _is_apart(speech, at, found[1]):
        return None
    return found


def _number(speech: _Speech, at: int) -> _Found:
    """Read "twenty five" → 25; below ten words, unless a chapter or the like is numbered."""
    found = _quantity(speech, at)
    if found is None:
        return None
    text, count = found
    is_long = len(text) > 1 or speech.is_one_of(at - 1, _NUMBERED)
    is_archaic = speech[at - 1] == "and" and speech[at - 2] in spoken.SMALL  # "five and twenty"
    is_vague = speech[at] == "a" and count == 2  # "a hundred"
    is_vague |= speech[at] == "one" and speech.is_one_of(at - 1, "no any some every each")
    return found if is_long and not is_archaic and not is_vague else None


def _title(speech: _Speech, at: int) -> _Found:
    """Read "doctor smith" → Dr Smith; not "the doctor said"."""
    short = _TITLES.get(speech[at])
    if short is None or not speech[at + 1]:
        return None
    if speech.names is None:
        return (short, 1) if speech[at] != "doctor" else None
    return (short, 1) if speech.names[at + 1] else None


_RULES: tuple[_Rule, ...] = (
    _date, _time, _money, _percentage, _measure, _year, _ordinal, _read_out, _number, _title,
)  # fmt: skip
