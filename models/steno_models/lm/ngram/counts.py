"""N-gram counts over integers, by sorting: no dictionary of strings is ever made.

An n-gram is numbered by its parent (its first n - 1 words) and its last word: the key
parent * V + word fits 64 bits, one sort per order numbers all keys at once in the order that the
trie wants, and the numbers at the previous token are the parents of the next order. The peak is
about 50 bytes a token, whatever the order (17 million words: below 1 GB).
"""

from dataclasses import dataclass

import numpy as np

from steno_models.lm.ngram.trie import ROOT, Mask, NodeArray, Trie
from steno_models.types import IntArray, LongArray


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each n-gram occurs.

    Attributes:
        vocabulary: the words; the last three are <s>, </s> and <unk>.
        trie: the n-grams; all unigrams, seen or not, and every longer n-gram seen.
        raw: (nodes,) occurrences; the root's is the number of predicted tokens (all but <s>).
    """

    vocabulary: tuple[str, ...]
    trie: Trie
    raw: LongArray


def count(tokens: IntArray, *, vocabulary: tuple[str, ...], order: int) -> Counts:
    """Return the counts up to `order` of `tokens`, (N,), sentences within <s> and </s>."""
    V = len(vocabulary)
    begin = V - 3
    is_begin = tokens == begin
    unigrams = np.bincount(tokens, minlength=V)
    levels = _Levels(
        raw=[np.array([len(tokens) - unigrams[begin]]), unigrams],
        word=[np.zeros(1, np.uint32), np.arange(V, dtype=np.uint32)],
        suffix=[np.zeros(1, np.uint32), np.full(V, ROOT, np.uint32)],
        child_begin=[np.ones(1, np.uint32)],
        first_node=[0, 1],
    )
    nodes = tokens.astype(np.uint32) + np.uint32(1)  # of the k-gram that ends at each token
    valid = np.ones(len(tokens), bool)
    for _ in range(2, order + 1):
        valid[1:] = valid[:-1] & ~is_begin[1:]
        valid[:1] = False
        nodes = levels.grow(nodes, tokens, valid, V)
    return Counts(vocabulary, levels.trie(), np.concatenate(levels.raw))


@dataclass(frozen=True, slots=True)
class _Levels:
    """The columns of a trie that grows by whole levels."""

    raw: list[LongArray]
    word: list[NodeArray]
    suffix: list[NodeArray]
    child_begin: list[NodeArray]
    first_node: list[int]

    def grow(self, nodes: NodeArray, tokens: IntArray, valid: Mask, V: int) -> NodeArray:
        """Add the next level; return the node of each position's n-gram one word longer.

        Args:
            nodes: (N,) of the n-grams that end at each token; junk where there was none.
            tokens: (N,) word ids.
            valid: (N,) whether a longer n-gram ends there.
            V: the number of words.
        """
        ends = np.flatnonzero(valid)
        first, above = self.first_node[-1], len(self.word[-1])
        keys = (nodes[ends - 1].astype(np.int64) - first) * V + tokens[ends]
        distinct, number, raw = np.unique(keys, return_inverse=True, return_counts=True)
        del keys
        below = first + above
        suffix = np.zeros(len(distinct), np.uint32)
        suffix[number] = nodes[ends]
        families = np.searchsorted(distinct, np.arange(above, dtype=np.int64) * V)
        self.child_begin.append((below + families).astype(np.uint32))
        self.raw.append(raw)
        self.word.append((distinct % V).astype(np.uint32))
        self.suffix.append(suffix)
        self.first_node.append(below)
        longer = np.zeros(len(tokens), np.uint32)
        longer[ends] = below + number
        return longer

    def trie(self) -> Trie:
        """Return the finished trie."""
        end = self.first_node[-1] + len(self.word[-1])
        return Trie(
            level_begin=np.array([*self.first_node, end], np.int64),
            word=np.concatenate(self.word),
            child_begin=np.concatenate([*self.child_begin, [end]]).astype(np.uint32),
            suffix=np.concatenate(self.suffix),
        )
