"""The tree of the prefixes of several texts: what begins alike is one node.

Each node but the root stands for a unit after the history that its parent stands for. So a network
reads every node once, level by level and a whole level at a time, and it is asked for one
probability a node, and for one more, that of the end, a distinct text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.types import LongArray

ROOT = 0


@dataclass(frozen=True, slots=True, eq=False)
class PrefixTree:
    """N nodes, numbered level by level, the root first.

    Attributes:
        parents: (N,) of each; the root is its own.
        units: (N,) the last unit of each; 0 of the root.
        levels: the nodes at depth 1, 2, ….
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


def prefix_tree(texts: Sequence[Sequence[int]]) -> PrefixTree:
    """Return the tree of `texts`, each a sequence of units."""
    parents, units, levels = [ROOT], [0], []
    paths: list[list[int]] = [[] for _ in texts]
    for depth in range(max(map(len, texts), default=0)):
        first, children = len(parents), dict[tuple[int, int], int]()
        for text, path in zip(texts, paths, strict=True):
            if depth == len(path) < len(text):
                key = (path[-1] if path else ROOT, text[depth])
                node = children.get(key)
                if node is None:
                    node = children[key] = len(parents)
                    parents.append(key[0])
                    units.append(key[1])
                path.append(node)
        levels.append(slice(first, len(parents)))
    return PrefixTree(
        np.array(parents, np.int64),
        np.array(units, np.int64),
        tuple(levels),
        tuple(map(tuple, paths)),
    )
