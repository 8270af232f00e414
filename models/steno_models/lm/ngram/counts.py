"""N-gram counts over integers, by sorting: no dictionary of strings is ever made.

An n-gram is numbered by its parent (its first n - 1 words) and its last word: the key
parent * V + word fits 64 bits, one sort per order numbers all keys at once in the order that the
trie wants, and the numbers at the previous token are the parents of the next order. The peak is
about 50 bytes a token, whatever the order (17 million words: below 1 GB).
"""

from dataclasses import dataclass

import numpy as np

from steno_models.lm.ngram.kernels import NodeArray
from steno_models.lm.ngram.trie import Trie
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
    raw = [np.array([len(tokens) - unigrams[begin]]), unigrams]
    trie = Trie.of_words(V)
    nodes = tokens.astype(np.uint32) + np.uint32(1)  # of the k-gram that ends at each token
    valid = np.ones(len(tokens), bool)
    for _ in range(2, order + 1):
        # A longer n-gram ends where one ended at the previous token, but <s> follows nothing.
        valid[1:] = valid[:-1] & ~is_begin[1:]
        valid[:1] = False
        ends = np.flatnonzero(valid)
        trie, longer, occurrences = _next_level(trie, nodes[ends - 1], nodes[ends], tokens[ends])
        nodes[ends] = longer
        raw.append(occurrences)
    return Counts(vocabulary, trie, np.concatenate(raw))


def _next_level(
    trie: Trie, parents: NodeArray, suffixes: NodeArray, words: IntArray
) -> tuple[Trie, NodeArray, LongArray]:
    """Return `trie` with the next level, the nodes of its occurrences, and how many each has.

    Args:
        trie: all shorter n-grams.
        parents: (n,) the node of each occurrence without its last word.
        suffixes: (n,) the node of each occurrence without its first word.
        words: (n,) the last word of each.
    """
    V, first = trie.num_words, len(trie)
    keys = parents.astype(np.int64) * V + words
    distinct, number, occurrences = np.unique(keys, return_inverse=True, return_counts=True)
    suffix = np.empty(len(distinct), np.uint32)
    suffix[number] = suffixes
    grown = trie.grow(distinct // V, distinct % V, suffix)
    return grown, (first + number).astype(np.uint32), occurrences
