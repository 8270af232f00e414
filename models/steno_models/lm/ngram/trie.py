"""How n-grams are numbered: a trie, level by level, with suffix links.

Node 0 is the empty history. The unigrams follow in word-id order, node 1 + word id, then the
bigrams sorted by (node of the first word, word id), then the trigrams by (node of the bigram, word
id), and so on: the children of a node stand together, in the order of their words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.types import IntArray, LongArray

NodeArray = NDArray[np.uint32]
DoubleArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROOT = 0


@dataclass(frozen=True, slots=True)
class Trie:
    """The shape of a set of n-grams.

    Attributes:
        level_begin: (order + 2,) the first node of each level; level 0 is the root alone.
        word: (nodes,) the last word of each node; the root's means nothing.
        child_begin: (inner + 1,) the children of node i are child_begin[i] .. child_begin[i + 1];
            inner counts the nodes below the top order.
        suffix: (nodes,) the node of the same n-gram without its first word or, where that one was
            pruned, of the longest ending that was not.
    """

    level_begin: LongArray
    word: NodeArray
    child_begin: NodeArray
    suffix: NodeArray

    @property
    def order(self) -> int:
        """The length of the longest n-grams."""
        return len(self.level_begin) - 2

    @property
    def num_words(self) -> int:
        """The number of words in the vocabulary."""
        return int(self.level_begin[2] - self.level_begin[1])

    def __len__(self) -> int:
        """Return the number of nodes."""
        return int(self.level_begin[-1])

    def level(self, k: int) -> slice:
        """Return the nodes of the n-grams of `k` words."""
        return slice(int(self.level_begin[k]), int(self.level_begin[k + 1]))

    def parents(self, k: int) -> LongArray:
        """Return the parent of each node of level `k`."""
        above = self.level(k - 1)
        children = np.diff(self.child_begin[above.start : above.stop + 1].astype(np.int64))
        return np.repeat(np.arange(above.start, above.stop), children)

    def num_children(self) -> LongArray:
        """Return (inner,) the number of children of each node below the top order."""
        return np.diff(self.child_begin.astype(np.int64))

    def sum_over_children(self, values: DoubleArray, k: int) -> DoubleArray:
        """Return the sums of `values`, one for each node of level `k`, by parent in level k - 1."""
        above = self.level(k - 1)
        parents = self.parents(k) - above.start
        return np.bincount(parents, weights=values, minlength=above.stop - above.start)

    def find(self, ngrams: IntArray) -> LongArray:
        """Return (n,) the nodes of `ngrams`, (n, k) word ids; -1 where there is none."""
        n, k = ngrams.shape
        if k > self.order:
            return np.full(n, -1, np.int64)
        nodes = ngrams[:, 0].astype(np.int64) + 1
        for j in range(2, k + 1):
            level = self.level(j)
            keys = self.parents(j) * self.num_words + self.word[level]
            wanted = nodes * self.num_words + ngrams[:, j - 1]
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            found = (nodes >= 0) & (keys[place] == wanted) if len(keys) else np.zeros(n, bool)
            nodes = np.where(found, level.start + place, -1)
        return nodes

    def keep(self, kept: Mask) -> "Trie":
        """Return the trie of the nodes that `kept`, (nodes,), marks, renumbered.

        Whoever is kept must have its parent kept; the root and the unigrams always are.
        """
        begins = np.concatenate([[0], np.cumsum(kept)])  # nodes kept before each node
        suffix = self.suffix
        for _ in range(self.order):
            suffix = np.where(kept[suffix], suffix, self.suffix[suffix])
        families = np.append(kept[: len(self.child_begin) - 1], True)
        return Trie(
            level_begin=begins[self.level_begin],
            word=self.word[kept],
            child_begin=begins[self.child_begin[families]].astype(np.uint32),
            suffix=begins[suffix[kept]].astype(np.uint32),
        )


def assemble(num_words: int, ngrams: Sequence[IntArray]) -> tuple[Trie, list[LongArray]]:
    """Return the trie of all unigrams and of `ngrams`, and which row went where.

    Args:
        num_words: V, the size of the vocabulary.
        ngrams: (n, k) word ids for k = 2, 3, …, each n-gram once and in any order; the first
            k - 1 words of each must be an n-gram too, the last k - 1 need not.

    Returns:
        The trie and, for each of `ngrams`, (n,) the row that each node of that level came from.
    """
    trie = Trie(
        level_begin=np.array([0, 1, 1 + num_words]),
        word=np.concatenate([[0], np.arange(num_words)]).astype(np.uint32),
        child_begin=np.array([1, 1 + num_words], np.uint32),
        suffix=np.zeros(1 + num_words, np.uint32),
    )
    rows = []
    for longer in ngrams:
        trie, order = _with_level(trie, longer)
        rows.append(order)
    return trie, rows


def _with_level(trie: Trie, ngrams: IntArray) -> tuple[Trie, LongArray]:
    """Return `trie` with one more level and the row of `ngrams` at each of its places."""
    V, top = trie.num_words, trie.level(trie.order)
    parents = trie.find(ngrams[:, :-1])
    keys = parents * V + ngrams[:, -1]
    order = np.argsort(keys, kind="stable")
    parents, keys, ngrams = parents[order], keys[order], ngrams[order]
    if len(parents) and parents[0] < 0:
        raise DataError(f"expected the history of every n-gram, found none of {ngrams[0].tolist()}")
    if (keys[1:] == keys[:-1]).any():
        twice = ngrams[1:][keys[1:] == keys[:-1]][0]
        raise DataError(f"expected every n-gram once, found {twice.tolist()} twice")
    suffix = trie.find(ngrams[:, 1:])
    for start in range(2, ngrams.shape[1]):
        suffix = np.where(suffix >= 0, suffix, trie.find(ngrams[:, start:]))
    end = top.stop + len(ngrams)
    begins = top.stop + np.searchsorted(parents, np.arange(top.start, top.stop))
    grown = Trie(
        level_begin=np.append(trie.level_begin, end),
        word=np.concatenate([trie.word, ngrams[:, -1].astype(np.uint32)]),
        child_begin=np.concatenate([trie.child_begin[:-1], begins, [end]]).astype(np.uint32),
        suffix=np.concatenate([trie.suffix, suffix.astype(np.uint32)]),
    )
    return grown, order
