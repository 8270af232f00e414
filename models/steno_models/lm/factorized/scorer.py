"""Smoothed pairs of histories and words as a scorer; a state is the last units."""

from collections.abc import Sequence

import numpy as np

from steno_models.lm.factorized.model import SmoothedPairs
from steno_models.lm.neural.units import END, WordUnits
from steno_models.lm.scorer import END as END_WORD
from steno_models.lm.scorer import LogProbs, Scored, Sentence, score_by_prefixes

_History = tuple[int, ...]


class FactorizedScorer:
    """A factorized model in the role of `scorer.Scorer`; it carries nothing over.

    Args:
        pairs: its probabilities.
        units: its words.
    """

    def __init__(self, pairs: SmoothedPairs, units: WordUnits) -> None:
        self._pairs = pairs
        self._units = units

    def start(self) -> _History:
        """Return the state at the start of a sentence."""
        return (END,)

    def knows(self, word: str) -> bool:
        """Return whether `word` is in the vocabulary."""
        return self._units.knows(word)

    def score(self, states: Sequence[_History], words: Sentence) -> tuple[LogProbs, list[_History]]:
        """Return (K,) ln p(word | state) and the states after, for K hypotheses at once."""
        log_probs, after = np.empty(len(states)), []
        for i, (state, word) in enumerate(zip(states, words, strict=True)):
            end = word == END_WORD
            unit = END if end else self._units.spell(word)[0]
            share = 0.0 if end else self._units.log_share(word)
            log_probs[i] = np.log(self._pairs.probs(state)[unit]) + share
            after.append(self.start() if end else (*state, unit)[-self._pairs.longest :])
        return log_probs, after

    def score_sentences(
        self,
        sentences: Sequence[Sentence],
        carried: _History | None = None,
        *,
        alike: int | None = None,
    ) -> Scored:
        """Return what each of `sentences` is worth after `carried`, default the start."""
        del alike
        return score_by_prefixes(self, sentences, carried)
