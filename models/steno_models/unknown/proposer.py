"""Words that no lexicon holds: where they are said, and which they could be."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from steno_models.errors import ConfigError
from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.types import FloatArray
from steno_models.unknown.boosting import Forest
from steno_models.unknown.candidates import Candidate, Candidates, Heard
from steno_models.unknown.embedding import SegmentScorer
from steno_models.unknown.kernels import phone_loop
from steno_models.unknown.known import KnownWords
from steno_models.unknown.look import LEAST_PHONES, Known, Look, Looked
from steno_models.unknown.phonotactics import phone_bigram
from steno_models.unknown.stretches import Stretch, chosen
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import Weights


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


@dataclass(frozen=True, slots=True, eq=False)
class UnknownWords:
    """Finds unknown words in finished segments, and proposes what they are.

    The search is left alone: after the segment's end all its stretches are looked at once, and
    only the few that count as unknown words are heard again.

    Attributes:
        vocabulary: of candidates.
        weights: fitted for it.
        scorer: of meaning; None where there is none.
    """

    vocabulary: CandidateVocabulary
    weights: Weights
    scorer: SegmentScorer | None = None
    _bigram: FloatArray = field(init=False, repr=False)
    _detection: Forest = field(init=False, repr=False)
    _candidates: Candidates = field(init=False, repr=False)
    _look: Look = field(init=False, repr=False)
    _known: KnownWords = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.vocabulary.description.symbols != self.weights.symbols:
            raise ConfigError(
                f"expected weights and candidates of the same phones, found "
                f"{len(self.weights.symbols)} and {len(self.vocabulary.description.symbols)}"
            )
        book = self.vocabulary
        bigram = phone_bigram(np.diff(book.way_begins), book.ways, len(self.weights.symbols))
        candidates = Candidates(book, self.weights, self.scorer)
        object.__setattr__(self, "_bigram", bigram)
        object.__setattr__(self, "_detection", Forest.of(self.weights.detection))
        object.__setattr__(self, "_candidates", candidates)
        object.__setattr__(self, "_look", Look(book, self.weights, bigram, candidates))
        object.__setattr__(self, "_known", KnownWords(book, self.weights))

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
        looked = self.measured(log_probs, words, model)
        odds = self._detection(looked.features)
        taken = chosen(looked.stretches, odds, self.weights.threshold)
        told = []
        for i in sorted(taken, key=lambda i: looked.stretches[i].start):
            heard = self.heard(log_probs, words, model, looked.stretches[i])
            candidates = self.candidates(heard, model, most)
            told.append(self._told(looked.stretches[i], heard, float(odds[i]), candidates))
        return tuple(told)

    def measured(
        self, log_probs: FloatArray, words: Sequence[SearchWord], model: LanguageModel
    ) -> Looked:
        """Return the stretches of a segment and what is measured of each; see `__call__`."""
        return self._look(_behind(log_probs), words, model, self.known(model))

    def heard(
        self,
        log_probs: FloatArray,
        words: Sequence[SearchWord],
        model: LanguageModel,
        stretch: Stretch,
    ) -> Heard:
        """Return what is heard in a stretch on its own."""
        sound = _behind(log_probs[stretch.start : stretch.end])
        phones, steps, _, _ = phone_loop(sound, self._bigram, self.weights.phonotactic)
        before = _spelled(model, words, stretch.first - 1)
        return Heard(sound, phones, steps, before, _spelled(model, words, stretch.last))

    def candidates(self, heard: Heard, model: LanguageModel, most: int) -> tuple[Candidate, ...]:
        """Return up to `most` candidates for what was heard, the likeliest first."""
        return self._candidates(heard, self.known(model).mask, most)

    def warm_up(self, model: LanguageModel) -> None:
        """Do everything once, so that the first unknown word finds it compiled and in memory."""
        sound = np.full((2 * LEAST_PHONES, len(self.weights.symbols)), -1.0, np.float32)
        sound[np.arange(len(sound)), 1 + np.arange(len(sound)) // 2] = 0.0
        words = [SearchWord(0, 0, len(sound), 0.5, -1.0, -1.0)]
        self._detection(self.measured(sound, words, model).features)
        heard = self.heard(sound, words, model, Stretch(0, 1, 0, len(sound)))
        self.candidates(heard, model, 1)

    def known(self, model: LanguageModel) -> Known:
        """Return which candidates the lexicon of `model` has: they are none. In any thread."""
        return self._known(model)

    def _told(
        self, stretch: Stretch, heard: Heard, log_odds: float, candidates: tuple[Candidate, ...]
    ) -> Unknown:
        symbols = self.weights.symbols
        return Unknown(
            stretch.first,
            stretch.last,
            stretch.start,
            stretch.end,
            tuple(symbols[phone] for phone in heard.phones.tolist()),
            log_odds,
            candidates,
        )


def _behind(log_probs: FloatArray) -> FloatArray:
    """Return how far each token lies behind the likeliest of its step."""
    return np.ascontiguousarray(log_probs - log_probs.max(axis=1, keepdims=True), np.float32)


def _spelled(model: LanguageModel, words: Sequence[SearchWord], place: int) -> str | None:
    """Return the word at a place of a hypothesis, None before its start and behind its end."""
    return model.words[words[place].word] if 0 <= place < len(words) else None
