"""Language models beside a model that writes labels: shallow fusion (Gulcehre et al. 2015).

    score = ln p(y | x) + λ ln p_LM(y) + ρ |y|

Any search of labels can ask a `Scorer`; families add what is their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

from steno_models.errors import ConfigError

# A scorer's own: nobody else looks inside.
ScorerState: TypeAlias = Any


class Scorer(Protocol):
    """A language model of labels; states are values."""

    def start(self) -> ScorerState:
        """Return the state at the start of a sentence."""

    def advance(self, state: ScorerState, token: int) -> tuple[ScorerState, float]:
        """Return the next state and ln p(token | state)."""

    def end(self, state: ScorerState) -> float:
        """Return ln p(the sentence ends | state)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShallowFusion:
    """How a language model takes part.

    Attributes:
        scorer: the language model; without one only what the others say counts.
        weight: λ.
        label_score: ρ, for each label: against texts that come out too short.
    """

    scorer: Scorer | None = None
    weight: float = 0.3
    label_score: float = 0.0

    def __post_init__(self) -> None:
        """Check the weight."""
        check_weight("weight", self.weight)


def check_weight(name: str, value: float) -> None:
    """Check that a weight is a number of 0 or more.

    Raises:
        ConfigError: it is another.
    """
    if not 0 <= value < float("inf"):
        raise ConfigError(f"expected {name} of 0 or more, found {value}")


class Ngrams(Protocol):
    """What a scorer asks of an n-gram model: `lm.ngram.model.NgramModel` or a like."""

    @property
    def start_state(self) -> int:
        """The state at the start of a sentence."""

    @property
    def end_word(self) -> int:
        """The number of the end of a sentence."""

    def word_id(self, text: str) -> int:
        """Return the number of the word `text`."""

    def advance(self, state: int, word: int) -> tuple[int, float]:
        """Return the next state and ln p(word | state)."""


@dataclass(frozen=True, slots=True)
class NgramScorer:
    """An n-gram model of labels, whose words are the symbols of the other model's tokens.

    Attributes:
        model: the n-grams.
        words: the model's word for each token id.
    """

    model: Ngrams
    words: tuple[int, ...]

    @classmethod
    def of(cls, model: Ngrams, symbols: Sequence[str]) -> Self:
        """Return the scorer of tokens, `symbols`, by `model`."""
        return cls(model, tuple(map(model.word_id, symbols)))

    def start(self) -> int:
        """Return the state at the start of a sentence."""
        return self.model.start_state

    def advance(self, state: int, token: int) -> tuple[int, float]:
        """Return the next state and ln p(token | state)."""
        return self.model.advance(state, self.words[token])

    def end(self, state: int) -> float:
        """Return ln p(the sentence ends | state)."""
        return self.model.advance(state, self.model.end_word)[1]
