"""Words that no lexicon holds: where they are said, and which they could be."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import ConfigError
from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.types import ByteArray, FloatArray
from steno_models.unknown.candidates import Candidate, Candidates, Heard, Ranked
from steno_models.unknown.embedding import SegmentScorer
from steno_models.unknown.kernels import phone_loop
from steno_models.unknown.phonotactics import phone_bigram
from steno_models.unknown.stretches import Contexts, Stretch, deficit, posteriors, stretches
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import DETECTION, SCREENING, Weights

DoubleArray = NDArray[np.float64]
LEAST_PHONES = 3
_KNOWN = 4
_NO_CANDIDATE = (-30.0, -15.0, -20.0, 0.0, -5.0)
_FAR = 15.0
_LEAST_SHARE = 0.002


@dataclass(frozen=True, slots=True)
class Unknown:
    """A stretch of sound that holds a word that the lexicon lacks.

    Attributes:
        first: the first of the hypothesis' words that stand in its place.
        last: the one behind them.
        start_step: of the segment.
        end_step: behind it.
        phones: what the phone loop hears.
        log_odds: how sure that is.
        candidates: what it could be, the likeliest first.
    """

    first: int
    last: int
    start_step: int
    end_step: int
    phones: tuple[str, ...]
    log_odds: float
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch with all that was measured of it.

    Attributes:
        stretch: where.
        heard: what.
        features: as `DETECTION` names them.
        candidates: ranked.
    """

    stretch: Stretch
    heard: Heard
    features: DoubleArray
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class UnknownWords:
    """Finds unknown words in finished segments, and proposes what they are.

    The search is left alone: only stretches whose words lie behind the likeliest tokens are looked
    at, after the segment's end, so a segment that is clear costs next to nothing.

    Attributes:
        vocabulary: of candidates.
        weights: fitted for it.
        scorer: of meaning; None where there is none.
    """

    vocabulary: CandidateVocabulary
    weights: Weights
    scorer: SegmentScorer | None = None
    _bigram: FloatArray = field(init=False, repr=False)
    _screen: DoubleArray = field(init=False, repr=False)
    _least: float = field(init=False, repr=False)
    _candidates: Candidates = field(init=False, repr=False)
    _known: list[tuple[Sequence[str], ByteArray]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.vocabulary.description.symbols != self.weights.symbols:
            raise ConfigError(
                f"expected weights and candidates of the same phones, found "
                f"{len(self.weights.symbols)} and {len(self.vocabulary.description.symbols)}"
            )
        object.__setattr__(
            self, "_candidates", Candidates(self.vocabulary, self.weights, self.scorer)
        )
        object.__setattr__(self, "_known", [])
        columns = [DETECTION.index(name) for name in SCREENING]
        screen = np.array(self.weights.screen)
        object.__setattr__(self, "_screen", screen[columns])
        object.__setattr__(self, "_least", self.weights.screen_threshold - float(screen[0]))
        book = self.vocabulary
        bigram = phone_bigram(np.diff(book.way_begins), book.ways, len(self.weights.symbols))
        object.__setattr__(self, "_bigram", bigram)

    @classmethod
    def open(
        cls,
        folder: Path,
        symbols: Sequence[str],
        scorer: SegmentScorer | None = None,
    ) -> Self:
        """Return what proposes the words in `folder` for an acoustic model of `symbols`.

        Raises:
            DataError: something is missing or damaged.
            ConfigError: it is for other phones.
        """
        vocabulary, weights = CandidateVocabulary.open(folder), Weights.read(folder)
        if tuple(symbols) != vocabulary.description.symbols:
            raise ConfigError(
                f"expected candidates of the bundle's {len(symbols)} tokens, found "
                f"{len(vocabulary.description.symbols)} others"
            )
        return cls(vocabulary, weights, scorer)

    def __call__(
        self,
        log_probs: FloatArray,
        words: Sequence[SearchWord],
        model: LanguageModel,
        most: int = 5,
    ) -> tuple[Unknown, ...]:
        """Return the unknown words of a finished segment, in their order.

        Args:
            log_probs: (S, V) ln p(token).
            words: that were recognised.
            model: with which.
            most: candidates for each.
        """
        sure = np.array(self.weights.detection)
        found = self.measured(log_probs, words, model, most)
        odds = [float(one.features @ sure) for one in found]
        taken: list[tuple[Found, float]] = []
        for i in sorted(range(len(found)), key=lambda i: -odds[i]):
            if odds[i] < self.weights.threshold:
                break
            if not any(_overlap(found[i].stretch, other.stretch) for other, _ in taken):
                taken.append((found[i], odds[i]))
        taken.sort(key=lambda one: one[0].stretch.start)
        return tuple(self._told(one, log_odds, most) for one, log_odds in taken)

    def measured(
        self,
        log_probs: FloatArray,
        words: Sequence[SearchWord],
        model: LanguageModel,
        most: int = 5,
    ) -> list[Found]:
        """Return what is known of each stretch that may hold an unknown word; see `__call__`."""
        suspects = list(stretches(words, len(log_probs), self.weights.suspicion))
        if not suspects:
            return []
        search = model.search
        unknown = search.end_word if search.unknown_word is None else search.unknown_word
        numbers = [w.word if w.word < search.known_words else unknown for w in words]
        contexts = Contexts.of(search.lm, search.start_state, unknown, search.end_word, numbers)
        behind = np.ascontiguousarray(log_probs - log_probs.max(axis=1, keepdims=True), np.float32)
        known = self.known(model)
        found = []
        for stretch in suspects:
            there = words[stretch.first : stretch.last]
            known_before = (
                *_of_words(there, stretch),
                *contexts.compare(stretch),
                *posteriors(there),
                len(there),
                stretch.end - stretch.start,
            )
            if self._screen @ np.array(known_before) < self._least:
                continue
            beside = (_spelled(model, words, stretch.first - 1),
                      _spelled(model, words, stretch.last))  # fmt: skip
            loop = self._loop(behind[stretch.start : stretch.end], beside)
            if loop is None:
                continue
            heard, scores = loop
            ranked = self._candidates(heard, known, most)
            features = np.array([
                1.0,
                *known_before[:2],
                *scores,
                *known_before[2:7],
                len(heard.phones),
                known_before[7],
                *_of_best(ranked),
            ])  # fmt: skip
            found.append(Found(stretch, heard, features, ranked.candidates))
        return found

    def warm_up(self, model: LanguageModel) -> None:
        """Do everything once, so that the first unknown word finds it compiled and in memory."""
        sound = np.full((2 * LEAST_PHONES, len(self.weights.symbols)), -1.0, np.float32)
        sound[np.arange(len(sound)), 1 + np.arange(len(sound)) // 2] = 0.0
        loop = self._loop(sound, (None, None))
        if loop is not None:
            self.candidates(loop[0], model, 1)

    def candidates(self, heard: Heard, model: LanguageModel, most: int) -> tuple[Candidate, ...]:
        """Return up to `most` candidates for what was heard, the likeliest first."""
        return self._candidates(heard, self.known(model), most).candidates

    def _loop(
        self, sound: FloatArray, beside: tuple[str | None, str | None]
    ) -> tuple[Heard, tuple[float, float]] | None:
        """Return what the phone loop hears, and its scores; None where it is too little."""
        weight = self.weights.phonotactic
        phones, steps, acoustic, phonotactic = phone_loop(sound, self._bigram, weight)
        if len(phones) < LEAST_PHONES:
            return None
        return Heard(sound, phones, steps, *beside), (acoustic, phonotactic / (len(phones) + 1))

    def known(self, model: LanguageModel) -> ByteArray:
        """Return (W,) 1 for the candidates that the lexicon of `model` has: they are none."""
        words = (model.plain or model).words  # which models of one lexicon share
        mask = next((mask for other, mask in self._known if other is words), None)
        if mask is None:
            there = set(words)
            spelled = self.vocabulary.spellings()
            mask = np.fromiter((word in there for word in spelled), np.uint8, len(spelled))
            self._known[:] = [(words, mask), *self._known[: _KNOWN - 1]]
        added = [self.vocabulary.number_of(word.text) for word in model.wishes.words]
        if any(number is not None for number in added):
            mask = mask.copy()
            mask[[number for number in added if number is not None]] = 1
        return mask

    def _told(self, found: Found, log_odds: float, most: int) -> Unknown:
        symbols = self.weights.symbols
        return Unknown(
            found.stretch.first,
            found.stretch.last,
            found.stretch.start,
            found.stretch.end,
            tuple(symbols[phone] for phone in found.heard.phones.tolist()),
            log_odds,
            found.candidates[:most],
        )


def _of_words(words: Sequence[SearchWord], stretch: Stretch) -> tuple[float, float]:
    """Return how many nats the words lie behind, in all and a step."""
    behind = sum(map(deficit, words))
    return behind, behind / (stretch.end - stretch.start)


def _of_best(ranked: Ranked) -> tuple[float, ...]:
    """Return what is known of the best candidate, and how far it leads before a known word."""
    lead = float(np.clip(ranked.score - ranked.rival_score, -_FAR, _FAR))
    if not ranked.candidates:
        return *_NO_CANDIDATE, lead
    best = ranked.candidates[0]
    distance, behind, frequency, context, _ = (part or 0.0 for part in best.parts)
    share = min(max(best.probability, _LEAST_SHARE), 1.0 - _LEAST_SHARE)
    return behind, distance, frequency, context, float(np.log(share / (1.0 - share))), lead


def _spelled(model: LanguageModel, words: Sequence[SearchWord], place: int) -> str | None:
    """Return the word at a place of a hypothesis, None before its start and behind its end."""
    return model.words[words[place].word] if 0 <= place < len(words) else None


def _overlap(one: Stretch, other: Stretch) -> bool:
    return one.first < other.last and other.first < one.last
