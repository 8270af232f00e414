"""A first look at a whole segment: every stretch is measured, with the best word for it, at once.

The work is shared: the phones of the segment are heard once, and all stretches that begin at the
same word are one search (see `sweep`). What is found worth it is heard again on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.types import ByteArray, FloatArray, IntArray
from steno_models.unknown.candidates import Candidates, Heard, substitutions
from steno_models.unknown.kernels import compared, phone_loop
from steno_models.unknown.measures import Best, Places, features
from steno_models.unknown.stretches import Stretch, stretches
from steno_models.unknown.sweep.kernels import ahead, fits, sweep
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import DETECTION, Weights

DoubleArray = NDArray[np.float64]
LEAST_PHONES = 3
_REMEMBERED = 20_000  # words and how often they are written: most are said again
_WIDTH = 50
_BEAM = 6.0
_NO_DISTANCE = 20.0
_NO_LOG_PROB = -20.0
_NO_CONTEXT = -5.0


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Known:
    """Which words are no candidates, and what the others make of the tree of candidates.

    Attributes:
        mask: (W,) 1 for words that a lexicon has.
        below: (N,) as `ahead` returns it, as are
        own: (N,) and
        costs: (N,).
    """

    mask: ByteArray
    below: FloatArray
    own: IntArray
    costs: FloatArray

    @classmethod
    def of(cls, vocabulary: CandidateVocabulary, weights: Weights, mask: ByteArray) -> "Known":
        """Return what is left without the words of a mask."""
        costs = (-weights.frequency * log_probs_of(vocabulary)).astype(np.float32)
        book = vocabulary
        return cls(mask, *ahead(book.children, book.ends, book.way_words, costs, mask))


def log_probs_of(vocabulary: CandidateVocabulary) -> DoubleArray:
    """Return (W,) ln p of each candidate in the texts."""
    return np.asarray(np.log((vocabulary.counts + 0.5) / (vocabulary.description.tokens + 1)))


@dataclass(frozen=True, slots=True)
class Looked:
    """The stretches of a segment, and what was measured of each.

    Attributes:
        stretches: (R) of them.
        features: (R, F) as `DETECTION` names them.
    """

    stretches: tuple[Stretch, ...]
    features: DoubleArray


NOTHING = Looked((), np.zeros((0, len(DETECTION))))


class Look:
    """Measures the stretches of segments.

    Args:
        vocabulary: of candidates.
        weights: fitted for it.
        bigram: (V, V) of phones.
        candidates: that rank.
    """

    def __init__(
        self,
        vocabulary: CandidateVocabulary,
        weights: Weights,
        bigram: FloatArray,
        candidates: Candidates,
    ) -> None:
        self._vocabulary, self._weights, self._bigram = vocabulary, weights, bigram
        self._candidates = candidates
        self._costs, self._parts = weights.costs, np.array(weights.parts)
        self._log_probs = log_probs_of(vocabulary)
        self._log_count = lru_cache(_REMEMBERED)(partial(_log_count, vocabulary))

    def __call__(
        self,
        behind: FloatArray,
        words: Sequence[SearchWord],
        model: LanguageModel,
        known: Known,
    ) -> Looked:
        """Return what is measured of the stretches of a segment.

        Args:
            behind: (S, V) nats of each token behind the likeliest of its step.
            words: that were recognised.
            model: with which.
            known: which words are no candidates.
        """
        phones, steps, _, _ = phone_loop(behind, self._bigram, self._weights.phonotactic)
        runs = stretches(words, len(behind))
        places = Places.of(runs, steps)
        runs = [
            run
            for run, heard in zip(runs, (places.unheard - places.heard).tolist(), strict=True)
            if heard >= LEAST_PHONES
        ]
        if not runs:
            return NOTHING
        places = Places.of(runs, steps)
        spelled = [model.words[word.word] for word in words]
        best = self._best(Heard(behind, phones, steps, None, None), places, spelled, known)
        log_counts = np.array([self._log_count(word) for word in spelled])
        phonotactic = self._phonotactic(phones, places)
        language = _language(words, model, places)
        return Looked(tuple(runs), features(words, log_counts, places, best, language, phonotactic))

    def _best(self, heard: Heard, places: Places, spelled: Sequence[str], known: Known) -> Best:
        """Return the best word for each stretch: of the nearest ones, by all parts."""
        book, weights = self._vocabulary, self._weights
        rows, distances = sweep(
            substitutions(heard, self._costs), places.heard, places.unheard,
            weights.insertion, weights.deletion, book.children, book.token,
            known.below, known.own, known.costs, _WIDTH, _BEAM,
        )  # fmt: skip
        fit = fits(heard.sound, places.starts, places.ends, book.way_begins, book.ways, rows)
        there = np.isfinite(fit)
        words = book.way_words[np.maximum(rows, 0)]
        log_probs = self._log_probs[words]
        number = self._candidates.neighbour
        beside = np.array([number(None), *map(number, spelled), number(None)])
        context = book.before[book.kinds[words], beside[places.firsts][:, None]]
        context = context + book.after[book.kinds[words], beside[places.lasts + 1][:, None]]
        parts = np.stack([-distances, np.where(there, fit, 0.0), log_probs, context], axis=-1)
        scores = np.where(there, parts @ self._parts[:4], -np.inf)
        R, choice = len(rows), scores.argmax(axis=1)
        at = np.arange(R), choice
        none, row = ~there[at], rows[at]
        lengths = book.way_begins[row + 1] - book.way_begins[row]
        return Best(
            fit[at],
            np.where(none, _NO_DISTANCE, distances[at]),
            np.where(none, 0, lengths).astype(np.int32),
            np.where(none, _NO_LOG_PROB, log_probs[at]),
            np.where(none, _NO_CONTEXT, context[at]),
        )

    def _phonotactic(self, phones: IntArray, places: Places) -> DoubleArray:
        """Return (R,) ln p of the phones of each stretch as a word's, for each of them."""
        bigram = self._bigram.astype(np.float64)
        inner = np.concatenate([[0.0], np.cumsum(bigram[phones[:-1], phones[1:]])])
        first, last = places.heard, places.unheard - 1
        total = bigram[0, phones[first]] + inner[last] - inner[first] + bigram[phones[last], 0]
        return np.asarray(total / (last - first + 2))


def _log_count(vocabulary: CandidateVocabulary, word: str) -> float:
    number = vocabulary.number_of(word)
    return float(np.log(0.5 + (0 if number is None else vocabulary.counts[number])))


def _language(
    words: Sequence[SearchWord], model: LanguageModel, places: Places
) -> tuple[FloatArray, FloatArray]:
    """Return (R,) ln p of the words of each stretch, and of an unknown one in their place."""
    search = model.search
    unknown = search.end_word if search.unknown_word is None else search.unknown_word
    numbers = [word.word if word.word < search.known_words else unknown for word in words]
    row = np.array([*numbers, search.end_word], np.int32)
    found: tuple[FloatArray, FloatArray] = compared(
        search.lm, search.start_state, unknown, row, places.firsts, places.lasts
    )
    return found
