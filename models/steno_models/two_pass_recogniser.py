"""A recogniser of any family whose finals are ranked anew by a second pass.

While a segment lasts, all is as the first pass says. When it ends, the n-best list goes through a
`Rescorer`; what comes out best is the final, with the times of its own words and the confidence
that all of the list together give them.

Words that were called stable are kept: a candidate that contradicts them is no candidate. Since the
first pass is soon sure of itself, little would be left to choose from; so words are called stable
only some time after they ended, and what is younger is the second pass's to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from steno_models.errors import ConfigError
from steno_models.features.extractor import StreamingExtractor
from steno_models.recogniser import (
    Alternative,
    BundledRecogniser,
    DecodeOptions,
    HasChunk,
    LanguageModel,
    Measured,
    State,
    Update,
    Word,
    Work,
)
from steno_models.rescoring.candidate import Candidate, Ranked, sureness
from steno_models.rescoring.second_pass import Carried, Rescorer, Segment
from steno_models.search.confidence import Calibration, features
from steno_models.search.hypothesis import SearchWord
from steno_models.types import FloatArray


class FirstPass(BundledRecogniser, Protocol):
    """A recogniser that can say what else it thought of."""

    @property
    def calibration(self) -> Calibration:
        """Gives the words of this pass alone their confidence."""

    @property
    def steps_width(self) -> int | None:
        """D, the width of its encoder's steps; None where nobody else can look at them."""

    def candidates(self, state: State, most: int) -> list[Candidate]:
        """Return the n-best list of a segment that ended with `state`, best first."""

    def stable(self, state: State) -> tuple[Word, ...]:
        """Return the words that no later sound could have changed, the segment going on."""

    def encoded(self, state: State) -> FloatArray:
        """Return (S, D) the encoder's steps of a segment that ended with `state`.

        Raises:
            ConfigError: it has none, or does not remember them.
        """


@dataclass(frozen=True, slots=True)
class Following:
    """What the second pass carries through a segment, in `State.second_pass`.

    Attributes:
        carried: from the finals before and from the stable words.
        stable: the words that were called stable; all candidates begin with them.
        known: what is known of the words of the final, once there is one.
    """

    carried: Carried = None
    stable: tuple[str, ...] = ()
    known: tuple[SearchWord, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPassRecogniser:
    """A first pass and a second one.

    Attributes:
        first: decodes as the audio comes.
        rescorer: ranks the candidates of a segment that has ended.
        budget_s: a final is there so long after it was asked for, both passes together.
        hold_steps: words that ended less than so many steps of 40 ms ago are not called stable.
        posterior_scale: factor on log scores where they are compared for confidence.
        calibration: gives the words of both passes their confidence.
    """

    first: FirstPass
    rescorer: Rescorer
    budget_s: float
    hold_steps: int
    posterior_scale: float
    calibration: Calibration

    @property
    def context(self) -> HasChunk:
        """The chunk of streams that wish none."""
        return self.first.context

    def features(self) -> StreamingExtractor:
        """Return what turns samples into the first pass's features."""
        return self.first.features()

    def start(self, options: DecodeOptions) -> State:
        """Return the state before the first frame of a segment.

        The finals before it are read now, while nobody waits for words yet.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """
        state = self.first.start(options)
        if not options.second_pass:
            return state
        return replace(state, second_pass=Following(self.rescorer.begin(options.finals)))

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        """Return what is known of each stream after its new features, and its next state.

        Where several segments end, each gets its share of the time that is left for all.
        """
        began_s = self.rescorer.now_s()
        found = list(self.first.step(work))
        ending = [i for i, item in enumerate(work) if item.is_last]
        waited_for = [item.asked_s for item in work if item.asked_s is not None]
        for place, i in enumerate(ending):
            work[i].meanwhile()
            share_s = None
            if waited_for:
                now_s = self.rescorer.now_s()
                left_s = min(began_s, *waited_for) + self.budget_s - now_s
                share_s = now_s + left_s / (len(ending) - place)
            found[i] = self._ended(*found[i], share_s)
        return [
            (update, state) if item.is_last else self._held(update, state)
            for item, (update, state) in zip(work, found, strict=True)
        ]

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        Nothing of it is stable any more.

        Raises:
            ConfigError: no such language model.
        """
        state = self.first.rescored(state, language_model)
        if state.second_pass is None:
            return state
        return replace(state, second_pass=Following(self.rescorer.begin(state.options.finals)))

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
        following: Following | None = state.second_pass
        if following is None or following.known is None:
            return self.first.measured(state)
        texts, known = following.stable, following.known
        return Measured(texts, features(known))

    def _held(self, update: Update, state: State) -> tuple[Update, State]:
        """Return a partial that calls stable what the second pass will keep."""
        following: Following | None = state.second_pass
        if following is None:
            return update, state
        words = update.words[: update.stable_words]
        count = max(len(following.stable), self._count_old(words, update.steps))
        stable = tuple(word.text for word in words[:count])
        fresh = stable[len(following.stable) :]
        carried = self.rescorer.read_on(following.carried, fresh) if fresh else following.carried
        return (
            replace(update, stable_words=len(stable)),
            replace(state, second_pass=Following(carried, stable)),
        )

    def _kept(self, update: Update, state: State, following: Following) -> tuple[str, ...]:
        """Return the words that a final begins with.

        Those are all that may have been called stable, whether anybody was told or not: so it makes
        no difference to the final how a segment was cut into work.
        """
        words = self.first.stable(state)
        count = max(len(following.stable), self._count_old(words, update.steps))
        return following.stable + tuple(w.text for w in words[len(following.stable) : count])

    def _count_old(self, words: Sequence[Word], steps: int) -> int:
        """Return how many of `words` ended long enough ago to be called stable."""
        last = steps - self.hold_steps
        return next((k for k, word in enumerate(words) if word.end_step > last), len(words))

    def _ended(
        self, update: Update, state: State, deadline_s: float | None
    ) -> tuple[Update, State]:
        """Return the final of both passes for that of the first."""
        following: Following | None = state.second_pass
        if following is None or not update.alternatives:
            return update, state
        listed = self.first.candidates(state, self.rescorer.n_best)
        stable = self._kept(update, state, following)
        eligible = [one for one in listed if one.texts[: len(stable)] == stable]
        if not eligible:
            return update, state
        rescored = self.rescorer.rescore(
            eligible,
            Segment(self.steps(state), following.carried, _share(state.options), deadline_s),
        )
        most = max(1, state.options.n_best)
        known = [
            sureness(rescored.ranked, k, self.posterior_scale)
            for k in range(min(most, len(rescored.ranked)))
        ]
        alternatives = tuple(map(self._alternative, rescored.ranked, known))
        words = alternatives[0].words
        texts = tuple(word.text for word in words)
        return (
            replace(
                update,
                words=words,
                stable_words=len(words),
                alternatives=alternatives,
                unscored=rescored.unscored,
            ),
            replace(state, second_pass=replace(following, stable=texts, known=known[0])),
        )

    def steps(self, state: State) -> FloatArray:
        """Return (S, D) the encoder's steps of a segment that ended, (0, 0) if nobody looks."""
        if self.rescorer.looks_at_steps:
            return self.first.encoded(state)
        return np.zeros((0, 0), np.float32)

    def _alternative(self, one: Ranked, known: Sequence[SearchWord]) -> Alternative:
        words = tuple(
            Word(text, start, end, float(sure))
            for text, (start, end), sure in zip(
                one.candidate.texts, one.candidate.spans, self.calibration(known), strict=True
            )
        )
        return Alternative(words, one.log_score)


def two_pass(first: BundledRecogniser) -> FirstPass:
    """Return `first` as the first of two passes.

    Raises:
        ConfigError: it keeps no list of candidates.
    """
    from steno_models.hmm_recogniser import HmmRecogniser  # noqa: PLC0415
    from steno_models.lexicon_recogniser import LexiconRecogniser  # noqa: PLC0415
    from steno_models.transducer_recogniser import TransducerRecogniser  # noqa: PLC0415

    if isinstance(first, LexiconRecogniser | HmmRecogniser | TransducerRecogniser):
        return first
    raise ConfigError("expected a first pass of the family ctc, hmm or rnnt")


def _share(options: DecodeOptions) -> float | None:
    """Return the share of the neural model that the stream's language model asks for."""
    language_model = options.language_model
    return language_model.neural_share if isinstance(language_model, LanguageModel) else None
