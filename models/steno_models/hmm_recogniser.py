"""The recogniser of hidden Markov models: tied states, and a search through a lexicon.

What they emit comes from a listener: frames of cepstra, or a network's posteriors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steno_models.errors import ConfigError
from steno_models.features.extractor import StreamingExtractor
from steno_models.hmm_decoder import HmmDecoder
from steno_models.hmm_listeners import Listener
from steno_models.listening import STEP_FRAMES
from steno_models.recogniser import (
    Alternative,
    DecodeOptions,
    LanguageModel,
    Measured,
    State,
    Update,
    Word,
    Work,
)
from steno_models.rescoring.candidate import Candidate, candidates
from steno_models.search.confidence import Calibration, features
from steno_models.search.hypothesis import Hypothesis, ordered
from steno_models.search.state import SearchState
from steno_models.types import FloatArray
from steno_models.wishes import check_wishes, wished


@dataclass(frozen=True, slots=True)
class Chunk:
    """How much is decoded at a time."""

    chunk_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HmmRecogniser:
    """An HMM system that decodes any number of streams, one call at a time.

    Attributes:
        decoders: by name of their language model; all have the same system.
        words: the spelling of the word ids of each language model.
        listener: from sound to frames.
        context: the chunk of streams that wish none.
        calibration: gives words their confidence.
    """

    decoders: Mapping[str, HmmDecoder]
    words: Mapping[str, Sequence[str]]
    listener: Listener
    context: Chunk
    calibration: Calibration

    def features(self) -> StreamingExtractor:
        """Return what makes the listener's features."""
        return self.listener.features()

    def start(self, options: DecodeOptions) -> State:
        """Return the state before the first frame of a segment.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """
        check_wishes(options)
        search = self._decoder(options).search
        chunk = options.chunk_steps or self.context.chunk_steps
        waiting = np.zeros((0, 0), np.float32)  # with the listener
        return State(options, waiting, self.listener.start(chunk), search.start())

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each stream after its new features, and its next state."""
        found = []
        for item in work:
            state = item.state
            chunks, listener = self.listener.hear(
                item.features, state.encoder, is_last=item.is_last
            )
            searched, decoder = state.search, self._decoder(state.options)
            for frames in chunks:
                searched = self._searched(decoder, frames, searched, state.options)
            state = replace(
                state,
                encoder=listener,
                search=searched,
                log_probs=(*state.log_probs, *chunks),
                trailing_blank_steps=self._steps(_silent_frames(searched)),
            )
            found.append((self._update(state, is_last=item.is_last), state))
        return found

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        Raises:
            ConfigError: no such language model.
        """
        options = replace(state.options, language_model=language_model)
        decoder = self._decoder(options)
        searched = decoder.search.start()
        for frames in state.log_probs:
            searched = self._searched(decoder, frames, searched, options)
        return replace(state, options=options, search=searched)

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
        [found] = self._decoder(state.options).search.finish(state.search, 1)
        spelling = self.words[str(state.options.language_model)]
        texts = tuple(spelling[word.word] for word in found.words)
        return Measured(texts, features(found.words))

    @property
    def steps_width(self) -> None:
        """None: there are no steps of an encoder that others could look at."""

    def candidates(self, state: State, most: int) -> list[Candidate]:
        """Return the n-best list of a segment that ended with `state`, best first."""
        search = self._decoder(state.options).search
        spelling = self.words[str(state.options.language_model)]
        found = search.finish(state.search, most)
        return candidates(search, state.search, found, spelling, self._spans)

    def stable(self, state: State) -> tuple[Word, ...]:
        """Return the words of an open segment that no later sound can change."""
        update = self._update(state, is_last=False)
        return update.words[: update.stable_words]

    def encoded(self, state: State) -> FloatArray:  # noqa: ARG002
        """Return nothing: see `steps_width`.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("expected a recogniser with an encoder, found hidden Markov models")

    def _searched(
        self, decoder: HmmDecoder, frames: FloatArray, before: SearchState, options: DecodeOptions
    ) -> SearchState:
        """Return the state of the search after `frames`, (T, D)."""
        scores = decoder.log_likelihoods(frames)
        return decoder.search.step(scores, before, beam_scale=options.beam_scale)

    def _update(self, state: State, *, is_last: bool) -> Update:
        search = self._decoder(state.options).search
        alternatives: tuple[Alternative, ...] = ()
        if is_last:
            found = search.finish(state.search, max(1, state.options.n_best))
            alternatives = tuple(self._alternative(one, state.options) for one in found)
            words = alternatives[0].words if alternatives else ()
            stable = len(words)
        else:
            words = self._alternative(search.best(state.search), state.options).words
            stable = min(len(words), search.stable_words(state.search))
        return Update(
            words,
            stable,
            self._steps(state.search.step),
            state.trailing_blank_steps,
            alternatives,
            missing_frames=self.listener.missing_features(state.encoder),
        )

    def _alternative(self, hypothesis: Hypothesis, options: DecodeOptions) -> Alternative:
        spelling = self.words[str(options.language_model)]
        confidences = self.calibration(hypothesis.words)
        spans = self._spans(hypothesis)
        words = tuple(
            Word(spelling[word.word], *span, float(confidence))
            for word, span, confidence in zip(hypothesis.words, spans, confidences, strict=True)
        )
        return Alternative(words, hypothesis.log_score)

    def _spans(self, hypothesis: Hypothesis) -> list[tuple[int, int]]:
        """Return the steps of 40 ms of each word."""
        spans = [
            (self._steps(word.start_step), -self._steps(-word.end_step))
            for word in hypothesis.words
        ]
        return ordered(spans)

    def _steps(self, frames: int) -> int:
        """Return how many whole steps of 40 ms `frames` are."""
        return frames * self.listener.frame_factor // STEP_FRAMES

    def _decoder(self, options: DecodeOptions) -> HmmDecoder:
        return wished(self.decoders, options)


def _silent_frames(state: SearchState) -> int:
    """Return how long ago the best token emitted anything but silence."""
    best = int(state.tokens["score"].argmax())
    return int(state.step - state.tokens["end"][best])
