"""The squared error of a factorization over all cells of a matrix that is mostly zeros.

With y = u(h) · v(w), S the cells that were seen and weight z on the others,

    sum_S (g - y)² + z sum_not S y²  =  sum_S ((g - y)² - z y²) + z tr(Uᵀ U Vᵀ V),

so that zeros cost D² products for each vector instead of R V D.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from steno_models.lm.factorized.counts import PairCounts

Transform = Literal["log", "none"]


def transformed(counts: Tensor, transform: Transform) -> Tensor:
    """Return g(c) of `counts`."""
    return torch.log1p(counts.float()) if transform == "log" else counts.float()


def restored(values: Tensor, transform: Transform) -> Tensor:
    """Return the counts, at least 0, of which `values` are g(c)."""
    positive = values.clamp(min=0)
    return torch.expm1(positive) if transform == "log" else positive


@dataclass(frozen=True, slots=True)
class SquaredError:
    """The squared error of the rows of a count matrix.

    Attributes:
        begins: (R + 1,) where each row's entries begin.
        words: (E,) the unit of each entry.
        values: (E,) g(c) of each entry.
        zero_weight: z.
    """

    begins: Tensor
    words: Tensor
    values: Tensor
    zero_weight: float

    @classmethod
    def of_counts(cls, counts: PairCounts, transform: Transform, zero_weight: float) -> Self:
        """Return the error of what `transform` makes of `counts`."""
        return cls(
            torch.from_numpy(counts.begins),
            torch.from_numpy(counts.words.astype(np.int64)),
            transformed(torch.from_numpy(counts.counts), transform),
            zero_weight,
        )

    def total(self) -> float:
        """Return the sum of all squares g(c)²: the error of factors that are 0."""
        return float(self.values.double().square().sum())

    def __call__(self, rows: Tensor, histories: Tensor, words: Tensor) -> Tensor:
        """Return the weighted squared error of some rows, ().

        Args:
            rows: (B,) int64 which.
            histories: (B, D) their vectors u.
            words: (V, D) the vectors v.
        """
        first, last = self.begins[rows], self.begins[rows + 1]
        sizes = last - first
        own = torch.repeat_interleave(torch.arange(len(rows)), sizes)
        skipped = torch.repeat_interleave(first - (torch.cumsum(sizes, 0) - sizes), sizes)
        entries = skipped + torch.arange(len(own))
        y = (histories[own] * words[self.words[entries]]).sum(dim=1)
        seen = (self.values[entries] - y).square() - self.zero_weight * y.square()
        everywhere = ((histories.T @ histories) * (words.T @ words)).sum()
        return seen.sum() + self.zero_weight * everywhere
