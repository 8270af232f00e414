"""The pronunciations of a vocabulary as a prefix tree in flat arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.search.pronunciations import Pronunciations, Spelled
from steno_models.types import ByteArray, IntArray, LongArray

_Matrix = NDArray[np.uint16]


_MOST = np.iinfo(np.uint16).max


# A node of the tree; nodes are numbered by depth, 0 is the root.
#   child_*         its children are the nodes child_begin .. child_end, the latter excluded
#   word_*          the words that end here are word[word_begin:word_end]
#   first_word, last_word   the words below by their primary pronunciation are among the ids
#                   first_word .. last_word, the latter excluded
#   extra_*         extra[extra_begin:extra_end] are the words below outside that range
NODE = np.dtype(
    [
        ("child_begin", np.int32),
        ("child_end", np.int32),
        ("word_begin", np.int32),
        ("word_end", np.int32),
        ("first_word", np.int32),
        ("last_word", np.int32),
        ("extra_begin", np.int32),
        ("extra_end", np.int32),
    ],
    align=True,
)


class TreeArrays(NamedTuple):
    """The tree as the compiled search reads it; what it reads most often lies densest.

    Attributes:
        nodes: (N,) of dtype NODE.
        token: (N,) uint16 the token that leads to each node, 0 at the root.
        same_words: (N,) 1 where the words below are those below the parent.
        word: (pronunciations,) word ids, by the node at which they end.
        extra: word ids, by the node below which they are.
        added_begin, added_end: the root's children among the nodes that were added later; they are
            the last ones from added_begin on. Of these, `extra` has all the words below as the
            language model knows them, and first_word and last_word are empty.
    """

    nodes: NDArray[np.void]
    token: NDArray[np.uint16]
    same_words: ByteArray
    word: IntArray
    extra: IntArray
    added_begin: int
    added_end: int


@dataclass(frozen=True, slots=True, eq=False)
class LexiconTree:
    """A vocabulary's pronunciations as a prefix tree.

    Word ids should be ordered by primary pronunciation: the words below a node are then a range of
    ids, which is what makes looking ahead in the language model cheap. Words that break the order,
    such as those added later, are found all the same.

    Attributes:
        arrays: the tree, read-only.
        num_words: the ids are 0 .. num_words - 1; words without pronunciation are never found.
        num_tokens: one more than the largest token id in it.
        primary: (pronunciations,) whether each, in the order of `arrays.word`, is its word's first
            one; those added later are not there.
    """

    arrays: TreeArrays
    num_words: int
    num_tokens: int
    primary: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of nodes, the root included."""
        return len(self.arrays.nodes)

    def above(self, words: LongArray) -> tuple[LongArray, LongArray]:
        """Return pairs of a word and a node on its way, the root and its end included.

        Args:
            words: ids, sorted.
        """
        tree = self.arrays
        places = np.flatnonzero(np.isin(tree.word, words))
        found = tree.word[places].astype(np.int64)
        nodes = _last_before(tree.nodes["word_begin"], places)
        pairs = [np.stack([found, nodes], axis=1)]
        while (inner := nodes > 0).any():
            found, nodes = found[inner], nodes[inner]
            is_first = (nodes >= tree.added_begin) & (nodes < tree.added_end)
            nodes = np.where(is_first, 0, _last_before(tree.nodes["child_begin"], nodes))
            pairs.append(np.stack([found, nodes], axis=1))
        both = np.unique(np.concatenate(pairs), axis=0)
        return both[:, 0], both[:, 1]

    @classmethod
    def build(
        cls,
        pronunciations: Pronunciations | Spelled,
        *,
        listed_as: Callable[[LongArray], LongArray] | None = None,
    ) -> Self:
        """Return the tree of `pronunciations`; a list has token sequences for each word id.

        A topology of several states a phone is spelled out: its tokens are the states.

        Args:
            pronunciations: of the words.
            listed_as: for a tree that is added to another: what the language model calls words.
        """
        if not isinstance(pronunciations, Pronunciations):
            pronunciations = Pronunciations.of(pronunciations)
        words, first_ways, spelled = _rows(pronunciations)
        levels = _Levels.of(spelled)
        listed = words if listed_as is None else listed_as(words)
        primary = _primary_in_order(words, first_ways, spelled) & (listed_as is None)
        first, last = levels.word_ranges(words, primary)
        extra_begin, extra = levels.extra_words(listed[~primary], ~primary, (first, last))
        by_node = np.argsort(levels.end, kind="stable")
        word_begin = np.searchsorted(levels.end[by_node], np.arange(levels.num_nodes + 1))
        nodes = np.zeros(levels.num_nodes, NODE)
        nodes["child_begin"], nodes["child_end"] = levels.child_begin[:-1], levels.child_begin[1:]
        nodes["word_begin"], nodes["word_end"] = word_begin[:-1], word_begin[1:]
        nodes["first_word"], nodes["last_word"] = first, last
        nodes["extra_begin"], nodes["extra_end"] = extra_begin[:-1], extra_begin[1:]
        arrays = TreeArrays(
            nodes,
            levels.token.astype(np.uint16),
            levels.same_words(word_begin).astype(np.uint8),
            words[by_node].astype(np.int32),
            extra.astype(np.int32),
            levels.num_nodes,
            levels.num_nodes,
        )
        for array in arrays[:5]:
            array.setflags(write=False)
        num_tokens = int(spelled.max(initial=0)) + 1
        return cls(arrays, pronunciations.num_words, num_tokens, first_ways[by_node])


def _last_before(begins: IntArray, places: LongArray) -> LongArray:
    """Return the last row whose begin is at most each of `places`, the begins never falling."""
    return np.asarray(np.searchsorted(begins, places, side="right") - 1, np.int64)


def _rows(found: Pronunciations) -> tuple[LongArray, NDArray[np.bool_], _Matrix]:
    """Return (P,) words, (P,) whether primary, and (P, U) tokens, 0-padded, sorted by tokens."""
    words, lengths, tokens = found.words, found.lengths, found.tokens
    if not len(words) or lengths.min() == 0 or tokens.min() <= 0:
        raise DataError(
            "expected pronunciations of at least one token each, token ids from 1 on, found "
            + (f"an empty one or id {tokens.min()}" if len(tokens) else "none")
        )
    if tokens.max() > _MOST:
        raise DataError(f"expected token ids of at most {_MOST}, found {tokens.max()}")
    spelled = np.zeros((len(words), int(lengths.max())), np.uint16)
    spelled[np.arange(spelled.shape[1]) < lengths[:, None]] = tokens
    first_ways = np.concatenate([[True], words[1:] != words[:-1]])
    # The sort is stable, so that homophones stay in the order of their ids. Big-endian rows of
    # bytes are in the order of their numbers.
    row_bytes = spelled.astype(">u2").view(f"S{2 * spelled.shape[1]}").ravel()
    order = np.argsort(row_bytes, kind="stable")
    words, first_ways, spelled = words[order], first_ways[order], spelled[order]
    twice = (words[1:] == words[:-1]) & (spelled[1:] == spelled[:-1]).all(axis=1)
    once = np.concatenate([[True], ~twice])
    return words[once], first_ways[once], spelled[once]


def _primary_in_order(
    words: LongArray, first_ways: NDArray[np.bool_], spelled: _Matrix
) -> NDArray[np.bool_]:
    """Return (P,) whether the row is a primary pronunciation that keeps the order of ids."""
    # Equal pronunciations share a place.
    differs = (spelled[1:] != spelled[:-1]).any(axis=1)
    place = np.concatenate([[0], np.cumsum(differs)])
    rows = np.flatnonzero(first_ways)
    rows = rows[np.argsort(words[rows], kind="stable")]
    primary = np.zeros(len(words), bool)
    primary[rows] = place[rows] == np.maximum.accumulate(place[rows])
    return primary


@dataclass(frozen=True, slots=True)
class _Levels:
    """The nodes of a tree, numbered by depth and, within a depth, as in a walk down the tree.

    Attributes:
        token: (N,) the token that leads to each node.
        parent: (N,) -1 for the root.
        child_begin: (N + 1,) the children of node i are child_begin[i] .. child_begin[i + 1].
        level_begin: the first node of each depth, and N.
        end: (P,) the node at which each pronunciation ends.
    """

    token: LongArray
    parent: LongArray
    child_begin: LongArray
    level_begin: LongArray
    end: LongArray

    @property
    def num_nodes(self) -> int:
        return len(self.token)

    @classmethod
    def of(cls, spelled: _Matrix) -> Self:
        """Return the nodes that the sorted rows of `spelled`, (P, U), make up."""
        P, U = spelled.shape
        lengths = (spelled > 0).sum(axis=1)
        differs = spelled[1:] != spelled[:-1]
        shared = np.where(differs.any(axis=1), differs.argmax(axis=1), U)
        shared = np.minimum(
            np.concatenate([[0], shared]), lengths
        )  # tokens shared with the row before
        fresh = lengths - shared
        # In walking order: the row that each node came with, its depth, and its rank by depth.
        row = np.repeat(np.arange(P), fresh)
        depth = np.arange(len(row)) - (np.cumsum(fresh) - fresh)[row] + shared[row] + 1
        by_depth = np.argsort(depth, kind="stable")
        number = np.empty(len(row) + 1, np.int64)
        number[by_depth] = np.arange(1, len(row) + 1)
        level_begin = np.concatenate(
            [[0], 1 + np.searchsorted(depth[by_depth], np.arange(1, U + 1)), [len(row) + 1]]
        )
        token = np.concatenate([[0], spelled[row, depth - 1][by_depth]])
        parent = np.full(len(row) + 1, -1, np.int64)
        for level in range(1, U + 1):
            here = slice(level_begin[level], level_begin[level + 1])
            above = by_depth[level_begin[level - 1] - 1 : level_begin[level] - 1]
            # The parent is the last node of the level above before the child in walking order.
            places = np.searchsorted(above, by_depth[here.start - 1 : here.stop - 1]) - 1
            parent[here] = level_begin[level - 1] + places if level > 1 else 0
        child_begin = np.searchsorted(parent, np.arange(len(parent) + 1))
        return cls(token, parent, child_begin, level_begin, number[np.cumsum(fresh) - 1])

    def word_ranges(
        self, words: LongArray, primary: NDArray[np.bool_]
    ) -> tuple[LongArray, LongArray]:
        """Return (N,) first and (N,) one past the last of the `primary` words below each node."""
        first = np.full(self.num_nodes, np.iinfo(np.int32).max, np.int64)
        last = np.zeros(self.num_nodes, np.int64)
        np.minimum.at(first, self.end[primary], words[primary])
        np.maximum.at(last, self.end[primary], words[primary] + 1)
        for begin, end in zip(self.level_begin[-2:0:-1], self.level_begin[:1:-1], strict=True):
            np.minimum.at(first, self.parent[begin:end], first[begin:end])
            np.maximum.at(last, self.parent[begin:end], last[begin:end])
        return np.minimum(first, last), last

    def extra_words(
        self, words: LongArray, rows: NDArray[np.bool_], ranges: tuple[LongArray, LongArray]
    ) -> tuple[LongArray, LongArray]:
        """Return (N + 1,) begins and the words of `rows` below each node outside its range."""
        first, last = ranges
        num_words = int(words.max(initial=0)) + 1
        # A node and a word as one number: pairs would be sorted ten times more slowly.
        nodes, found = self.end[rows], [np.zeros(0, np.int64)]
        while len(nodes):
            outside = (words < first[nodes]) | (words >= last[nodes])
            found.append(nodes[outside] * num_words + words[outside])
            inner = self.parent[nodes] >= 0
            nodes, words = self.parent[nodes][inner], words[inner]
        at, found_words = np.divmod(np.unique(np.concatenate(found)), num_words)
        return np.searchsorted(at, np.arange(self.num_nodes + 1)), found_words

    def same_words(self, word_begin: LongArray) -> NDArray[np.bool_]:
        """Return (N,) whether the words below a node are those below its parent."""
        alone = (np.diff(self.child_begin) == 1) & (np.diff(word_begin) == 0)
        alone[0] = False  # the search starts without looking ahead
        same: NDArray[np.bool_] = alone[self.parent]
        same[0] = False  # the root has no parent
        return same
