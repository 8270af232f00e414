"""The recogniser of hidden Markov models: cepstra, tied states, and a search through a lexicon.

The models learn from cepstra that are normalised over all that a speaker says. A stream has no such
knowledge: its cepstra are normalised over the frames of the segment up to the present one, the
training data standing in for those that are not there yet. Frames are decoded in chunks, each as
soon as the neighbours of its last frame are there; what a chunk is changes nothing in the search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steno_models.errors import ConfigError
from steno_models.features.cmvn import CmvnState, StreamingCmvn
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.mfcc import NUM_CEPSTRA, StreamingMfcc
from steno_models.hmm_decoder import HmmDecoder
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
from steno_models.search.confidence import Calibration, features
from steno_models.search.hypothesis import Hypothesis, ordered
from steno_models.search.state import SearchState
from steno_models.types import FloatArray

STEP_FRAMES = 4
"""Frames of a step of 40 ms, in which times are told."""


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
        cmvn: normalises cepstra as they come.
        margin: how many neighbours on each side a frame is made of.
        context: the chunk of streams that wish none.
        calibration: gives words their confidence.
    """

    decoders: Mapping[str, HmmDecoder]
    words: Mapping[str, Sequence[str]]
    cmvn: StreamingCmvn
    margin: int
    context: Chunk
    calibration: Calibration

    def features(self) -> StreamingExtractor:
        """Return the incremental cepstra."""
        return StreamingMfcc()

    def start(self, options: DecodeOptions) -> State:
        """Return the state before the first frame of a segment.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """
        if options.chunk_steps is not None and options.chunk_steps < 1:
            raise ConfigError(f"expected a chunk of 1 step or more, found {options.chunk_steps}")
        if not options.beam_scale > 0:
            raise ConfigError(f"expected a beam scale above 0, found {options.beam_scale}")
        search = self._decoder(options).search
        nothing = np.zeros((0, NUM_CEPSTRA), np.float32)
        return State(options, nothing, self.cmvn.start(), search.start())

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each stream after its new features, and its next state."""
        found = []
        for item in work:
            state = self._with_frames(item)
            while (ready := self._ready(state, is_last=item.is_last)) > 0:
                state = self._decoded(state, ready)
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

    def _with_frames(self, work: Work) -> State:
        """Return the state with its new cepstra, normalised; edges are repeated, as in training."""
        state = work.state
        cepstra, cmvn = self.cmvn.apply(work.features, state.encoder)
        frames = np.concatenate([state.frames, cepstra])
        if len(cepstra) and not _is_begun(state.encoder):
            frames = np.concatenate([np.repeat(frames[:1], self.margin, axis=0), frames])
        if work.is_last and len(frames):
            frames = np.concatenate([frames, np.repeat(frames[-1:], self.margin, axis=0)])
        return replace(state, frames=frames, encoder=cmvn)

    def _ready(self, state: State, *, is_last: bool) -> int:
        """Return how many frames can be decoded: a chunk, at the end fewer, or none."""
        chunk = STEP_FRAMES * (state.options.chunk_steps or self.context.chunk_steps)
        ready = len(state.frames) - 2 * self.margin
        return min(chunk, ready) if ready >= chunk or is_last else 0

    def _decoded(self, state: State, count: int) -> State:
        """Return `state` after its next `count` frames."""
        decoder = self._decoder(state.options)
        around = decoder.system.front_end(state.frames[: count + 2 * self.margin])
        frames = around[self.margin : self.margin + count]
        searched = self._searched(decoder, frames, state.search, state.options)
        return replace(
            state,
            frames=state.frames[count:],
            search=searched,
            log_probs=(*state.log_probs, frames),
            trailing_blank_steps=_silent_frames(searched) // STEP_FRAMES,
        )

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
        chunk = STEP_FRAMES * (state.options.chunk_steps or self.context.chunk_steps)
        # The first frame of a segment will come `margin` times.
        there = len(state.frames) or self.margin
        return Update(
            words,
            stable,
            state.search.step // STEP_FRAMES,
            state.trailing_blank_steps,
            alternatives,
            missing_frames=max(0, chunk + 2 * self.margin - there),
        )

    def _alternative(self, hypothesis: Hypothesis, options: DecodeOptions) -> Alternative:
        spelling = self.words[str(options.language_model)]
        confidences = self.calibration(hypothesis.words)
        spans = ordered(
            [
                (word.start_step // STEP_FRAMES, -(-word.end_step // STEP_FRAMES))
                for word in hypothesis.words
            ]
        )
        words = tuple(
            Word(spelling[word.word], *span, float(confidence))
            for word, span, confidence in zip(hypothesis.words, spans, confidences, strict=True)
        )
        return Alternative(words, hypothesis.log_score)

    def _decoder(self, options: DecodeOptions) -> HmmDecoder:
        name = options.language_model
        if isinstance(name, str) and name in self.decoders:
            return self.decoders[name]
        known = ", ".join(sorted(self.decoders))
        found = "one that was made for another family" if isinstance(name, LanguageModel) else name
        raise ConfigError(f"expected one of the language models {known}, found {found}")


def _is_begun(cmvn: CmvnState) -> bool:
    """Return whether a segment has had frames."""
    return len(cmvn.recent) > 0


def _silent_frames(state: SearchState) -> int:
    """Return how long ago the best token emitted anything but silence."""
    best = int(state.tokens["score"].argmax())
    return int(state.step - state.tokens["end"][best])
