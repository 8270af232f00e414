"""Decode any number of streams with a CTC model and a search through a lexicon."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from steno_models.ctc.model import CtcModel
from steno_models.encoders.protocol import Context
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import StreamingFbank
from steno_models.listening import STEP_FRAMES, Ear
from steno_models.recogniser import (
    FEATURE_LIMIT,
    TAIL_FRAMES,
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
from steno_models.search import confidence
from steno_models.search.confidence import Calibration
from steno_models.search.hypothesis import Hypothesis
from steno_models.types import FloatArray
from steno_models.vad.speech_gate import Evidence, SpeechGate, nothing_heard
from steno_models.wishes import check_wishes, wished


@dataclass(frozen=True, slots=True, kw_only=True)
class LexiconRecogniser:
    """A CTC model and a search through a lexicon, frame by frame.

    Attributes:
        acoustic: log probabilities of tokens.
        cmvn: normalises the features as in training.
        language_models: by name.
        context: chunk, in steps of 40 ms, and left context where a stream does not say otherwise.
        calibration: gives words their confidence.
        blank: the token of silence.
        speech_gate: withholds the words of segments without speech; None shows all.
        remembers_steps: whether states keep the encoder's steps, which are many numbers, for
            somebody else to look at.
    """

    acoustic: CtcModel
    cmvn: GlobalCmvn
    language_models: Mapping[str, LanguageModel]
    context: Context
    calibration: Calibration
    blank: int = field(default=0)
    speech_gate: SpeechGate | None = None
    remembers_steps: bool = False

    def features(self) -> StreamingExtractor:
        """Return the incremental filter bank."""
        return StreamingFbank()

    def start(self, options: DecodeOptions) -> State:
        """Return the state at the start of a segment.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """
        check_wishes(options)
        options = _after_finals(options)
        search = self._language_model(options).search
        return State(
            options,
            np.zeros((0, len(self.cmvn.mean)), np.float32),
            self._ear.start(self._context(options), options.first_chunk_steps),
            search.start(),
            evidence=(nothing_heard(search.num_tokens, self.blank) if self.speech_gate else None),
        )

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        What the encoder made of the sound goes through the other search from the start, so nothing
        is left of the old one.

        Raises:
            ConfigError: no such language model.
        """
        options = _after_finals(replace(state.options, language_model=language_model))
        search = self._language_model(options).search
        searched = search.start()
        if state.log_probs:
            log_probs = np.concatenate(state.log_probs)
            searched = search.step(log_probs, searched, beam_scale=options.beam_scale)
        return replace(state, options=options, search=searched)

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each stream after its new features, and its next state.

        Streams of equal chunk size go through the encoder together; left-overs short of a chunk
        wait in the state, unless the segment ends.
        """
        states = [self._with_frames(item) for item in work]
        while ready := [i for i, item in enumerate(work) if self._ready(states[i], item)]:
            first = self._context(states[ready[0]].options)
            batch = [i for i in ready if self._context(states[i].options) == first]
            decoded = self._decode([states[i] for i in batch], first, work[0].meanwhile)
            for i, state in zip(batch, decoded, strict=True):
                states[i] = state
        for i, item in enumerate(work):
            if item.is_last:
                item.meanwhile()
                states[i] = self._finished(states[i])
        return [
            (self._update(state, is_last=item.is_last), state)
            for item, state in zip(work, states, strict=True)
        ]

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
        language_model = self._language_model(state.options)
        [found] = language_model.search.finish(state.search, 1)
        spelled = tuple(language_model.words[word.word] for word in found.words)
        return Measured(spelled, confidence.features(found.words))

    @property
    def steps_width(self) -> int:
        """D, the width of the encoder's steps."""
        return self.acoustic.encoder.width

    def candidates(self, state: State, most: int) -> list[Candidate]:
        """Return the n-best list of a segment that ended with `state`, best first."""
        language_model = self._language_model(state.options)
        search = language_model.search
        found = search.finish(state.search, most)
        return candidates(search, state.search, found, language_model.words, self._spans)

    def stable(self, state: State) -> tuple[Word, ...]:
        """Return the words of an open segment that no later sound can change."""
        update = self._update(state, is_last=False)
        return update.words[: update.stable_words]

    def encoded(self, state: State) -> FloatArray:
        """Return (S, D) the encoder's steps of a segment that ended with `state`.

        Raises:
            ConfigError: they were not remembered.
        """
        if not self.remembers_steps:
            raise ConfigError("expected a recogniser that remembers the encoder's steps")
        if not state.steps:
            return np.zeros((0, self.steps_width), np.float32)
        return np.concatenate(state.steps)

    @torch.inference_mode()
    def log_probs(self, features: FloatArray) -> FloatArray:
        """Return (S, V) ln p(token) of a whole segment, (T, F): those of its chunks, at once."""
        frames = self._normalised(features, is_last=True)
        steps = torch.tensor([self.acoustic.encoder.grid.steps_of(len(frames))])
        context = self._context(DecodeOptions())
        [log_probs] = self.acoustic(torch.from_numpy(frames)[None], steps, context)
        return np.asarray(log_probs.numpy())

    def _with_frames(self, work: Work) -> State:
        frames = self._normalised(work.features, is_last=work.is_last)
        return replace(work.state, frames=np.concatenate([work.state.frames, frames]))

    def _normalised(self, features: FloatArray, *, is_last: bool) -> FloatArray:
        """Return `features`, (T, F), as in training, with the silence after the last one."""
        frames = np.clip(self.cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
        if not is_last:
            return frames
        tail = np.full((TAIL_FRAMES, frames.shape[1]), -FEATURE_LIMIT, np.float32)
        return np.concatenate([frames, tail])

    def _frames_of_chunk(self, state: State) -> int:
        """Return how many frames complete the encoder's next chunk."""
        return self._ear.frames_of_chunk(state.encoder)

    def _ready(self, state: State, work: Work) -> bool:
        """Return whether a chunk can be decoded: a whole one, or the last."""
        if work.is_last and self._is_over(state, work):
            return False
        missing = self._frames_of_chunk(state) - len(state.frames)
        return missing <= 0 or (work.is_last and len(state.frames) > 0)

    def _is_over(self, state: State, work: Work) -> bool:
        """Return whether only silence is left, and enough of it heard that no spike comes late."""
        heard = self._ear.told_steps(state.trailing_blank_steps) * STEP_FRAMES
        return heard >= TAIL_FRAMES and (work.is_silent or len(state.frames) <= TAIL_FRAMES)

    def _decode(
        self, states: list[State], context: Context, meanwhile: Callable[[], None]
    ) -> list[State]:
        """Return `states` after one chunk of each, through the encoder as one batch."""
        taken = [self._frames_of_chunk(state) for state in states]
        work = [(state.frames[:n], state.encoder) for state, n in zip(states, taken, strict=True)]
        heard = self._ear.step(work, context)
        found = []
        for state, n, (steps, encoder) in zip(states, taken, heard, strict=True):
            meanwhile()
            after = replace(state, frames=state.frames[n:], encoder=encoder)
            found.append(self._searched(after, steps))
        return found

    def _finished(self, state: State) -> State:
        """Return `state` with what the encoder still waited to say."""
        [steps] = self._ear.finish([state.encoder], self._context(state.options))
        return self._searched(state, steps)

    @torch.inference_mode()
    def _searched(self, state: State, steps: torch.Tensor) -> State:
        """Return `state` after the search took new steps of the encoder, (S, D)."""
        if not len(steps):
            return state
        log_probs = self.acoustic.log_probs(steps).numpy()
        search = self._language_model(state.options).search
        spoken = np.flatnonzero(log_probs.argmax(1) != self.blank)
        blanks = len(log_probs) - 1 - int(spoken[-1]) if len(spoken) else len(log_probs)
        return replace(
            state,
            search=search.step(log_probs, state.search, beam_scale=state.options.beam_scale),
            steps=(*state.steps, steps.numpy().copy()) if self.remembers_steps else (),
            log_probs=(*state.log_probs, log_probs.copy()),
            evidence=self._weighed(state.evidence, log_probs),
            trailing_blank_steps=blanks + (0 if len(spoken) else state.trailing_blank_steps),
        )

    def _weighed(self, evidence: Evidence | None, log_probs: FloatArray) -> Evidence | None:
        """Return the evidence for speech after `log_probs`, (S, V)."""
        if self.speech_gate is None or evidence is None:
            return None
        return self.speech_gate.step(log_probs, self.blank, evidence)

    def _update(self, state: State, *, is_last: bool) -> Update:
        language_model = self._language_model(state.options)
        search = language_model.search
        alternatives: tuple[Alternative, ...] = ()
        if is_last:
            found = search.finish(state.search, max(1, state.options.n_best))
            alternatives = tuple(self._alternative(one, language_model.words) for one in found)
            words = alternatives[0].words if alternatives else ()
            stable = len(words)
        else:
            words = self._alternative(search.best(state.search), language_model.words).words
            stable = min(len(words), search.stable_words(state.search))
        if not state.is_speech:  # looked for all the same: a first look compiles, and costs count
            words, alternatives, stable = (), (), 0
        return Update(
            words,
            stable,
            self._ear.told_steps(state.search.step),
            self._ear.told_steps(state.trailing_blank_steps),
            alternatives,
            missing_frames=max(0, self._frames_of_chunk(state) - len(state.frames)),
        )

    def _alternative(self, hypothesis: Hypothesis, spelling: Sequence[str]) -> Alternative:
        confidences = self.calibration(hypothesis.words)
        words = tuple(
            Word(spelling[word.word], *span, float(confidence))
            for word, span, confidence in zip(
                hypothesis.words, self._spans(hypothesis), confidences, strict=True
            )
        )
        return Alternative(words, hypothesis.log_score)

    def _spans(self, hypothesis: Hypothesis) -> list[tuple[int, int]]:
        """Return the steps of 40 ms of each word."""
        return self._ear.told_spans([(word.start_step, word.end_step) for word in hypothesis.words])

    @property
    def _ear(self) -> Ear:
        return Ear(self.acoustic.encoder)

    def _language_model(self, options: DecodeOptions) -> LanguageModel:
        if isinstance(options.language_model, LanguageModel):
            return options.language_model
        return wished(self.language_models, options)

    def _context(self, options: DecodeOptions) -> Context:
        chunk = options.chunk_steps or self.context.chunk_steps
        return self._ear.context(chunk, self.context.left_steps)


def _after_finals(options: DecodeOptions) -> DecodeOptions:
    """Return the options with the language model that counts after the stream's finals so far."""
    model = options.language_model
    if isinstance(model, str) or model.personal is None:
        return options
    return replace(options, language_model=model.after(options.finals))
