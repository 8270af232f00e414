"""The factors as a network, and the probabilities that they smooth.

    p(w | h) = (c(hw) + n(h) q(w | h)) / (c(h) + n(h)),   n(h) = |{w: c(hw) > 0}|,
    q(w | h) = s f(w | h) + (1 - s) p(w | h'),   f(w | h) ∝ max(g⁻¹(u(h) · v(w)), 0)

Witten-Bell smoothing (Witten & Bell 1991) whose lower order is mixed with the factors: with s = 0
it is what it was.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steno_models.lm.factorized.counts import PairCounts
from steno_models.lm.factorized.loss import Transform, restored

# Distributions that are kept: a text comes back to the same histories.
_KEPT = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorsShape:
    """What a model's description says of its factors: D, g and s."""

    width: int
    transform: Transform
    share: float


class Factors(nn.Module):
    """A network with one linear hidden layer: which of R histories in, V counts out."""

    def __init__(self, R: int, V: int, width: int) -> None:
        super().__init__()
        self.histories = nn.Embedding(R, width)
        self.words = nn.Linear(width, V, bias=False)
        for weight in (self.histories.weight, self.words.weight):
            nn.init.normal_(weight, std=0.3 * width**-0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (B, V) approximate g(c) of the histories `rows`, (B,)."""
        out: Tensor = self.words(self.histories(rows))
        return out


class SmoothedPairs:
    """Probabilities of units after histories.

    Args:
        factors: what approximates the counts.
        counts: what was counted.
        transform: g.
        share: s, of the factors in what unseen pairs get.
    """

    def __init__(
        self, factors: Factors, counts: PairCounts, *, transform: Transform, share: float
    ) -> None:
        self._factors = factors
        self._counts = counts
        self._transform = transform
        self._share = share
        self._rows = {
            tuple(unit for unit in history if unit >= 0): row
            for row, history in enumerate(counts.histories.tolist())
        }
        self._kept: OrderedDict[tuple[int, ...], NDArray[np.float64]] = OrderedDict()
        self._unigrams = _witten_bell(
            counts.unigrams.astype(np.float64), np.full(len(counts.unigrams), 1.0)
        )

    @property
    def longest(self) -> int:
        """How many units a history has at most."""
        return int(self._counts.histories.shape[1])

    def probs(self, history: tuple[int, ...]) -> NDArray[np.float64]:
        """Return (V,) p(unit | history); the latest unit comes last."""
        while history and history not in self._rows:
            history = history[1:]
        if not history:
            return self._unigrams
        found = self._kept.get(history)
        if found is None:
            found = self._smoothed(history)
            self._kept[history] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(history)
        return found

    def _smoothed(self, history: tuple[int, ...]) -> NDArray[np.float64]:
        row, counts = self._rows[history], self._counts
        entries = slice(int(counts.begins[row]), int(counts.begins[row + 1]))
        seen = np.zeros(len(counts.unigrams))
        seen[counts.words[entries]] = counts.counts[entries]
        lower = self.probs(history[1:])
        with torch.inference_mode():
            found = restored(self._factors(torch.tensor([row]))[0], self._transform)
        guess = found.double().numpy()
        if guess.sum() > 0:
            lower = self._share * guess / guess.sum() + (1 - self._share) * lower
        return _witten_bell(seen, lower)


def _witten_bell(counts: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (V,) the probabilities of `counts`, smoothed with `lower`, which is normalised."""
    kinds = float((counts > 0).sum())
    smoothed: NDArray[np.float64] = counts + max(kinds, 1.0) * lower / lower.sum()
    smoothed /= smoothed.sum()
    return smoothed
