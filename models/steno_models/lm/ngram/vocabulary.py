"""Which words a model knows, and in which order."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from steno_models.errors import DataError
from steno_models.lm.ngram.corpus import SPECIAL_WORDS
from steno_models.text.lexicon import Lexicon

# Words of no dictionary are taken from this frequency on: a single one is a slip as a rule.
_LEAST_FREQUENCY = 2
# Three letters at least, a vowel among them, none three times in a row, no Roman numeral.
_PLAUSIBLE = re.compile(r"(?!.*(.)\1\1)(?!'?[ivxlcdm]+'?$)(?=.*[aeiouy])(?:'?[a-z]){3,}'?")
_ENDINGS = ("'s", "s'", "s", "es", "ed", "ing", "er", "ly")
_SHORTEST_STEM = 4


def select_words(
    frequencies: Mapping[str, int],
    *,
    lexicon: Lexicon,
    size: int,
    required: Collection[str] = (),
) -> list[str]:
    """Return the `size` words most worth knowing (or all required, if more), best first.

    First what is required, then the lexicon's words that occur, then other words that occur (by
    frequency, where they look like words), then the lexicon's words that do not occur, those
    ahead whose stems do.
    """
    ranked = dict.fromkeys(sorted(required))
    occurring = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    ranked.update(dict.fromkeys(word for word in occurring if is_listed(word, lexicon)))
    ranked.update(
        dict.fromkeys(
            word
            for word in occurring
            if frequencies[word] >= _LEAST_FREQUENCY and _PLAUSIBLE.fullmatch(word)
        )
    )
    unseen = [word for word in lexicon if word not in ranked]
    ranked.update(
        dict.fromkeys(sorted(unseen, key=lambda word: (-_stem_frequency(word, frequencies), word)))
    )
    return list(ranked)[: max(size, len(required))]


def is_listed(word: str, lexicon: Lexicon) -> bool:
    """Return whether `lexicon` tells how `word` sounds, be it as the possessive of another."""
    try:
        lexicon.pronounce(word)
    except DataError:
        return False
    return True


def order_by_pronunciation(words: Iterable[str], lexicon: Lexicon) -> tuple[str, ...]:
    """Return `words` sorted by their primary pronunciations, phone by phone; ties by spelling.

    Words that begin alike then have neighbouring numbers: those below a node of the pronunciation
    prefix tree are one range. Every word needs an entry in `lexicon`.
    """
    try:
        return tuple(sorted(words, key=lambda word: (lexicon[word][0], word)))
    except KeyError as error:
        raise DataError(f"expected a pronunciation of every word, found none of {error}") from None


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Return the words of the file `path`, one a line, in its order, the special ones last."""
    try:
        words = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected one word a line in {path}, found: {error}") from error
    distinct = dict.fromkeys(word for word in words if word not in SPECIAL_WORDS)
    if not distinct:
        raise DataError(f"expected one word a line in {path}, found none")
    return (*distinct, *SPECIAL_WORDS)


def write_vocabulary(path: Path, vocabulary: Iterable[str]) -> None:
    """Write `vocabulary` to `path`, one word a line, without the special words."""
    ordinary = (word for word in vocabulary if word not in SPECIAL_WORDS)
    path.write_text("".join(f"{word}\n" for word in ordinary), encoding="utf-8")


def _stem_frequency(word: str, frequencies: Mapping[str, int]) -> int:
    """Return how often what is left of `word` without a usual ending occurs."""
    stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return max((frequencies.get(s, 0) for s in stems if len(s) >= _SHORTEST_STEM), default=0)
