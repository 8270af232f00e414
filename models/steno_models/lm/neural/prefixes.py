"""The tree of the prefixes of several texts: what begins alike is one node.

Each node but the root stands for a unit after the history that its parent stands for. So a network
reads every node once, level by level and a whole level at a time, and it is asked for one
probability a node, and for one more, that of the end, a distinct text.

Texts that differ in one word far back are prefixes of their own from there on. What a network says
hardly depends on it, so histories may be taken for one that end in the same few units (n-gram
clusters of histories: Liu, Wang, Chen, Gales & Woodland 2014); then a tree of a hundred candidates
has a fifth of the nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.types import LongArray

ROOT = 0
_WHOLE = -1  # no unit


@dataclass(frozen=True, slots=True, eq=False)
class PrefixTree:
    """N nodes, numbered level by level, the root first.

    Where histories are alike a node may stand in a level further down than its depth, and stands
    for the first text that came to it.

    Attributes:
        parents: (N,) of each; the root is its own.
        units: (N,) the last unit of each; 0 of the root.
        levels: the nodes at depth 1, 2, …; parents are in levels above.
        paths: of each text, the nodes of its units in their order.
    """

    parents: LongArray
    units: LongArray
    levels: tuple[slice, ...]
    paths: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        """Return N."""
        return len(self.parents)

    @property
    def ends(self) -> list[int]:
        """The last node of each text."""
        return [path[-1] if path else ROOT for path in self.paths]


def prefix_tree(texts: Sequence[Sequence[int]], alike: int | None = None) -> PrefixTree:
    """Return the tree of `texts`, each a sequence of units.

    Args:
        texts: the likeliest first: the first one of those that are alike stands for all.
        alike: histories that end in the same so many units are one; None where all of them count.
    """
    parents, units, levels = [ROOT], [0], []
    paths: list[list[int]] = [[] for _ in texts]
    known = dict[tuple[int, ...], int]()
    for depth in range(max(map(len, texts), default=0)):
        first = len(parents)
        for text, path in zip(texts, paths, strict=True):
            if depth >= len(text):
                continue
            parent = path[-1] if path else ROOT
            key: tuple[int, ...] = (_WHOLE, parent, text[depth])
            if alike is not None and depth > alike:
                key = tuple(text[depth - alike : depth + 1])
            node = known.get(key)
            if node is None:
                node = known[key] = len(parents)
                parents.append(parent)
                units.append(text[depth])
            path.append(node)
        if len(parents) > first:
            levels.append(slice(first, len(parents)))
    return PrefixTree(
        np.array(parents, np.int64),
        np.array(units, np.int64),
        tuple(levels),
        tuple(map(tuple, paths)),
    )
