"""Running text as the words that are spoken: lower case, `[a-z']`, one space between.

The conventions are those of LibriSpeech: "mister", "eighteen o three", hyphens split, apostrophes
kept inside a word and in the few forms that begin or end with one ("'em", "o'").
"""

import html
import re
import unicodedata
from collections.abc import Iterator

from steno_models.text.written import expand

# Spelled with an apostrophe at one end, where one is otherwise a quotation mark.
_ELISIONS = frozenset(
    {"'bout", "'cause", "'em", "'til", "'tis", "'tisn't", "'twas", "'twasn't", "'twere", "'twill",
     "'twould", "'twouldn't", "'un", "'uns", "an'", "ha'", "o'", "t'", "th'", "wi'"}
)  # fmt: skip
_FOLDS = str.maketrans(
    {
        "‘": "'", "’": "'", "ʼ": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "«": '"',
        "»": '"', "‐": "-", "‑": "-", "–": "-", "—": " - ", "―": " - ", "−": "-", "…": "... ",
        "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ß": "ss", "ð": "d",
        "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i",
        "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "²": " squared",
        "³": " cubed", "µ": "mc", "μ": "mc", "™": "", "\u00ad": "", "\u200b": "",
        "\u200c": "", "\u200d": "",
    }
)  # fmt: skip
_ACCENT = re.compile("[\u0300-\u036f]+")
_FOREIGN = re.compile("[^\x00-\x7f£€°]+")
_WORD = re.compile("[a-z']*[a-z][a-z']*")
# An end mark, closing quotes, a space and then what may open a sentence; a mark that stands
# between spaces (tokenised text) always ends one.
_SENTENCE_END = re.compile(r"""[.!?]+["')\]]*\s+(?=["'(\[]*[A-Z])|\s[.!?]+\s""")
# Lines within these lengths were wrapped by an editor, so their end is no end of a paragraph.
_WRAPPED = range(50, 90)


def fold(text: str) -> str:
    """Return `text` in ASCII (but for £, €, °): accents off, quotes and dashes plain.

    Web pages' character references, such as &quot;, become what they stand for.
    """
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text.translate(_FOLDS))
    return _FOREIGN.sub(" ", _ACCENT.sub("", text))


def normalise(text: str) -> str:
    """Return the spoken words of `text`: lower case `[a-z']`, separated by single spaces."""
    return _words(expand(fold(text)))


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of running text, each normalised, none empty.

    Blank lines, and line ends that no editor's wrapping explains, end a sentence too.
    """
    for paragraph in paragraphs(text):
        for sentence in _SENTENCE_END.split(expand(fold(paragraph))):
            words = _words(sentence)
            if words:
                yield words


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of `text`, each in one line: an editor's wrapping is undone."""
    lines: list[str] = []
    for line in text.splitlines():
        lines.append(line)
        if len(line) not in _WRAPPED:
            yield " ".join(lines)
            lines.clear()
    yield " ".join(lines)


def _words(text: str) -> str:
    words: list[str] = _WORD.findall(text.lower())
    if "'" in text:
        words = [_bare(word) if word[0] == "'" or word[-1] == "'" else word for word in words]
    return " ".join(words)


def _bare(word: str) -> str:
    inner = word.strip("'")
    if word[0] == "'" and f"'{inner}" in _ELISIONS:
        return f"'{inner}"
    if word[-1] == "'" and f"{inner}'" in _ELISIONS:
        return f"{inner}'"
    return inner
