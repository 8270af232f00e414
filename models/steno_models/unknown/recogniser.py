"""A recogniser that says, too, which words of a finished segment its lexicon lacks."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from steno_models.features.extractor import StreamingExtractor
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.listening import Ear
from steno_models.recogniser import (
    CandidateWord,
    DecodeOptions,
    HasChunk,
    LanguageModel,
    Recogniser,
    State,
    UnknownWord,
    Update,
    Work,
)
from steno_models.unknown.candidates import Candidate
from steno_models.unknown.proposer import UnknownWords

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWordRecogniser:
    """What another recogniser hears, and what it cannot know.

    Partials and finals are those of the other. At the end of a segment its posteriors are looked at
    once more; whatever goes wrong there is logged and costs the segment nothing.

    Attributes:
        recogniser: hears.
        first: its first pass, whose search and posteriors are looked at.
        finder: of unknown words.
    """

    recogniser: Recogniser
    first: LexiconRecogniser
    finder: UnknownWords

    @property
    def context(self) -> HasChunk:
        """The chunk of streams that wish none."""
        return self.recogniser.context

    def features(self) -> StreamingExtractor:
        """Return what turns the samples of a segment into features."""
        return self.recogniser.features()

    def start(self, options: DecodeOptions) -> State:
        """Return the state before the first frame of a segment.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """
        return self.recogniser.start(options)

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        Raises:
            ConfigError: no such language model.
        """
        return self.recogniser.rescored(state, language_model)

    def prepare(self, model: LanguageModel) -> None:
        """Learn what the lexicon of `model` has before anybody decodes with it; in any thread."""
        self.finder.known(model)

    def step(self, work: Sequence[Work]) -> Sequence[tuple[Update, State]]:
        """Return what is known after each piece of work, and the state after it."""
        return [
            (self._with_unknown(update, state) if item.is_last else update, state)
            for item, (update, state) in zip(work, self.recogniser.step(work), strict=True)
        ]

    def _with_unknown(self, update: Update, state: State) -> Update:
        """Return the last update of a segment with the words that the lexicon lacks."""
        if not state.options.unknown_words or not update.words or not state.log_probs:
            return update
        began_s = time.perf_counter()
        try:
            found = self._found(state)
        except Exception:  # noqa: BLE001 — whatever it is, the words are there
            _log.exception("unknown words of a segment could not be looked for")
            return update
        return replace(update, unknown=found, unknown_s=time.perf_counter() - began_s)

    def _found(self, state: State) -> tuple[UnknownWord, ...]:
        model = self._model(state.options.language_model)
        log_probs = np.concatenate(state.log_probs)
        hypotheses = model.search.finish(state.search, 1)
        words = hypotheses[0].words if hypotheses else ()
        told = Ear(self.first.acoustic.encoder).told_spans
        return tuple(
            UnknownWord(
                " ".join(model.words[word.word] for word in words[one.first : one.last]),
                *told([(one.start_step, one.end_step)])[0],
                one.phones,
                float(0.5 * (1.0 + np.tanh(0.5 * one.log_odds))),
                tuple(self._named(candidate) for candidate in one.candidates),
            )
            for one in self.finder(log_probs, words, model)
        )

    def _named(self, one: Candidate) -> CandidateWord:
        symbols = self.finder.weights.symbols
        distance, forced, frequency, context, meaning = one.parts
        return CandidateWord(
            one.text,
            tuple(symbols[token] for token in one.tokens),
            one.probability,
            cast("float", distance),
            cast("float", forced),
            cast("float", frequency) + cast("float", context),
            meaning,
        )

    def _model(self, wish: str | LanguageModel) -> LanguageModel:
        return self.first.language_models[wish] if isinstance(wish, str) else wish
