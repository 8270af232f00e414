"""Words added to a lexicon tree: a small tree beside the large one, which stays as it is.

The large tree takes a moment to build and much memory; sessions add words while others speak. So
what is added is a tree of its own, whose first nodes are further children of the root, numbered
behind all others; the rows of the large tree are shared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.search.growing import Growing
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.tree import LexiconTree, TreeArrays
from steno_models.types import FloatArray

Ways = Mapping[int, Sequence[Sequence[int]]]
"""Pronunciations, as token ids, of words by their ids: new ones, or further ones of old ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Rootstock:
    """A tree, and the memory that trees with more words share with it.

    Attributes:
        tree: it.
        ahead: (N,) the largest unigram ln p below each of its nodes.
        nodes, token, same_words, word, extra: as in `TreeArrays`.
        unigram: of `ahead`.
    """

    tree: LexiconTree
    ahead: FloatArray
    nodes: Growing[np.void]
    token: Growing[np.uint16]
    same_words: Growing[np.uint8]
    word: Growing[np.int32]
    extra: Growing[np.int32]
    unigram: Growing[np.floating]

    @classmethod
    def of(cls, tree: LexiconTree, ahead: FloatArray) -> "Rootstock":
        """Return that of a tree to which nothing was added."""
        rows = tree.arrays
        return cls(
            tree,
            ahead,
            Growing(rows.nodes),
            Growing(rows.token),
            Growing(rows.same_words),
            Growing(rows.word),
            Growing(rows.extra),
            Growing(ahead),
        )

    def grafted(self, scion: LexiconTree, ahead: FloatArray) -> tuple[LexiconTree, FloatArray]:
        """Return the tree with all words of `scion`, as `scion_of` made it, and its unigrams.

        Args:
            scion: the tree of what is added.
            ahead: (M,) the same of its nodes.
        """
        base, added = self.tree.arrays, scion.arrays
        shift = len(self.tree) - 1  # the scion's root is the one that is there
        rows = added.nodes[1:].copy()
        for name in ("child_begin", "child_end"):
            rows[name] += shift
        for name in ("word_begin", "word_end"):
            rows[name] += len(base.word)
        for name in ("extra_begin", "extra_end"):
            rows[name] += len(base.extra)
        whole = TreeArrays(
            self.nodes.grown(rows),
            self.token.grown(added.token[1:]),
            self.same_words.grown(added.same_words[1:]),
            self.word.grown(added.word),
            self.extra.grown(added.extra),
            added_begin=len(self.tree),
            added_end=shift + int(added.nodes[0]["child_end"]),
        )
        tree = LexiconTree(
            whole,
            max(self.tree.num_words, scion.num_words),
            max(self.tree.num_tokens, scion.num_tokens),
            self.tree.primary,
        )
        return tree, self.unigram.grown(ahead[1:])


def scion_of(ways: Ways, num_words: int, known_words: int, unknown_word: int) -> LexiconTree:
    """Return the tree of `ways` alone, ready to be grafted.

    Args:
        ways: what is added.
        num_words: of the lexicon, these included.
        known_words: the language model has the ids below.
        unknown_word: what it has instead of the others.

    Raises:
        DataError: an id is not below `num_words`, or a pronunciation is empty.
    """
    ids = sorted(ways)
    if not ids or ids[0] < 0 or ids[-1] >= num_words:
        raise DataError(f"expected ids of words from 0 to {num_words - 1}, found {ids[:3]}")
    counts = [len(ways[word]) for word in ids]
    several = [np.asarray(way, np.int32) for word in ids for way in ways[word]]
    found = Pronunciations(
        num_words,
        np.repeat(np.array(ids, np.int64), counts),
        np.array([len(way) for way in several], np.int64),
        np.concatenate(several),
    )
    return LexiconTree.build(
        found, listed_as=lambda words: np.where(words < known_words, words, unknown_word)
    )
