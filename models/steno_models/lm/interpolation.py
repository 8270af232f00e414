"""Models of any kinds as one: p(w | h) = sum_i weight_i p_i(w | h) (Jelinek & Mercer 1980)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.errors import ConfigError
from steno_models.lm.scorer import (
    LogProbs,
    Scored,
    Scorer,
    Sentence,
    State,
    score_by_prefixes,
)


@dataclass(frozen=True, slots=True)
class Interpolation:
    """A linear mixture of scorers; its states are tuples of theirs.

    Attributes:
        scorers: the models.
        weights: of each, positive, which sum to 1.
    """

    scorers: tuple[Scorer, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        fit = len(self.weights) == len(self.scorers) and abs(sum(self.weights) - 1) < 1e-6
        if not fit or min(self.weights) < 0:
            raise ConfigError(
                f"expected {len(self.scorers)} weights that sum to 1, found {list(self.weights)}"
            )

    def start(self) -> State:
        """Return the state at the start of a first sentence."""
        return tuple(scorer.start() for scorer in self.scorers)

    def knows(self, word: str) -> bool:
        """Return whether every model knows `word`."""
        return all(scorer.knows(word) for scorer in self.scorers)

    def score(self, states: Sequence[State], words: Sentence) -> tuple[LogProbs, list[State]]:
        """Return (K,) ln p(word | state) and the states after, for K hypotheses at once."""
        parts = [
            scorer.score([state[i] for state in states], words)
            for i, scorer in enumerate(self.scorers)
        ]
        mixed = self._mixed([log_probs for log_probs, _ in parts])
        return mixed, list(zip(*(after for _, after in parts), strict=True))

    def score_sentences(
        self, sentences: Sequence[Sentence], carried: State = None, *, alike: int | None = None
    ) -> Scored:
        """Return what each of `sentences` is worth after `carried`, default the start."""
        del alike
        return score_by_prefixes(self, sentences, carried)

    def _mixed(self, log_probs: Sequence[LogProbs]) -> LogProbs:
        with np.errstate(divide="ignore"):
            weights = np.log(np.array(self.weights))[:, None]
        mixed: LogProbs = np.logaddexp.reduce(weights + np.stack(log_probs), axis=0)
        return mixed
