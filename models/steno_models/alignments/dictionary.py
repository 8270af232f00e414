"""How the words of a text sound: the CMU dictionary and the G2P, or a lexicon of one's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steno_models.alignments.written import Speller, Written, english, plain
from steno_models.errors import DataError
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon, Pronouncer, Pronunciation
from steno_models.text.tokens import PHONES

GUESSES = 3  # ways to say a word that no dictionary holds: the sound decides between them
MOST_PHONES = len(PHONES)
"""How many phones of its own a lexicon may have: a GMM-HMM has states for so many."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Words and their pronunciations.

    Attributes:
        lexicon: spoken words and how they sound.
        fallback: guesses what the lexicon lacks; without one such a word is an error.
        speller: from text to spoken words.
        phones: the phones that there are, in the order of their numbers from 1.
    """

    lexicon: Lexicon
    fallback: Pronouncer | None = None
    speller: Speller = english
    phones: tuple[str, ...] = PHONES

    def pronunciations(self, words: Iterable[Written]) -> list[tuple[Pronunciation, ...]]:
        """Return for each spoken word of `words` the ways to say it.

        Raises:
            DataError: naming all words that no way is known for.
        """
        found, unknown = [], []
        for word in (spoken for each in words for spoken in each.spoken):
            try:
                found.append(self.lexicon.pronounce(word, self.fallback, n_best=GUESSES))
            except DataError:
                unknown.append(word)
        if unknown:
            few = ", ".join(dict.fromkeys(unknown[:8]))
            raise DataError(f"expected words of the lexicon, found {len(unknown)} others: {few}")
        return found

    def numbers(self, ways: Sequence[Pronunciation]) -> list[list[int]]:
        """Return pronunciations of a word in numbers of phones."""
        return [[1 + self.phones.index(phone) for phone in way] for way in ways]


def english_dictionary() -> Dictionary:
    """Return the CMU dictionary with the G2P for what it lacks."""
    return Dictionary(Lexicon.from_cmudict(), G2P.load())


def read_dictionary(path: Path) -> Dictionary:
    """Return the lexicon of the lines "word P1 P2 …" in the file `path`.

    If its phones are those of English, it goes before the CMU dictionary and the G2P. Otherwise the
    words are those of the file alone, and of the text they are taken as they stand, in lower case.

    Raises:
        DataError: it cannot be read, or has too many phones.
    """
    entries = _entries(path)
    phones = sorted({phone for ways in entries.values() for way in ways for phone in way})
    if set(phones) <= set(PHONES):
        known = Lexicon.from_cmudict()
        return Dictionary(Lexicon({**known.entries, **entries}), G2P.load())
    if len(phones) > MOST_PHONES:
        raise DataError(f"{path}: expected at most {MOST_PHONES} phones, found {len(phones)}")
    return Dictionary(Lexicon(entries), None, plain, tuple(phones))


def _entries(path: Path) -> dict[str, tuple[Pronunciation, ...]]:
    """Return the words of the file `path` with their pronunciations."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected a lexicon at {path}, found: {error}") from error
    entries: dict[str, dict[Pronunciation, None]] = {}
    for number, line in enumerate(lines, start=1):
        word, *phones = line.split() or [""]
        if not phones:
            raise DataError(f"{path}:{number}: expected 'word P1 P2 …', found {line!r}")
        entries.setdefault(word, {})[tuple(phones)] = None
    return {word: tuple(ways) for word, ways in entries.items()}
