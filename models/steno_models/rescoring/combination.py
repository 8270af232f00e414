"""The log score of both passes: a log-linear sum, the language models mixed word by word."""

from dataclasses import dataclass, field

import numpy as np

from steno_models.errors import ConfigError
from steno_models.rescoring.candidate import Candidate, DoubleArray

NOTHING: DoubleArray = np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each part counts.

    Attributes:
        language: α, on ln p of the mixed language models.
        neural_share: λ, of the neural model in the mixture.
        attention: β, on ln p of the speller.
        word: ρ, for each word, beside what the first pass adds.
    """

    language: float
    neural_share: float = 0.0
    attention: float = 0.0
    word: float = 0.0

    def __post_init__(self) -> None:
        """Check the weights.

        Raises:
            ConfigError: one of them is not possible.
        """
        if not 0 <= self.neural_share <= 1:
            raise ConfigError(f"expected a neural share from 0 to 1, found {self.neural_share}")
        for name in ("language", "attention"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"expected a weight {name} of 0 or more, found {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What the models of the second pass say of one candidate.

    Attributes:
        neural: (U + 1,) ln p of each word and of the end, NaN of words that the model does not
            know; (0,) where there is no such model.
        attention: ln p of all tokens by the speller; 0 where there is none.
    """

    neural: DoubleArray = field(default_factory=lambda: NOTHING)
    attention: float = 0.0


def combined(candidate: Candidate, opinion: Opinion, weights: Weights) -> float:
    """Return the log score of both passes."""
    mixed = mixture(candidate.language, opinion.neural, weights.neural_share)
    return (
        candidate.rest
        + weights.language * mixed
        + weights.attention * opinion.attention
        + weights.word * len(candidate.texts)
    )


def mixture(ngram: DoubleArray, neural: DoubleArray, share: float) -> float:
    """Return ln p of a sentence by both language models (Jelinek & Mercer 1980).

    Words that the neural model does not know are worth what the n-grams say. Where one of the
    models is missing, the other is asked alone.

    Args:
        ngram: (U + 1,) ln p of words and end, or (U,), or (0,) without n-grams.
        neural: (U + 1,) likewise, NaN of words that it does not know, or (0,).
        share: of the neural model.
    """
    if not len(ngram):
        return float(np.nansum(neural)) if share > 0 else 0.0
    if not len(neural) or share == 0:
        return float(ngram.sum())
    other = neural[: len(ngram)]
    other = np.where(np.isnan(other), ngram, other)
    with np.errstate(divide="ignore"):
        both = np.logaddexp(np.log1p(-share) + ngram, np.log(share) + other)
    return float(both.sum())
