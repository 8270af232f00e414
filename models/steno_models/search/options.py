"""What a caller may choose about a search."""

from dataclasses import dataclass
from typing import NamedTuple

from steno_models.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How wide to search and how to weigh what is heard against what is expected.

    Attributes:
        beam: nats below the best token at which a token is dropped.
        max_tokens: how many tokens survive a step at most.
        lm_weight: factor on ln p(word | words before).
        word_score: added for each word; above 0 it favours more words, below 0 fewer.
        new_word_bonus: added to ln p of the language model's unknown word to make that of a word
            whose id it does not have: one of the many that the unknown word stands for.
        blank_penalty: nats taken off ln p(blank) at each step.
        max_pause_steps: blank steps after which a word begun is not resumed.
        history_steps: how far back alternatives are kept; stable words older than this are settled.
        posterior_scale: factor on log scores where they are compared for confidence.
    """

    beam: float = 10.0
    max_tokens: int = 2000
    lm_weight: float = 0.6
    word_score: float = 0.0
    new_word_bonus: float = -5.0
    blank_penalty: float = 0.0
    max_pause_steps: int = 25
    history_steps: int = 750
    posterior_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("beam", "max_tokens", "max_pause_steps", "posterior_scale"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"expected {name} above 0, found {value}")
        for name in ("lm_weight", "history_steps"):
            value = getattr(self, name)
            if not value >= 0:
                raise ConfigError(f"expected {name} of 0 or more, found {value}")

    def limits(self) -> "Limits":
        """Return what the compiled step needs of them."""
        return Limits(
            float(self.beam),
            int(self.max_tokens),
            float(self.lm_weight),
            float(self.word_score),
            float(self.blank_penalty),
            int(self.max_pause_steps),
        )


class Limits(NamedTuple):
    """The options of the compiled step; `SearchOptions` explains them."""

    beam: float
    max_tokens: int
    lm_weight: float
    word_score: float
    blank_penalty: float
    max_pause_steps: int
