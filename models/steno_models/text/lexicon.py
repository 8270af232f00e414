"""Words and how they sound: the pronunciation dictionary.

Its source is the CMU dictionary (BSD licence), which lies inside the installed `pocketsphinx`
wheel. What it lacks is derived (possessives) or asked of a fallback such as the G2P model.
"""

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from steno_models.errors import DataError
from steno_models.text.tokens import PHONES

Pronunciation = tuple[str, ...]

_CMUDICT = Path("model", "en-us", "cmudict-en-us.dict")
_WORD = re.compile(r"[a-z']*[a-z][a-z']*")
_VARIANT = re.compile(r"\(\d+\)$")
_KNOWN_PHONES = frozenset(PHONES)
_SIBILANTS = frozenset({"CH", "JH", "S", "SH", "Z", "ZH"})
# Spoken forms that normalised text keeps and the CMU dictionary lacks.
_ELIDED: dict[str, str] = {
    "'tisn't": "T IH Z AH N T", "'twasn't": "T W AH Z AH N T", "'twere": "T W ER",
    "'twill": "T W IH L", "'twould": "T W UH D", "'twouldn't": "T W UH D AH N T", "'un": "AH N",
    "'uns": "AH N Z", "an'": "AE N", "ha'": "HH AE", "t'": "T", "th'": "DH AH", "wi'": "W IH",
}  # fmt: skip
_VOICELESS = frozenset({"F", "K", "P", "T", "TH"})


class Pronouncer(Protocol):
    """Whatever guesses how an unseen word sounds, best first with natural log probabilities."""

    def pronounce(self, word: str, n_best: int = 1) -> list[tuple[Pronunciation, float]]:
        """Return up to `n_best` pronunciations of `word`."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A pronunciation dictionary.

    Attributes:
        entries: every word (lower case, `[a-z']`) with its pronunciations, the first one best.
    """

    entries: Mapping[str, tuple[Pronunciation, ...]]

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.entries)

    def __contains__(self, word: object) -> bool:
        """Return whether `word` has an entry."""
        return word in self.entries

    def __iter__(self) -> Iterator[str]:
        """Iterate over the words."""
        return iter(self.entries)

    def __getitem__(self, word: str) -> tuple[Pronunciation, ...]:
        """Return the pronunciations of `word`."""
        return self.entries[word]

    @classmethod
    def from_cmudict(cls, path: Path | None = None) -> Self:
        """Return the CMU dictionary in `path` (default: `cmudict_path()`).

        Words outside `[a-z']` (hyphens, dots) are left out: normalised text never holds them.
        """
        entries: dict[str, dict[Pronunciation, None]] = {}
        for word, phones in _parse(cmudict_path() if path is None else path):
            spelling = _VARIANT.sub("", word)
            if _WORD.fullmatch(spelling):
                entries.setdefault(spelling, {})[phones] = None
        return cls({word: tuple(phones) for word, phones in entries.items()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the lexicon in `path`: lines "word P1 P2 …", one for each pronunciation."""
        entries: dict[str, dict[Pronunciation, None]] = {}
        for word, phones in _parse(path):
            if not _WORD.fullmatch(word):
                raise DataError(f"{path}: expected a word of [a-z'], found {word!r}")
            entries.setdefault(word, {})[phones] = None
        return cls({word: tuple(phones) for word, phones in entries.items()})

    def write(self, path: Path) -> None:
        """Write the lexicon to `path`, one "word P1 P2 …" for each pronunciation."""
        lines = (
            f"{word} {' '.join(phones)}\n"
            for word, pronunciations in self.entries.items()
            for phones in pronunciations
        )
        path.write_text("".join(lines), encoding="utf-8")

    def restrict(self, words: Iterable[str]) -> "Lexicon":
        """Return the lexicon of those of `words` that have entries here."""
        return Lexicon({word: self.entries[word] for word in words if word in self.entries})

    def pronounce(
        self, word: str, fallback: Pronouncer | None = None, *, n_best: int = 1
    ) -> tuple[Pronunciation, ...]:
        """Return how `word` sounds: its entry, else what derives from another, else a guess.

        Derived are possessives ("kiosk's"), dropped g ("listenin" of "listening") and the elisions
        that normalised text keeps ("'twere").

        Args:
            word: in lower case.
            fallback: guesses what is in no dictionary; without one the word is a DataError.
            n_best: how many guesses to take.
        """
        known = self.entries.get(word) or self._derived(word)
        if known:
            return known
        if fallback is None:
            raise DataError(f"expected a word of the lexicon, found {word!r}")
        return tuple(phones for phones, _ in fallback.pronounce(word, n_best))

    def cover(
        self, words: Iterable[str], fallback: Pronouncer | None = None, *, n_best: int = 1
    ) -> "Lexicon":
        """Return the lexicon of exactly `words`, each pronounced as `pronounce` does."""
        return Lexicon({word: self.pronounce(word, fallback, n_best=n_best) for word in words})

    def _derived(self, word: str) -> tuple[Pronunciation, ...]:
        if word in _ELIDED:
            return (tuple(_ELIDED[word].split()),)
        if word.endswith("in"):
            full = self.entries.get(f"{word}g", ())
            return tuple((*sound[:-1], "N") for sound in full if sound[-2:] == ("IH", "NG"))
        if word.endswith("s'"):
            return self.entries.get(word[:-1], ())
        if word.endswith("'s"):
            return tuple(
                phones + _genitive(phones[-1]) for phones in self.entries.get(word[:-2], ())
            )
        return ()


def cmudict_path() -> Path:
    """Return where the installed `pocketsphinx` wheel keeps the CMU dictionary."""
    spec = importlib.util.find_spec("pocketsphinx")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder) / _CMUDICT
        if path.is_file():
            return path
    raise DataError(
        f"expected the CMU dictionary in the installed pocketsphinx package at {_CMUDICT}, found "
        f"{'no such file' if folders else 'no such package'}: pip install 'steno-asr[train]'"
    )


def _parse(path: Path) -> Iterator[tuple[str, Pronunciation]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected a lexicon, found none readable: {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        word, *phones = line.split() or [""]
        if not phones or not _KNOWN_PHONES.issuperset(phones):
            raise DataError(f"{path}:{number}: expected 'word P1 P2 …', found {line!r}")
        yield word, tuple(phones)


def _genitive(last: str) -> Pronunciation:
    """Return how "'s" sounds after the phone `last`."""
    if last in _SIBILANTS:
        return ("IH", "Z")
    return ("S",) if last in _VOICELESS else ("Z",)
