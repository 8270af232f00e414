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
from steno_models.lm.ngram import kernels
from steno_models.lm.ngram.kernels import DoubleArray, NodeArray
from steno_models.types import IntArray, LongArray

Mask = NDArray[np.bool_]


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

    @classmethod
    def of_words(cls, V: int) -> "Trie":
        """Return the trie of `V` unigrams."""
        return cls(
            level_begin=np.array([0, 1, 1 + V]),
            word=np.concatenate([[0], np.arange(V)]).astype(np.uint32),
            child_begin=np.array([1, 1 + V], np.uint32),
            suffix=np.zeros(1 + V, np.uint32),
        )

    @property
    def order(self) -> int:
        """The length of the longest n-grams."""
        return len(self.level_begin) - 2

    @property
    def num_words(self) -> int:
        """V, the number of words in the vocabulary."""
        return int(self.level_begin[2] - self.level_begin[1])

    @property
    def num_histories(self) -> int:
        """The number of nodes below the top order ("inner" in the shapes)."""
        return len(self.child_begin) - 1

    def __len__(self) -> int:
        """Return the number of nodes."""
        return int(self.level_begin[-1])

    def level(self, k: int) -> slice:
        """Return the nodes of the n-grams of `k` words."""
        return slice(int(self.level_begin[k]), int(self.level_begin[k + 1]))

    def parents(self, k: int) -> LongArray:
        """Return the parent of each node of level `k`."""
        above = self.level(k - 1)
        return np.repeat(np.arange(above.start, above.stop), self.num_children()[above])

    def num_children(self) -> LongArray:
        """Return (inner,) the number of children of each node below the top order."""
        begins = self.child_begin.astype(np.int64)
        children: LongArray = begins[1:] - begins[:-1]
        return children

    def sum_over_children(self, values: DoubleArray, k: int) -> DoubleArray:
        """Return the sums of `values`, one for each node of level `k`, by parent in level k - 1."""
        above = self.level(k - 1)
        parents = self.parents(k) - above.start
        sums = np.bincount(parents, weights=values, minlength=above.stop - above.start)
        return sums.astype(np.float64)

    def children(self, nodes: LongArray, words: LongArray) -> LongArray:
        """Return (n,) the child of each of `nodes` by each of `words`; -1 where there is none."""
        out = np.empty(len(nodes), np.int64)
        kernels.find_children(self.child_begin, self.word, nodes, words, out)
        return out

    def find(self, ngrams: IntArray) -> LongArray:
        """Return (n,) the nodes of `ngrams`, (n, k) word ids; -1 where there is none."""
        nodes = np.zeros(len(ngrams), np.int64)
        for column in ngrams.T.astype(np.int64):
            nodes = self.children(nodes, column)
        return nodes

    def grow(self, parents: LongArray, words: LongArray, suffix: NodeArray | None = None) -> "Trie":
        """Return the trie with one more level.

        Args:
            parents: (n,) nodes of the top level, ascending.
            words: (n,) word ids, ascending among those of one parent.
            suffix: (n,) the suffix links where they are known; otherwise they are looked up.
        """
        top = self.level(self.order)
        end = top.stop + len(parents)
        begins = top.stop + np.searchsorted(parents, np.arange(top.start, top.stop))
        grown = Trie(
            level_begin=np.append(self.level_begin, end),
            word=np.concatenate([self.word, words.astype(np.uint32)]),
            child_begin=np.concatenate([self.child_begin[:-1], begins, [end]]).astype(np.uint32),
            suffix=np.concatenate([self.suffix, np.zeros(len(parents), np.uint32)]),
        )
        if suffix is None:
            kernels.link_endings(
                grown.child_begin, grown.word, grown.suffix, parents, grown.suffix[top.stop :]
            )
        else:
            grown.suffix[top.stop :] = suffix
        return grown

    def keep(self, kept: Mask) -> "Trie":
        """Return the trie of the nodes that `kept`, (nodes,), marks, renumbered.

        Whoever is kept must have its parent kept; the root and the unigrams always are.
        """
        begins = np.concatenate([[0], np.cumsum(kept)])  # nodes kept before each node
        suffix = self.suffix
        for _ in range(self.order):
            suffix = np.where(kept[suffix], suffix, self.suffix[suffix])
        histories = np.append(kept[: self.num_histories], np.True_)
        return Trie(
            level_begin=begins[self.level_begin],
            word=self.word[kept],
            child_begin=begins[self.child_begin[histories]].astype(np.uint32),
            suffix=begins[suffix[kept]].astype(np.uint32),
        )


def assemble(V: int, ngrams: Sequence[IntArray]) -> tuple[Trie, list[LongArray]]:
    """Return the trie of all unigrams and of `ngrams`, and which row went where.

    Args:
        V: the size of the vocabulary.
        ngrams: (n, k) word ids for k = 2, 3, …, each n-gram once and in any order; the first
            k - 1 words of each must be an n-gram too, the last k - 1 need not.

    Returns:
        The trie and, for each of `ngrams`, (n,) the row that each node of that level came from.
    """
    trie = Trie.of_words(V)
    rows = []
    for longer in ngrams:
        parents = trie.find(longer[:, :-1])
        keys = parents * V + longer[:, -1]
        order = np.argsort(keys, kind="stable")
        parents, keys, words = parents[order], keys[order], longer[order]
        if len(parents) and parents[0] < 0:
            raise DataError(f"expected each n-gram's history, found none of {words[0].tolist()}")
        if (keys[1:] == keys[:-1]).any():
            twice = words[1:][keys[1:] == keys[:-1]][0]
            raise DataError(f"expected every n-gram once, found {twice.tolist()} twice")
        trie = trie.grow(parents, words[:, -1].astype(np.int64))
        rows.append(order)
    return trie, rows


def unite(tries: Sequence[Trie]) -> tuple[Trie, list[LongArray]]:
    """Return the trie of all n-grams of `tries` and, for each, where its nodes are in it.

    All must be of one vocabulary and one order.
    """
    V = tries[0].num_words
    union = Trie.of_words(V)
    places = [np.zeros(len(trie), np.int64) for trie in tries]
    for trie, place in zip(tries, places, strict=True):
        place[trie.level(1)] = np.arange(1, 1 + V)
    for k in range(2, tries[0].order + 1):
        keys = [
            place[trie.parents(k)] * V + trie.word[trie.level(k)]
            for trie, place in zip(tries, places, strict=True)
        ]
        distinct = np.unique(np.concatenate(keys))
        union = union.grow(distinct // V, distinct % V)
        for trie, place, own in zip(tries, places, keys, strict=True):
            place[trie.level(k)] = union.level(k).start + np.searchsorted(distinct, own)
    return union, places
