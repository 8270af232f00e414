"""Written text as what is heard of it, lower-case words, and what is not: marks and capitals."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from steno_models.text.normalise import fold
from steno_models.text.written import expand

Bytes = NDArray[np.uint8]


class Mark(IntEnum):
    """What stands behind a word; semicolons, colons and dashes count as commas."""

    NONE = 0
    COMMA = 1
    STOP = 2
    QUESTION = 3
    EXCLAMATION = 4

    @property
    def text(self) -> str:
        """The mark as it is written."""
        return ("", ",", ".", "?", "!")[self]

    @property
    def ends_sentence(self) -> bool:
        """Whether the next word begins a sentence."""
        return self >= Mark.STOP


class Case(IntEnum):
    """How a word is written within a sentence; "I" is CAPITALISED."""

    LOWER = 0
    CAPITALISED = 1
    UPPER = 2

    def apply(self, word: str) -> str:
        """Return the lower-case `word` in this case: "nasa's" in UPPER is "NASA's"."""
        match self:
            case Case.LOWER:
                return word
            case Case.CAPITALISED:
                return word[:1].upper() + word[1:] if word[:1] != "'" else word
            case Case.UPPER:
                stem, apostrophe, tail = word.partition("'")
                return stem.upper() + apostrophe + tail


UNKNOWN_CASE = 255
"""Where the text does not say how a word is written within a sentence."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Words of running text.

    Attributes:
        words: N of them, lower case `[a-z']`.
        marks: (N,) `Mark` behind each.
        cases: (N,) `Case` of each, or `UNKNOWN_CASE`.
    """

    words: tuple[str, ...]
    marks: Bytes
    cases: Bytes

    def __len__(self) -> int:
        return len(self.words)


_TOKEN = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*|[.,;:!?]+|-+(?=\s|-)|(?<=\s)-")
# Without any of these there is nothing to spell out, which takes most of the time.
_WRITTEN = re.compile(r"\d|[£$€°%&+=@]|\b[A-Za-z]\.|\b[A-Z][a-z]{1,4}\.|\b[IVX]{2,}\b")
_HEADING_CHARS = 60
_SHOUTED = 4
_BY_CHARACTER = {
    "!": Mark.EXCLAMATION, "?": Mark.QUESTION, ".": Mark.STOP, ",": Mark.COMMA, ";": Mark.COMMA,
    ":": Mark.COMMA, "-": Mark.COMMA,
}  # fmt: skip


def label(paragraphs: Sequence[str], *, is_cased: bool = True, shouts: bool = True) -> Labelled:
    """Return the words of running text and what is written with them.

    Headings and what else ends without a mark are left out.

    Args:
        paragraphs: in order.
        is_cased: whether capitals in it mean anything.
        shouts: whether words in capitals may be loud rather than abbreviated: they tell nothing.
    """
    words: list[str] = []
    marks: list[int] = []
    cases: list[int] = []
    for paragraph in paragraphs:
        for word, mark, case in _sentence_words(paragraph):
            begins = not marks or marks[-1] >= Mark.STOP
            unknown = not is_cased or begins or (shouts and case is Case.UPPER)
            words.append(word)
            marks.append(mark)
            cases.append(UNKNOWN_CASE if unknown else case)
    return Labelled(tuple(words), np.array(marks, np.uint8), np.array(cases, np.uint8))


def _sentence_words(paragraph: str) -> Iterator[tuple[str, Mark, Case]]:
    """Yield the words of a paragraph, none of a heading or where there are only capitals."""
    text = fold(paragraph).replace("_", " ").strip()
    ends = text.rstrip("\"')] ")[-1:]
    if ends not in _BY_CHARACTER or (len(text) < _HEADING_CHARS and text.upper() == text):
        return
    if _WRITTEN.search(text):
        text = expand(text)
    found: list[tuple[str, Mark, Case]] = []
    for token in _TOKEN.findall(text):
        if token[0] in _BY_CHARACTER:
            if found:
                word, mark, case = found[-1]
                found[-1] = (word, max(mark, _mark(token)), case)
            continue
        bare = token.strip("'")
        found.append((bare.lower(), Mark.NONE, _case(bare)))
    if sum(case is Case.UPPER for _, _, case in found) >= max(_SHOUTED, len(found) / 3):
        return
    yield from found


def _mark(token: str) -> Mark:
    """Return the mark that `token`, one or several characters, stands for; "..." is a stop."""
    return max(_BY_CHARACTER[character] for character in token)


def _case(token: str) -> Case:
    letters = token.partition("'")[0]
    if len(letters) > 1 and letters.isupper():
        return Case.UPPER
    return Case.CAPITALISED if token[0].isupper() else Case.LOWER
