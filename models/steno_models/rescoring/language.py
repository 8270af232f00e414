"""A neural language model that reads candidates after the finals that came before them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.lm.scorer import Scorer, State
from steno_models.rescoring.candidate import Candidate, DoubleArray

Finals = tuple[tuple[str, ...], ...]
"""The words of earlier finals of a stream, the oldest first."""


@dataclass(frozen=True, slots=True)
class LanguageReader:
    """A language model of whole words and how far back it reads.

    Attributes:
        scorer: the model; whether it carries anything from sentence to sentence is its own.
        context_words: it reads the newest finals with no more words than that together.
    """

    scorer: Scorer
    context_words: int = 0

    def begin(self, finals: Finals) -> State:
        """Return the state at the start of a segment: a function of the words before it."""
        state, room = self.scorer.start(), self.context_words
        newest: list[tuple[str, ...]] = []
        for final in reversed(finals):
            room -= len(final)
            if room < 0:
                break
            newest.append(final)
        for final in reversed(newest):
            [state] = self.scorer.score_sentences([final], state).states
        return state

    def log_probs(self, candidates: Sequence[Candidate], state: State) -> list[DoubleArray]:
        """Return (U + 1,) ln p of words and end of each; NaN of words that it does not know."""
        found = self.scorer.score_sentences([one.texts for one in candidates], state).log_probs
        for one, log_probs in zip(candidates, found, strict=True):
            strange = [i for i, word in enumerate(one.texts) if not self.scorer.knows(word)]
            log_probs[strange] = np.nan
        return found
