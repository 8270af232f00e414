"""The recogniser of models that listen to a segment as a whole: listen, attend and spell.

Such a model cannot go on from where it was: more sound changes all that it wrote. What people want
to see is words while they speak, so a segment is written anew now and then, as
`rewriting_recogniser.py` decodes. No word of a partial is stable, since the whole is written once
more at the end.

A word's times are those of the steps that the speller looks at most when it writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from steno_models.encoders.protocol import Context
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import StreamingFbank
from steno_models.las.attention_map import attention_map
from steno_models.las.model import LasModel
from steno_models.las.search import Hypothesis, LasSearch, SearchOptions
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
from steno_models.rewriting_recogniser import next_frames
from steno_models.rnnt.hypothesis import Token
from steno_models.search.confidence import Calibration, features
from steno_models.search.hypothesis import SearchWord, ordered
from steno_models.transducer_words import MarkedWords, WordHypothesis, measured, step_span
from steno_models.types import FloatArray
from steno_models.wishes import check_wishes, wished


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of a segment.

    Attributes:
        frames: how many there were.
        hypotheses: the words, best first, and how likely they are; their tokens have no times.
        spans: the steps of the words of the first hypotheses, of one at least.
    """

    frames: int
    hypotheses: tuple[WordHypothesis, ...] = ()
    spans: tuple[tuple[tuple[int, int], ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpellerRecogniser:
    """A speller that writes any number of segments, one call at a time.

    Attributes:
        model: the listener and the speller.
        cmvn: normalises the features as in training.
        symbols: of the tokens: subwords.
        searches: how to search with each language model; one at least.
        context: how far the encoder looks; its chunk, in steps of 40 ms, is that of streams that
            wish none.
        posterior_scale: factor on log scores where they are compared for confidence.
        calibration: gives words their confidence.
    """

    model: LasModel
    cmvn: GlobalCmvn
    symbols: Sequence[str]
    searches: Mapping[str, SearchOptions]
    context: Context
    posterior_scale: float
    calibration: Calibration

    def features(self) -> StreamingExtractor:
        """Return the incremental filter bank."""
        return StreamingFbank()

    def start(self, options: DecodeOptions) -> State:
        """Return the state before the first frame of a segment.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """
        check_wishes(options)
        self._search(options)
        return State(options, np.zeros((0, len(self.cmvn.mean)), np.float32), None, Written(0))

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each segment after its new features, and its next state."""
        states = [self._with_frames(item) for item in work]
        for i, item in enumerate(work):
            while (frames := self._due(states[i], is_last=item.is_last)) is not None:
                written = self._written(states[i], frames, is_last=item.is_last)
                states[i] = replace(states[i], search=written)
        return [
            (self._update(state, is_last=item.is_last), state)
            for item, state in zip(work, states, strict=True)
        ]

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been written with another language model.

        Raises:
            ConfigError: no such language model.
        """
        options = replace(state.options, language_model=language_model)
        self._search(options)
        frames = state.search.frames
        state = replace(state, options=options)
        return replace(state, search=self._written(state, frames, is_last=False))

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
        found = state.search.hypotheses
        texts = found[0].texts if found else ()
        return Measured(texts, features(self._sureness(state.search, 0) if found else ()))

    def _with_frames(self, work: Work) -> State:
        frames = np.clip(self.cmvn.apply(work.features), -FEATURE_LIMIT, FEATURE_LIMIT)
        parts = [work.state.frames, frames]
        if work.is_last:
            parts.append(np.full((TAIL_FRAMES, frames.shape[1]), -FEATURE_LIMIT, np.float32))
        return replace(work.state, frames=np.concatenate(parts))

    def _due(self, state: State, *, is_last: bool) -> int | None:
        """Return of how many frames the segment is to be written now, if it is.

        That depends on the frames alone, so how they are cut into work makes no difference.
        """
        due, there = next_frames(state.search.frames), len(state.frames)
        if is_last:
            return there if state.search.frames < there else None
        return due if there >= due else None

    def _written(self, state: State, frames: int, *, is_last: bool) -> Written:
        """Return what is written of the first `frames` of the segment."""
        heard = state.frames[:frames]
        if self.model.encoder.grid.steps_of(len(heard)) == 0:
            return Written(frames)
        encoded = self.model.encode(
            torch.from_numpy(heard).unsqueeze(0), torch.tensor([len(heard)]), self._reach
        )
        options = self._search(state.options)
        if state.options.beam_scale != 1:
            options = replace(options, beam=max(1, round(options.beam * state.options.beam_scale)))
        [found] = LasSearch(self.model, options).search(
            encoded, max(state.options.n_best, options.beam)
        )
        spelling, different = MarkedWords(self.symbols), dict[tuple[str, ...], Hypothesis]()
        worded = []
        for one in found:
            words = spelling.spelled(_tokens(one, [0] * len(one.tokens)))
            texts = tuple(word.text for word in words)
            if texts not in different:
                different[texts] = one
                worded.append(WordHypothesis(words, one.score))
        timed = list(different.values())[: state.options.n_best if is_last else 1]
        spans = tuple(tuple(self._spans(heard, one)) for one in timed)
        return Written(frames, tuple(worded), spans)

    def _spans(self, heard: FloatArray, one: Hypothesis) -> list[tuple[int, int]]:
        """Return the steps of 40 ms of each word: where the speller looks when it writes it."""
        if not one.tokens:
            return []
        looks = attention_map(self.model, heard, one.tokens, self._reach)
        peaks = np.maximum.accumulate(looks.argmax(axis=1))
        steps = peaks * self.model.encoder.grid.factor // STEP_FRAMES
        words = MarkedWords(self.symbols).spelled(_tokens(one, steps.tolist()))
        return ordered([step_span(word) for word in words])

    def _sureness(self, written: Written, number: int) -> list[SearchWord]:
        """Return what is known of how sure each word of a hypothesis with times is."""
        found = written.hypotheses
        others = [*found[:number], *found[number + 1 :]]
        return [
            replace(word, start_step=start, end_step=end)
            for word, (start, end) in zip(
                measured([found[number], *others], self.posterior_scale),
                written.spans[number],
                strict=True,
            )
        ]

    def _update(self, state: State, *, is_last: bool) -> Update:
        steps = state.search.frames // STEP_FRAMES
        timed = [self._alternative(state.search, k, steps) for k in range(len(state.search.spans))]
        best = timed[0] if timed else Alternative((), 0.0)
        alternatives = tuple(timed) if is_last else ()
        end = best.words[-1].end_step if best.words else 0
        return Update(
            best.words,
            len(best.words) if is_last else 0,
            steps,
            max(0, steps - end),
            alternatives,
            missing_frames=max(0, next_frames(state.search.frames) - len(state.frames)),
        )

    def _alternative(self, written: Written, number: int, steps: int) -> Alternative:
        one, sureness = written.hypotheses[number], self._sureness(written, number)
        words = tuple(
            Word(
                word.text, min(known.start_step, steps - 1), min(known.end_step, steps), float(sure)
            )
            for word, known, sure in zip(
                one.words, sureness, self.calibration(sureness), strict=True
            )
        )
        return Alternative(words, one.log_score)

    @property
    def _reach(self) -> Context:
        """How far the encoder looks, in its own steps."""
        ear = Ear(self.model.encoder)
        return ear.context(self.context.chunk_steps, self.context.left_steps)

    def _search(self, options: DecodeOptions) -> SearchOptions:
        return wished(self.searches, options)


def _tokens(one: Hypothesis, steps: Sequence[int]) -> list[Token]:
    """Return the tokens of a text, all equally likely, at such steps."""
    share = one.spelling_log_prob / max(1, len(one.tokens))
    return [Token(token, step, share) for token, step in zip(one.tokens, steps, strict=True)]
