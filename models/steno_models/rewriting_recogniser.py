"""Words while people speak, from models that listen to a segment as a whole.

Such a model cannot go on from where it was: more sound changes all that it heard. What people want
to see is words while they speak, so a segment is decoded anew whenever it is half as long again as
the last time, from one second on: the partials come a little more rarely the longer somebody
speaks, and all of them together cost at most three times what the final costs. No word of a partial
is stable, since the whole is decoded once more at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from steno_models.encoders.protocol import AnyEncoder
from steno_models.features.extractor import StreamingExtractor
from steno_models.listening import STEP_FRAMES
from steno_models.recogniser import (
    BundledRecogniser,
    DecodeOptions,
    HasChunk,
    LanguageModel,
    Measured,
    State,
    Update,
    Work,
)

FIRST_FRAMES = 100
GROWTH = 1.5


def next_frames(written: int) -> int:
    """Return at how many frames a segment is decoded again, after it was at `written`."""
    due = FIRST_FRAMES
    while due <= written:
        due = int(due * GROWTH)
    return due


@dataclass(frozen=True, slots=True)
class Written:
    """What was decoded of a segment.

    Attributes:
        frames: how many there were.
        update: what is known of them.
        state: of the recogniser that has decoded them.
    """

    frames: int
    update: Update
    state: State


@dataclass(frozen=True, slots=True)
class RewritingRecogniser:
    """A recogniser that decodes a segment from its beginning, again and again.

    Attributes:
        recogniser: has words at the end of a segment only.
    """

    recogniser: BundledRecogniser

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
        inner = self.recogniser.start(options)
        nothing = Written(0, Update((), 0, 0, 0), inner)
        waiting = np.zeros((0, 0), np.float32)
        return State(options, waiting, None, nothing, evidence=inner.evidence)

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each segment after its new features, and its next state.

        When a segment is decoded depends on its frames alone, so how they are cut into work makes
        no difference.
        """
        found = []
        for item in work:
            state, there = _with_features(item), len(item.state.frames) + len(item.features)
            due = written = state.search.frames
            while (later := next_frames(due)) <= there:
                due = later
            if item.is_last:
                state = self._written(state, there, is_last=True)
            elif due > written:
                state = self._written(state, due, is_last=False)
            missing = max(0, next_frames(state.search.frames) - there)
            found.append((replace(state.search.update, missing_frames=missing), state))
        return found

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        Raises:
            ConfigError: no such language model.
        """
        options = replace(state.options, language_model=language_model)
        fresh = replace(self.start(options), frames=state.frames)
        frames = state.search.frames
        return self._written(fresh, frames, is_last=False) if frames else fresh

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
        return self.recogniser.measured(state.search.state)

    def _written(self, state: State, frames: int, *, is_last: bool) -> State:
        """Return `state` after its first `frames` were decoded as if they were all."""
        options = state.options if is_last else replace(state.options, n_best=1)
        work = Work(state.frames[:frames], self.recogniser.start(options), is_last=True)
        [(update, inner)] = self.recogniser.step([work])
        if not is_last:
            update = _unfinished(update, frames // STEP_FRAMES)
        return replace(
            state,
            search=Written(frames, update, inner),
            evidence=inner.evidence,
            trailing_blank_steps=update.trailing_blank_steps,
        )


def streamed(recogniser: BundledRecogniser, encoder: AnyEncoder) -> BundledRecogniser:
    """Return `recogniser`, or what has partials for it where `encoder` cannot stream."""
    return recogniser if encoder.streaming else RewritingRecogniser(recogniser)


def unwrapped(recogniser: BundledRecogniser) -> BundledRecogniser:
    """Return the recogniser that decodes whole segments."""
    return recogniser.recogniser if isinstance(recogniser, RewritingRecogniser) else recogniser


def _with_features(work: Work) -> State:
    """Return the state with its features, (T, F), those of the work among them."""
    before = work.state.frames
    frames = np.concatenate([before, work.features]) if len(before) else work.features
    return replace(work.state, frames=frames)


def _unfinished(update: Update, steps: int) -> Update:
    """Return what is known of the first `steps` of a segment, after which silence was supposed."""
    words = tuple(
        replace(
            word, start_step=min(word.start_step, steps - 1), end_step=min(word.end_step, steps)
        )
        for word in update.words
    )
    blank = max(0, update.trailing_blank_steps - max(0, update.steps - steps))
    return Update(words, 0, steps, blank)
