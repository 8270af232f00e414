"""Words as somebody wrote them, with the spoken words that each stands for.

"Mr. Smith paid $3.50" is said "mister smith paid three dollars and fifty cents": four words as
written, the last of six spoken ones. What a written word stands for may hang on its neighbours
("$3 million"); where the words can then not be told apart they stay together.
"""

import string
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from steno_models.errors import DataError
from steno_models.text.normalise import normalise


@dataclass(frozen=True, slots=True)
class Written:
    """One word as written, or some that belong together.

    Attributes:
        text: as in the text, punctuation and capitals included.
        spoken: the words that are said for it, at least one.
    """

    text: str
    spoken: tuple[str, ...]


Speller = Callable[[str], list[Written]]
"""From a text to its words."""


def english(text: str) -> list[Written]:
    """Return the words of an English text as the normaliser reads it.

    Raises:
        DataError: there is nothing to be said in it.
    """
    words = [word for line in text.splitlines() for word in _of_line(line.split())]
    return _checked(_joined(words), text)


def plain(text: str) -> list[Written]:
    """Return the words of a text in any language, in lower case and bare of punctuation.

    Raises:
        DataError: there is nothing to be said in it.
    """
    words = [(word, _bare(word)) for word in text.split()]
    return _checked(_joined([(word, (bare,) if bare else ()) for word, bare in words]), text)


def _bare(word: str) -> str:
    """Return `word` in lower case without what stands around its letters."""
    letters = unicodedata.normalize("NFC", word).lower()
    inner = [i for i, letter in enumerate(letters) if unicodedata.category(letter)[0] in "LMN"]
    return letters[inner[0] : inner[-1] + 1] if inner else ""


def _of_line(words: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return for each of `words` what is said for it; nothing if an earlier word says it too."""
    alone = [tuple(normalise(word).split()) for word in words]
    whole = normalise(" ".join(words)).split()
    owners = [i for i, said in enumerate(alone) for _ in said]
    flat = [word for said in alone for word in said]
    if flat == whole:
        return list(zip(words, alone, strict=True))
    said: list[list[str]] = [[] for _ in words]
    matcher = SequenceMatcher(a=flat, b=whole, autojunk=False)
    last = 0
    for kind, a, a_end, b, b_end in matcher.get_opcodes():
        if kind == "equal" or a_end - a == b_end - b:
            places = owners[a:a_end]
        else:
            first = owners[a] if a < a_end else last
            places = [max(first, last)] * (b_end - b)
        for place, word in zip(places, whole[b:b_end], strict=True):
            last = max(last, place)
            said[last].append(word)
    return list(zip(words, map(tuple, said), strict=True))


def _joined(words: Sequence[tuple[str, tuple[str, ...]]]) -> list[Written]:
    """Return `words`, those that nothing is said for joined to the one before, or behind."""
    found: list[Written] = []
    waiting: list[str] = []
    for text, spoken in words:
        if spoken:
            found.append(Written(" ".join([*waiting, text]), spoken))
            waiting = []
        elif found:
            found[-1] = Written(f"{found[-1].text} {text}", found[-1].spoken)
        else:
            waiting.append(text)
    return found


def _checked(words: list[Written], text: str) -> list[Written]:
    if not words:
        found = repr(text.strip()[:40]) if text.strip(string.whitespace) else "an empty text"
        raise DataError(f"expected a text with at least one word to align, found {found}")
    return words
