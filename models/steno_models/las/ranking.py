"""How texts of different lengths compare once they have ended (Wu et al. 2016, eq. 14).

    score(y) = ln p(y) / lp(y) + cp(y)
    lp(y) = ((5 + |y|) / 6)^α,   cp(y) = β Σ_s ln min(Σ_u α_us, 1)

Longer texts are less likely for that alone, and a text that leaves out what was said has not looked
there. Texts are counted with their end.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import ConfigError

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What ended texts are ranked by.

    Attributes:
        length_power: α; with 0 the length does not matter.
        coverage: β, in nats; with 0 it does not matter what was looked at.
        least_coverage: what a step counts as looked at, at least: nobody looks at silences, which
            without it would drown everything else.
    """

    length_power: float = 0.0
    coverage: float = 0.0
    least_coverage: float = 0.01

    def __post_init__(self) -> None:
        for name in ("length_power", "coverage"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"expected {name} of 0 or more, found {value}")
        if not 0 < self.least_coverage <= 1:
            raise ConfigError(f"expected 0 < least_coverage <= 1, found {self.least_coverage}")

    def score(self, log_score: float, length: int, looked: DoubleArray) -> float:
        """Return the score of a text.

        Args:
            log_score: what the models say of it.
            length: of the text, its end included.
            looked: (S,) the sum of its weights at each step.
        """
        return log_score / self._penalty(length) + self._covered(looked)

    def highest(self, log_score: float, lengths: tuple[int, int]) -> float:
        """Return the highest score of a text with `log_score` and some length in a range."""
        return log_score / self._penalty(lengths[1 if log_score < 0 else 0])

    def _penalty(self, length: int) -> float:
        return float(((5 + length) / 6) ** self.length_power)

    def _covered(self, looked: DoubleArray) -> float:
        if self.coverage == 0:
            return 0.0
        return self.coverage * float(np.log(np.clip(looked, self.least_coverage, 1.0)).sum())
