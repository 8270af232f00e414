"""The recogniser of transducers: a chunked encoder, and a search that writes labels.

Streams of equal chunk size and language model go through encoder and search together. A partial has
the words of the best hypothesis; stable are those that all hypotheses begin with. The words' times
are those of the steps at which their labels were emitted, which is a little after they are said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

from steno_models.encoders.protocol import Context
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import StreamingFbank
from steno_models.listening import Ear
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
from steno_models.rescoring.candidate import Candidate
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.search import SearchOptions, SearchState, TransducerSearch
from steno_models.search.confidence import Calibration, features
from steno_models.search.fusion import ShallowFusion
from steno_models.search.hypothesis import SearchWord
from steno_models.search.word_scorer import WordScorer
from steno_models.transducer_words import Spelling, WordHypothesis, measured
from steno_models.types import FloatArray
from steno_models.wishes import check_wishes, wished


@dataclass(frozen=True, slots=True)
class TransducerLanguage:
    """How to search with one language model, or with none.

    Attributes:
        options: of the search, the language model among them.
        spelling: from labels to words.
        posterior_scale: factor on log scores where they are compared for confidence.
    """

    options: SearchOptions
    spelling: Spelling
    posterior_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class _Way:
    """What streams must have in common to be decoded together."""

    context: Context
    language_model: str
    beam_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransducerRecogniser:
    """A transducer that decodes any number of streams, one call at a time.

    Attributes:
        model: encoder, predictor and joiner.
        cmvn: normalises the features as in training.
        language_models: by name; one at least.
        context: chunk, in steps of 40 ms, and left context where a stream does not say otherwise.
        calibration: gives words their confidence.
    """

    model: TransducerModel
    cmvn: GlobalCmvn
    language_models: Mapping[str, TransducerLanguage]
    context: Context
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
        way = self._way(options)
        return State(
            options,
            np.zeros((0, len(self.cmvn.mean)), np.float32),
            self._ear.start(way.context, options.first_chunk_steps),
            self._search(way).start(),
        )

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each stream after its new features, and its next state.

        Left-overs short of a chunk wait in the state, unless the segment ends.
        """
        states = [self._with_frames(item) for item in work]
        while ready := [i for i, item in enumerate(work) if self._ready(states[i], item.is_last)]:
            way = self._way(states[ready[0]].options)
            batch = [i for i in ready if self._way(states[i].options) == way]
            for i, state in zip(batch, self._decode([states[i] for i in batch], way), strict=True):
                states[i] = state
        for i, item in enumerate(work):
            if item.is_last:
                states[i] = self._finished(states[i])
        return [
            (self._update(state, is_last=item.is_last), state)
            for item, state in zip(work, states, strict=True)
        ]

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        Raises:
            ConfigError: no such language model.
        """
        options = replace(state.options, language_model=language_model)
        search = self._search(self._way(options))
        searched = search.start()
        if state.log_probs:
            steps = torch.from_numpy(np.concatenate(state.log_probs))
            [searched] = search.step([(steps, searched)])
        return replace(state, options=options, search=searched)

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
        language = self._language(state.options)
        found = self._hypotheses(state, ended=True)
        texts = found[0].texts if found else ()
        return Measured(texts, features(measured(found, language.posterior_scale)))

    @property
    def steps_width(self) -> int:
        """D, the width of the encoder's steps."""
        return self.model.encoder.width

    def candidates(self, state: State, most: int) -> list[Candidate]:
        """Return the n-best list of a segment that ended with `state`, best first."""
        language = self._language(state.options)
        found = self._hypotheses(state, ended=True)
        listed = []
        for k, one in enumerate(found[:most]):
            known = measured([one, *found[:k], *found[k + 1 :]], language.posterior_scale)
            listed.append(
                Candidate(
                    texts=one.texts,
                    known=known,
                    spans=tuple(self._spans(known, state.search.step)),
                    log_score=one.log_score,
                    language=_word_log_probs(language.options.fusion, one.texts),
                    lm_weight=language.options.fusion.weight,
                )
            )
        return listed

    def stable(self, state: State) -> tuple[Word, ...]:
        """Return the words of an open segment that no later sound can change."""
        update = self._update(state, is_last=False)
        return update.words[: update.stable_words]

    def encoded(self, state: State) -> FloatArray:
        """Return (S, D) the encoder's steps of a segment that ended with `state`."""
        if not state.log_probs:
            return np.zeros((0, self.steps_width), np.float32)
        return np.concatenate(state.log_probs)

    def _with_frames(self, work: Work) -> State:
        frames = np.clip(self.cmvn.apply(work.features), -FEATURE_LIMIT, FEATURE_LIMIT)
        parts = [work.state.frames, frames]
        if work.is_last:
            parts.append(np.full((TAIL_FRAMES, frames.shape[1]), -FEATURE_LIMIT, np.float32))
        return replace(work.state, frames=np.concatenate(parts))

    def _frames_of_chunk(self, state: State) -> int:
        """Return how many frames complete the encoder's next chunk."""
        return self._ear.frames_of_chunk(state.encoder)

    def _ready(self, state: State, is_last: bool) -> bool:  # noqa: FBT001
        """Return whether a chunk can be decoded: a whole one, or the last."""
        return len(state.frames) >= self._frames_of_chunk(state) or (
            is_last and len(state.frames) > 0
        )

    def _decode(self, states: list[State], way: _Way) -> list[State]:
        """Return `states` after one chunk of each, as one batch."""
        taken = [self._frames_of_chunk(state) for state in states]
        work = [(state.frames[:n], state.encoder) for state, n in zip(states, taken, strict=True)]
        heard = self._ear.step(work, way.context)
        return self._searched(
            [
                replace(state, frames=state.frames[n:], encoder=encoder)
                for state, n, (_, encoder) in zip(states, taken, heard, strict=True)
            ],
            [steps for steps, _ in heard],
            way,
        )

    def _finished(self, state: State) -> State:
        """Return `state` with what the encoder still waited to say."""
        way = self._way(state.options)
        steps = self._ear.finish([state.encoder], way.context)
        return self._searched([state], steps, way)[0]

    def _searched(
        self, states: list[State], steps: Sequence[torch.Tensor], way: _Way
    ) -> list[State]:
        """Return `states` after the search took new encoder steps, (S, D) each."""
        found = self._search(way).step(
            [(new, state.search) for new, state in zip(steps, states, strict=True)]
        )
        return [
            replace(
                state,
                search=searched,
                log_probs=(*state.log_probs, new.numpy().copy()) if len(new) else state.log_probs,
                trailing_blank_steps=_silent_steps(searched),
            )
            for state, new, searched in zip(states, steps, found, strict=True)
        ]

    def _update(self, state: State, *, is_last: bool) -> Update:
        language = self._language(state.options)
        found = self._hypotheses(state, ended=is_last)
        sureness = measured(found, language.posterior_scale)
        best = self._alternative(found[0], sureness, state.search.step)
        stable = language.spelling.stable_words(state.search)
        alternatives: tuple[Alternative, ...] = ()
        if is_last:
            alternatives = (best, *self._others(state, found))
            stable = len(best.words)
        return Update(
            best.words,
            min(stable, len(best.words)),
            self._ear.told_steps(state.search.step),
            self._ear.told_steps(state.trailing_blank_steps),
            alternatives,
            missing_frames=max(0, self._frames_of_chunk(state) - len(state.frames)),
        )

    def _others(self, state: State, found: Sequence[WordHypothesis]) -> list[Alternative]:
        """Return the entries of the n-best list behind the first."""
        scale = self._language(state.options).posterior_scale
        return [
            self._alternative(
                one, measured([one, *found[:k], *found[k + 1 :]], scale), state.search.step
            )
            for k, one in enumerate(found)
            if 0 < k < state.options.n_best
        ]

    def _hypotheses(self, state: State, *, ended: bool) -> list[WordHypothesis]:
        """Return hypotheses of different words, best first; of a whole sentence if `ended`."""
        language = self._language(state.options)
        spelling, fusion = language.spelling, language.options.fusion
        found: dict[tuple[str, ...], WordHypothesis] = {}
        for path in state.search.paths:
            score = path.score
            if ended and fusion.scorer is not None:
                score += fusion.weight * fusion.scorer.end(path.language)
            one = WordHypothesis(spelling.words(state.search, path, ended=ended), score)
            if one.texts not in found or found[one.texts].log_score < score:
                found[one.texts] = one
        return sorted(found.values(), key=lambda one: -one.log_score)

    def _alternative(
        self, one: WordHypothesis, sureness: Sequence[SearchWord], steps: int
    ) -> Alternative:
        words = tuple(
            Word(text, *span, float(sure))
            for text, span, sure in zip(
                one.texts, self._spans(sureness, steps), self.calibration(sureness), strict=True
            )
        )
        return Alternative(words, one.log_score)

    def _spans(self, known: Sequence[SearchWord], steps: int) -> list[tuple[int, int]]:
        """Return the steps of 40 ms of words in a segment of `steps` of the encoder."""
        return self._ear.told_spans(
            [(min(one.start_step, steps - 1), min(one.end_step, steps)) for one in known]
        )

    @property
    def _ear(self) -> Ear:
        return Ear(self.model.encoder)

    def _way(self, options: DecodeOptions) -> _Way:
        self._language(options)
        chunk = options.chunk_steps or self.context.chunk_steps
        context = self._ear.context(chunk, self.context.left_steps)
        return _Way(context, str(options.language_model), options.beam_scale)

    def _search(self, way: _Way) -> TransducerSearch:
        """Return the search of one language model, its beam as wide as was asked for."""
        options = self.language_models[way.language_model].options
        if way.beam_scale != 1:
            beam = max(1, ceil(options.beam * way.beam_scale))
            options = replace(options, beam=beam, max_drop=options.max_drop * way.beam_scale)
        return TransducerSearch(self.model, options)

    def _language(self, options: DecodeOptions) -> TransducerLanguage:
        return wished(self.language_models, options)


def _word_log_probs(fusion: ShallowFusion, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return (U + 1,) ln p of words and end by the n-grams of words; (0,) without such."""
    scorer = fusion.scorer
    return np.array(scorer.model.score(texts) if isinstance(scorer, WordScorer) else ())


def _silent_steps(state: SearchState) -> int:
    """Return how many steps ago the best hypothesis emitted its last label."""
    tokens = state.paths[0].tokens or state.settled
    return state.step - (tokens[-1].step + 1 if tokens else 0)
