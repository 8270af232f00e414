"""Which words a model knows, and in which order."""

from collections.abc import Iterable

from steno_models.errors import DataError
from steno_models.text.lexicon import Lexicon


def order_by_pronunciation(words: Iterable[str], lexicon: Lexicon) -> tuple[str, ...]:
    """Return `words` sorted by their primary pronunciations, phone by phone; ties by spelling.

    Words that begin alike then have neighbouring numbers: those below a node of the pronunciation
    prefix tree are one range. Every word needs an entry in `lexicon`.
    """
    try:
        return tuple(sorted(words, key=lambda word: (lexicon[word][0], word)))
    except KeyError as error:
        raise DataError(f"expected a pronunciation of every word, found none of {error}") from None
