"""An n-gram model as a scorer of hypotheses; a state is a node of its trie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.lm.ngram import kernels
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.scorer import LogProbs, Scored, Sentence


@dataclass(frozen=True, slots=True)
class NgramScorer:
    """An n-gram model in the role of `scorer.Scorer`.

    Nothing is carried over: after the end of a sentence its state is that of the start.
    """

    model: NgramModel

    def start(self) -> int:
        """Return the state at the start of a sentence."""
        return self.model.start_state

    def knows(self, word: str) -> bool:
        """Return whether `word` is in the vocabulary."""
        return self.model.word_id(word) != self.model.unknown_word

    def score(self, states: Sequence[int], words: Sentence) -> tuple[LogProbs, list[int]]:
        """Return (K,) ln p(word | state) and the states after, for K hypotheses at once."""
        ids = map(self.model.word_id, words)
        steps = [self.model.advance(s, word) for s, word in zip(states, ids, strict=True)]
        after = [
            self.model.start_state if word == self.model.vocabulary[self.model.end_word] else state
            for (state, _), word in zip(steps, words, strict=True)
        ]
        return np.array([log_prob for _, log_prob in steps]), after

    def score_sentences(
        self,
        sentences: Sequence[Sentence],
        carried: int | None = None,
        *,
        alike: int | None = None,
    ) -> Scored:
        """Return what each of `sentences` is worth after `carried`, default the start."""
        del alike
        state = self.model.start_state if carried is None else carried
        found: list[LogProbs] = []
        for sentence in sentences:
            ids = [*map(self.model.word_id, sentence), self.model.end_word]
            out = np.empty(len(ids))
            kernels.score_tokens(self.model.arrays, state, np.array(ids, np.int32), out)
            found.append(out)
        return Scored(found, [self.model.start_state] * len(sentences))
