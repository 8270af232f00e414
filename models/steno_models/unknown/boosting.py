"""Boosted trees: log odds that are a sum of small trees, each fitted to what the others leave.

    F(x) = bias + Σ_m tree_m(x),   leaf = -rate · Σ g / (Σ h + λ)

with g and h the first and second derivatives of the log loss (Friedman, Hastie & Tibshirani 2000),
and each tree grown where it gains most, on features cut into few bins (Chen & Guestrin 2016).
Bounds of words, deficits and counts act together and not in straight lines, which a logistic
regression cannot tell.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models.types import LongArray
from steno_models.unknown.kernels import asked, histograms

DoubleArray = NDArray[np.float64]
_BINS = 64
_LEAST_HESSIAN = 1e-3


class Tree(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tree, its nodes by number, 0 the root.

    Attributes:
        feature: that each node asks for, -1 for a leaf.
        bound: up to which, it included, one goes to the lower child.
        lower: that child; the other one is behind it.
        value: of each leaf.
    """

    feature: tuple[int, ...]
    bound: tuple[float, ...]
    lower: tuple[int, ...]
    value: tuple[float, ...]


class Boosted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sum of trees.

    Attributes:
        bias: log odds where nothing is known.
        trees: that add to it.
    """

    bias: float = 0.0
    trees: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class Forest:
    """Boosted trees as arrays, one behind the other, to be asked at native speed.

    Attributes:
        bias: log odds where nothing is known.
        roots: of the trees.
        feature: that each node asks for, -1 for a leaf.
        bound: up to which, it included, one goes to the lower child.
        lower: that child; the other one is behind it.
        value: of each leaf.
    """

    bias: float
    roots: LongArray
    feature: LongArray
    bound: DoubleArray
    lower: LongArray
    value: DoubleArray

    @classmethod
    def of(cls, boosted: Boosted) -> "Forest":
        """Return trees as arrays."""
        roots = np.cumsum([0, *(len(tree.feature) for tree in boosted.trees)], dtype=np.int64)[:-1]
        lower = [
            root + child
            for root, tree in zip(roots.tolist(), boosted.trees, strict=True)
            for child in tree.lower
        ]
        return cls(
            boosted.bias,
            roots,
            np.array([one for tree in boosted.trees for one in tree.feature], np.int64),
            np.array([one for tree in boosted.trees for one in tree.bound], np.float64),
            np.array(lower, np.int64),
            np.array([one for tree in boosted.trees for one in tree.value], np.float64),
        )

    def __call__(self, x: DoubleArray) -> DoubleArray:
        """Return (N,) log odds of the rows of `x`, (N, F)."""
        found: DoubleArray = asked(x, self.roots, self.feature, self.bound, self.lower, self.value)
        return self.bias + found


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees grow.

    Attributes:
        trees: how many.
        rate: share of what a leaf could correct.
        leaves: of a tree, at most.
        penalty: λ, added to the second derivatives of a leaf.
        least: rows of a leaf.
    """

    trees: int = 100
    rate: float = 0.1
    leaves: int = 4
    penalty: float = 5.0
    least: int = 20


GROWTH = Growth()


def fit(x: DoubleArray, truth: NDArray[np.bool_], growth: Growth = GROWTH) -> Boosted:
    """Return the trees that make `truth` likely.

    Args:
        x: (N, F) features.
        truth: (N,), some true and some not.
        growth: how the trees grow.
    """
    p = truth.mean()
    bias = float(np.log(p / (1.0 - p)))
    odds, trees = np.full(len(x), bias), []
    bounds = [_bounds(column) for column in x.T]
    binned = np.stack(
        [np.searchsorted(b, column) for b, column in zip(bounds, x.T, strict=True)], axis=1
    )
    for _ in range(growth.trees):
        p = 0.5 * (1.0 + np.tanh(0.5 * odds))
        grown = _Grown(binned, p - truth, p * (1.0 - p), growth)
        trees.append(grown.tree(bounds))
        odds += grown.values
    return Boosted(bias=bias, trees=tuple(trees))


def _bounds(column: DoubleArray) -> DoubleArray:
    """Return where a feature is cut: between its values, each bin as full as the others."""
    values = np.unique(column)
    if len(values) > _BINS:
        values = np.unique(np.quantile(column, np.linspace(0.0, 1.0, _BINS + 1)))
    return np.asarray((values[:-1] + values[1:]) / 2)


@dataclass(frozen=True, slots=True)
class _Split:
    """The best question to ask of some rows: what it gains, of which feature, up to which bin."""

    gain: float
    feature: int
    bin: int


class _Grown:
    """A tree while it grows, and what it says of the rows it grows on."""

    def __init__(
        self, binned: LongArray, first: DoubleArray, second: DoubleArray, growth: Growth
    ) -> None:
        self._binned, self._first, self._second = binned, first, second
        self._growth = growth
        self._cuts = binned.max(axis=0)
        self._feature, self._bin, self._lower = [-1], [0], [0]
        self._rows = [np.arange(len(binned))]
        splits = [self._best(self._rows[0])]
        while (len(splits) + 1) // 2 < growth.leaves:
            node = max(range(len(splits)), key=lambda n: splits[n].gain)
            if splits[node].gain <= 0:
                break
            splits += self._divide(node, splits[node])
            splits[node] = _Split(0.0, -1, 0)
        self._value = [self._leaf(rows) for rows in self._rows]
        self.values = np.zeros(len(binned))
        for feature, rows, value in zip(self._feature, self._rows, self._value, strict=True):
            if feature < 0:
                self.values[rows] = value

    def tree(self, bounds: list[DoubleArray]) -> Tree:
        """Return the tree with the bounds of its bins."""
        asked = [
            float(bounds[f][b]) if f >= 0 else 0.0
            for f, b in zip(self._feature, self._bin, strict=True)
        ]
        return Tree(
            feature=tuple(self._feature),
            bound=tuple(asked),
            lower=tuple(self._lower),
            value=tuple(self._value),
        )

    def _leaf(self, rows: LongArray) -> float:
        total = self._second[rows].sum() + self._growth.penalty
        return float(-self._growth.rate * self._first[rows].sum() / total)

    def _divide(self, node: int, split: _Split) -> list[_Split]:
        rows = self._rows[node]
        above = self._binned[rows, split.feature] > split.bin
        self._feature[node], self._bin[node] = split.feature, split.bin
        self._lower[node] = len(self._rows)
        self._rows += [rows[~above], rows[above]]
        self._feature += [-1, -1]
        self._bin += [0, 0]
        self._lower += [0, 0]
        return [self._best(rows[~above]), self._best(rows[above])]

    def _best(self, rows: LongArray) -> _Split:
        """Return the split of rows that gains most; none gains where they are too few."""
        best, penalty = _Split(0.0, -1, 0), self._growth.penalty
        first, second = self._first[rows], self._second[rows]
        G, H = first.sum(), second.sum()
        table = histograms(self._binned, rows, first, second, _BINS + 1)
        for feature, bins in enumerate(table.cumsum(axis=1)):
            g, h, n = bins[: self._cuts[feature]].T
            if not len(g):
                continue
            gains = g**2 / (h + penalty) + (G - g) ** 2 / (H - h + penalty) - G**2 / (H + penalty)
            few = (n < self._growth.least) | (len(rows) - n < self._growth.least)
            gains[few | (h < _LEAST_HESSIAN) | (H - h < _LEAST_HESSIAN)] = 0.0
            place = int(gains.argmax())
            if gains[place] > best.gain:
                best = _Split(float(gains[place]), feature, place)
        return best
