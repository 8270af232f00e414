"""Whole numbers as English words, the British way: "two hundred and fourteen"."""

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (10**3, "thousand"),
    (10**2, "hundred"),
)
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
LARGEST = 10**15 - 1


def cardinal(number: int) -> str:
    """Return `number`, 0 to `LARGEST`, as words: 1215 is "one thousand two hundred and fifteen"."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens]} {_SMALL[ones]}" if ones else _TENS[tens]
    scale, name = next((s, n) for s, n in _SCALES if number >= s)
    count, rest = divmod(number, scale)
    words = f"{cardinal(count)} {name}"
    if not rest:
        return words
    return f"{words} {'and ' if rest < 100 else ''}{cardinal(rest)}"


def ordinal(number: int) -> str:
    """Return the ordinal of `number` as words: 21 is "twenty first"."""
    before, _, last = cardinal(number).rpartition(" ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    else:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return f"{before} {last}".strip()


def year(number: int) -> str:
    """Return the year `number`, 1000 to 2099, as words: 1803 is "eighteen o three"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'o ' if rest < 10 else ''}{cardinal(rest)}"


def plural(words: str) -> str:
    """Return number words in the plural: "eighteen thirty" becomes "eighteen thirties"."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith("x") else f"{words}s"


def digits(text: str) -> str:
    """Return the decimal digits in `text` one by one: "07" is "zero seven"."""
    return " ".join(_SMALL[int(digit)] for digit in text)


def number(text: str) -> str:
    """Return the digits `text`, commas allowed, as words.

    A leading zero, or more digits than have a name, are read one by one.
    """
    plain = text.replace(",", "")
    value = int(plain)
    if (len(plain) > 1 and plain[0] == "0") or value > LARGEST:
        return digits(plain)
    return cardinal(value)


def roman(text: str) -> int | None:
    """Return the value of the Roman numeral `text` (upper case, below 400), None if it is none."""
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in text]
    total = sum(
        -value if value < after else value
        for value, after in zip(values, [*values[1:], 0], strict=True)
    )
    return total if 0 < total < 400 and _to_roman(total) == text else None


def _to_roman(value: int) -> str:
    parts = []
    for unit, letters in (
        (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"),
        (1, "I"),
    ):  # fmt: skip
        count, value = divmod(value, unit)
        parts.append(letters * count)
    return "".join(parts)
