"""What is written otherwise than it is spoken: abbreviations, amounts, dates, symbols.

Each rule is a pattern and what stands in its place; they run in the order of this file, so that
"£3.50" is money before it is a decimal. Text comes folded to ASCII, but for £, € and °.
"""

import re
from collections.abc import Callable, Iterable

from steno_models.text import numerals

_Match = re.Match[str]
_Rule = tuple[re.Pattern[str], str | Callable[[_Match], str]]

_N = r"\d{1,3}(?:,\d{3})+|\d+"

# Titles stand before a name, so their full stop ends no sentence and goes.
_TITLES = {
    "Capt": "captain", "Col": "colonel", "Drs": "doctors", "Gen": "general", "Gov": "governor",
    "Hon": "honourable", "Lieut": "lieutenant", "Lt": "lieutenant", "Maj": "major",
    "Messrs": "messrs", "Mlle": "mademoiselle", "Mme": "madame", "Mt": "mount",
    "Prof": "professor", "Rev": "reverend", "Sen": "senator", "Sgt": "sergeant", "Fig": "figure",
}  # fmt: skip
# These may end a sentence, so their full stop stays.
_TAILS = {
    "&c": "et cetera", "etc": "et cetera", "Co": "company", "Dept": "department", "Esq": "esquire",
    "Inc": "incorporated", "Jr": "junior", "Ltd": "limited", "Sr": "senior", "approx":
    "approximately", "Jan": "january", "Feb": "february", "Aug": "august", "Sept": "september",
    "Oct": "october", "Nov": "november", "Dec": "december",
}  # fmt: skip
_ANY_CASE = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_UNITS = {
    "cm": "centimetre", "dl": "decilitre", "ft": "foot", "g": "gram", "hr": "hour", "hrs": "hour",
    "kg": "kilogram", "km": "kilometre", "l": "litre", "lb": "pound", "lbs": "pound",
    "mcg": "microgram", "mg": "milligram", "min": "minute", "ml": "millilitre", "mm": "millimetre",
    "oz": "ounce",
}  # fmt: skip
_SYMBOLS = {
    "%": " per cent ", "&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "°": " degrees ",
    "£": " pounds ", "€": " euros ", "$": " dollars ",
}  # fmt: skip
_COINS = {"£": ("pound", "pence"), "L": ("pound", "pence"), "$": ("dollar", "cents"),
          "€": ("euro", "cents")}  # fmt: skip
_KINGS = (
    "Alexander|Benedict|Charles|Christian|Clement|Edward|Ferdinand|Francis|Frederick|George|"
    "Gregory|Gustavus|Henry|Innocent|James|John|Leo|Leopold|Louis|Napoleon|Nicholas|Paul|Peter|"
    "Philip|Pius|Richard|Urban|Victor|Wilhelm|William"
)
_PARTS = (
    "Act|Book|Canto|Chapter|Class|Factor|Grade|Letter|Nerve|Number|Part|Phase|Scene|Section|Stage|"
    "Type|Volume|War"
)
_FRACTIONS = {"1/2": "half", "1/3": "third", "1/4": "quarter", "2/3": "two thirds",
              "3/4": "three quarters"}  # fmt: skip


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _counted(count: str, unit: str) -> str:
    plurals = {"foot": "feet"}
    return f"{count} {unit if count == 'one' else plurals.get(unit, unit + 's')}"


def _in_the_case_of(written: str, words: str) -> str:
    # a capital still tells where a sentence may begin
    return words.title() if written[0].isupper() else words


def _spelled(match: _Match) -> str:
    return f" {' '.join(match[0].replace('.', ''))}{'.' if match[0][-1] == '.' else ''} "


def _regnal(match: _Match) -> str:
    value = numerals.roman(match[2])
    return f"{match[1]} the {numerals.ordinal(value)}" if value else match[0]


def _numbered_part(match: _Match) -> str:
    value = numerals.roman(match[2].upper())
    return f"{match[1]} {numerals.cardinal(value)}" if value else match[0]


def _lone_roman(match: _Match) -> str:
    value = numerals.roman(match[0])
    return numerals.cardinal(value) if value else match[0]


# Tokenised text has "did n't"; what else stands before "n't" is no contraction.
_NEGATED = (
    "ai|are|be|ca|could|dare|did|do|does|had|has|have|is|may|might|must|need|ought|sha|should|was|"
    "were|wo|would"
)
_ABBREVIATIONS: tuple[_Rule, ...] = (
    (re.compile(r"\b([Oo]) ?' ?(?=clock\b)"), r"\1'"),
    (re.compile(r" '(?=(?:s|m|d|ll|re|ve)\b)|''+"), lambda m: "'" if m[0] == " '" else '"'),
    (re.compile(r"\be\.\s?g\."), "for example"),
    (re.compile(r"\bi\.\s?e\."), "that is"),
    (
        re.compile(rf"(?<![a-z])({_alternatives(_ANY_CASE)})(?![a-z])\.?", re.IGNORECASE),
        lambda m: _in_the_case_of(m[1], _ANY_CASE[m[1].lower()]),
    ),
    (re.compile(r"\bSt\b\.?(?=\s+[A-Z])"), "Saint"),
    (re.compile(r"(?<=[a-z] )St\."), "street."),
    (re.compile(rf"\b({_alternatives(_TITLES)})\.(?=\s)"), lambda m: _TITLES[m[1]].title()),
    (re.compile(rf"(?<![A-Za-z])({_alternatives(_TAILS)})\."), lambda m: f"{_TAILS[m[1]]}."),
    (re.compile(r"\b(?:[Nn]o\.|#)\s?(?=\d)|#(?=\d)"), "number "),
    (re.compile(r"\b(?:[A-Za-z]\.\s?){1,}[A-Za-z]\.(?![A-Za-z])"), _spelled),
    (re.compile(r"\b([A-HJ-Z])\.(?=\s+[A-Z])"), r"\1"),
    (re.compile(rf"\b({_KINGS}) ([IVX]{{2,}})\b"), _regnal),
    (re.compile(rf"\b((?i:{_PARTS})) ([IVXLC]+)\b"), _numbered_part),
    (re.compile(r"\b(?!IV\b)[IVX]{2,}\b"), _lone_roman),
    (re.compile(rf"\b({_NEGATED}) (?=n't\b)", re.IGNORECASE), r"\1"),
)


def _money(match: _Match) -> str:
    whole, small, scale = match[2], match[3], match[4]
    coin, cents = _COINS[match[1]]
    if scale:
        decimals = f" point {numerals.digits(small)}" if small else ""
        return f" {numerals.number(whole)}{decimals} {scale} {coin}s"
    words = _counted(numerals.number(whole), coin)
    if small and int(small):
        words += f" and {numerals.number(small.lstrip('0'))} {cents}"
    return f" {words}"


def _shillings(match: _Match) -> str:
    words = _counted(numerals.number(match[1]), "shilling")
    return f"{words} and {_pence(match[2])} " if match[2] else f"{words} "


def _pence(count: str) -> str:
    return "a penny" if count == "1" else f"{numerals.number(count)} pence"


def _clock(match: _Match) -> str:
    hour, minute = int(match[1]), int(match[2])
    if minute == 0:
        return f"{numerals.cardinal(hour)} o'clock"
    return f"{numerals.cardinal(hour)} {'o ' if minute < 10 else ''}{numerals.cardinal(minute)}"


def _fraction(match: _Match) -> str:
    words = _FRACTIONS[match[2]]
    if match[1]:
        article = "" if " " in words else "a "
        return f"{numerals.number(match[1])} and {article}{words}"
    return words if " " in words else f"one {words}"


def _decade(match: _Match) -> str:
    value = int(match[1])
    return numerals.plural(numerals.year(value) if value >= 1000 else numerals.cardinal(value))


def _measure(match: _Match) -> str:
    unit = _UNITS[match[2].lower()]
    # the number itself is left to the later rules
    return f"{match[1]} {_counted('one' if match[1] == '1' else '', unit).split()[-1]}"


def _decimal(match: _Match) -> str:
    whole = f"{numerals.number(match[1])} " if match[1] else ""
    return f" {whole}point {numerals.digits(match[2])} "


_NUMBERS: tuple[_Rule, ...] = (
    (
        re.compile(
            rf"([£$€]|\bL(?=\d\d|\d,))\s?({_N})(?:\.(\d\d?)(?!\d))?"
            r"(?: (hundred|thousand|million|billion)\b)?"
        ),
        _money,
    ),
    (re.compile(r"\b(\d{1,2})s\.? (\d{1,2})d\b\.?"), _shillings),
    (re.compile(r"\b(\d?[1-9])s\.(?=[ ,;])()"), _shillings),
    (re.compile(r"\b(\d{1,2})d\.(?=[ ,;])"), lambda m: _pence(m[1])),
    (re.compile(r"\b(\d{1,2})[:.]([0-5]\d)(?=\s?[ap]\.?\s?m\b)"), _clock),
    (re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b(?!:)"), _clock),
    (re.compile(r"\b\d{3}-\d{3}-\d{4}\b"), lambda m: numerals.digits(m[0].replace("-", ""))),
    (re.compile(r"\b(\d{1,4})([/-])(\d{1,2})\2(\d{1,4})\b"), r"\1 \3 \4"),
    (re.compile(rf"\b(?:(\d+)[ -])?({'|'.join(_FRACTIONS)})\b(?!/)"), _fraction),
    (re.compile(r"(?<=\d)/(?=\d)"), " over "),
    (re.compile(rf"\b({_N})(?:st|nd|rd|th)\b"), lambda m: f" {_nth(m[1])} "),
    (re.compile(r"\b(\d{1,3}0)s\b"), _decade),
    (
        re.compile(rf"(?<![A-Za-z\d])(\d[\d,.]*)[ -]?({_alternatives(_UNITS)})\b", re.IGNORECASE),
        _measure,
    ),
    (re.compile(r"(?<=\d) ?- ?(?=\d)"), " to "),
    (re.compile(rf"({_N})?\.(\d+)"), _decimal),
    (re.compile(r"(?<![\d,])(?:1\d|20)\d\d(?![\d,]\d)(?!\d)"), lambda m: f" {_year(m[0])} "),
    (re.compile(_N), lambda m: f" {numerals.number(m[0])} "),
)


def _nth(text: str) -> str:
    value = int(text.replace(",", ""))
    return numerals.ordinal(value) if value <= numerals.LARGEST else numerals.number(text)


def _year(text: str) -> str:
    return numerals.year(int(text))


_TRIGGER = re.compile(r"\d")
_SYMBOL = re.compile(f"[{re.escape(''.join(_SYMBOLS))}]")


def expand(text: str) -> str:
    """Return `text` with abbreviations, numbers and symbols as words; case and stops remain."""
    text = text.replace("_", " ")  # italics in plain-text books
    for pattern, replacement in _ABBREVIATIONS:
        text = pattern.sub(replacement, text)
    if _TRIGGER.search(text):
        for pattern, replacement in _NUMBERS:
            text = pattern.sub(replacement, text)
    if _SYMBOL.search(text):
        text = _SYMBOL.sub(lambda m: _SYMBOLS[m[0]], text)
    return text
