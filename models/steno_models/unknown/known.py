"""Which candidates a lexicon has: made once for each lexicon, gone when nobody decodes with it."""

from threading import Lock
from typing import NamedTuple
from weakref import ReferenceType, ref

import numpy as np

from steno_models.mixture import Joint
from steno_models.recogniser import LanguageModel
from steno_models.types import ByteArray
from steno_models.unknown.look import Known
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import Weights

_MOST = 16

Lexicon = LanguageModel | Joint
"""What holds the words of a lexicon as long as somebody decodes with them."""


class _Entry(NamedTuple):
    lexicon: ReferenceType[Lexicon]
    added: tuple[int, ...]
    known: Known


class KnownWords:
    """Remembers, for the lexicons asked for last, which candidates they have.

    May be asked in any thread. A lexicon of a hundred thousand words takes a tenth of a second the
    first time: whoever loads one asks before anybody decodes with it.

    Args:
        vocabulary: of candidates.
        weights: of what they could be.
    """

    def __init__(self, vocabulary: CandidateVocabulary, weights: Weights) -> None:
        self._vocabulary = vocabulary
        self._weights = weights
        self._entries: list[_Entry] = []
        self._lock = Lock()

    def __call__(self, model: LanguageModel) -> Known:
        """Return which candidates the lexicon of `model` has: they are none."""
        plain = model.plain or model
        lexicon = plain.joint or plain
        numbers = (self._vocabulary.number_of(word.text) for word in model.wishes.words)
        added = tuple(number for number in numbers if number is not None)
        found = self._found(lexicon, added)
        if found is None:
            mask = self._mask(lexicon).copy()
            mask[list(added)] = 1
            found = Known.of(self._vocabulary, self._weights, mask)
            with self._lock:
                self._entries[:] = [_Entry(ref(lexicon), added, found), *self._entries[: _MOST - 1]]
        return found

    def _found(self, lexicon: Lexicon, added: tuple[int, ...]) -> Known | None:
        """Return what is remembered, put in front; whose lexicon is gone is forgotten."""
        with self._lock:
            self._entries = [one for one in self._entries if one.lexicon() is not None]
            for place, one in enumerate(self._entries):
                held = one.lexicon()
                if held is not None and held.words is lexicon.words and one.added == added:
                    self._entries.insert(0, self._entries.pop(place))
                    return one.known
        return None

    def _mask(self, lexicon: Lexicon) -> ByteArray:
        """Return (W,) 1 for the candidates that a lexicon has."""
        plain = self._found(lexicon, ())
        if plain is not None:
            return plain.mask
        there = set(lexicon.words)
        spelled = self._vocabulary.spellings()
        return np.fromiter((word in there for word in spelled), np.uint8, len(spelled))
