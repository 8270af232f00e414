"""Several language models under one vocabulary and in one lexicon tree.

Where one of them has all the words of the others, its tree is taken as it is; else a tree of all
words is built, which takes a moment. What each weighs is said later, and costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import ConfigError
from steno_models.lm.ngram.kernels import NgramArrays, read_only
from steno_models.search.mixture.kernels import MOST_PARTS, Part, unigrams_below
from steno_models.search.mixture.mixing import Mixing
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.search import BeamSearch
from steno_models.search.tree import LexiconTree
from steno_models.types import IntArray

_SPECIAL = 3


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A language model as it is searched alone, nothing added to it, and its words."""

    search: BeamSearch
    words: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """Every pronunciation in a tree.

    Attributes:
        words: (P,) the word of each.
        tokens: (P, U) its tokens, 0 behind the last.
        is_primary: (P,) whether it is its word's first.
    """

    words: IntArray
    tokens: NDArray[np.uint16]
    is_primary: NDArray[np.bool_]

    @classmethod
    def of(cls, tree: LexiconTree) -> "Ways":
        """Return those of a tree to which nothing was added."""
        rows = tree.arrays
        places = np.arange(len(rows.word))
        nodes = np.searchsorted(rows.nodes["word_begin"], places, side="right") - 1
        columns = []
        while (nodes > 0).any():
            columns.append(rows.token[nodes])  # the root's is 0
            above = np.searchsorted(rows.nodes["child_begin"], nodes, side="right") - 1
            nodes = np.where(nodes > 0, above, 0)
        backwards = np.stack(columns, axis=1)
        lengths = (backwards > 0).sum(axis=1)
        order = lengths[:, None] - 1 - np.arange(backwards.shape[1])
        tokens = np.take_along_axis(backwards, np.maximum(order, 0), axis=1)
        return cls(rows.word, np.where(order >= 0, tokens, 0).astype(np.uint16), tree.primary)

    def first(self, num_words: int, width: int) -> NDArray[np.uint16]:
        """Return (num_words, width) the primary pronunciation of each word, 0 for none."""
        found = np.zeros((num_words, width), np.uint16)
        rows = np.flatnonzero(self.is_primary)
        found[self.words[rows], : self.tokens.shape[1]] = self.tokens[rows]
        return found


def join(sources: Sequence[Source]) -> tuple[BeamSearch, Sequence[str]]:
    """Return a search of all `sources`, which weigh the same, and its words.

    Raises:
        ConfigError: they are none or too many, or were made for different tokens.
    """
    if not 1 <= len(sources) <= MOST_PARTS:
        raise ConfigError(
            f"expected 1 to {MOST_PARTS} language models to mix, found {len(sources)}"
        )
    if len({source.search.num_tokens for source in sources}) > 1:
        raise ConfigError("expected language models of the same tokens, found several")
    whole = _whole(sources)
    tree, words = (whole.search.tree, whole.words) if whole else _together(sources)
    ways = Ways.of(tree)
    parts = tuple(_part(one, tree, words, None if one is whole else ways) for one in sources)
    U = len(words) + _SPECIAL
    mixing = Mixing(
        parts,
        tuple(one.search.start_state for one in sources),
        (1 / len(sources),) * len(sources),
        U,
        U - 1,
    )
    first = sources[0].search
    search = BeamSearch(
        tree,
        first.lm,
        topology=first.topology,
        start_state=0,
        end_word=U - 2,
        unknown_word=U - 1,
        options=first.options,
        mixing=mixing,
    )
    return search, words


def _whole(sources: Sequence[Source]) -> Source | None:
    """Return the source that has all the words of the others, if there is one."""
    largest = max(sources, key=lambda one: len(one.words))
    known = set(largest.words)
    return largest if all(known.issuperset(one.words) for one in sources) else None


def _together(sources: Sequence[Source]) -> tuple[LexiconTree, list[str]]:
    """Return a tree of the words of all, ordered by pronunciation, and the words.

    A word's first way is that of the first model that has it.
    """
    known: dict[str, dict[tuple[int, ...], None]] = {}
    for source in sources:
        ways = Ways.of(source.search.tree)
        order = np.argsort(~ways.is_primary, kind="stable")
        lengths = (ways.tokens > 0).sum(axis=1)[order].tolist()
        rows, numbers = ways.tokens[order].tolist(), ways.words[order].tolist()
        for row, length, number in zip(rows, lengths, numbers, strict=True):
            known.setdefault(source.words[number], {})[tuple(row[:length])] = None
        for word in source.words:
            known.setdefault(word, {})
    spelled = {word: list(ways) for word, ways in known.items()}
    words = sorted(spelled, key=lambda word: (spelled[word][:1], word))
    tree = LexiconTree.build(Pronunciations.of([spelled[word] for word in words]))
    return tree, words


def _part(source: Source, tree: LexiconTree, words: Sequence[str], ways: Ways | None) -> Part:
    """Return a source as a part of a mixture of `words`; `ways` are theirs where not its own."""
    U, V = len(words) + _SPECIAL, source.search.known_words
    own = np.full(U, -1, np.int32)
    if ways is None:
        own[: len(words)] = np.arange(len(words))
        in_order = np.ones(len(words), bool)
    else:
        numbers = {word: number for number, word in enumerate(words)}
        theirs = np.fromiter(map(numbers.__getitem__, source.words), np.int64, len(source.words))
        own[theirs] = np.arange(len(source.words))
        mine = Ways.of(source.search.tree)
        width = max(mine.tokens.shape[1], ways.tokens.shape[1])
        same = mine.first(len(source.words), width) == ways.first(len(words), width)[theirs]
        in_order = np.zeros(len(words), bool)
        in_order[theirs] = same.all(axis=1)
    own[-_SPECIAL:] = np.arange(V - _SPECIAL, V)
    return part_of(source.search.lm, tree, own, in_order)


def part_of(lm: NgramArrays, tree: LexiconTree, own: IntArray, in_order: NDArray[np.bool_]) -> Part:
    """Return a language model as a part of a mixture.

    Args:
        lm: it.
        tree: of the mixture's words.
        own: (U,) its number of each word, -1 for none.
        in_order: (words,) those whose numbers rise with the mixture's.
    """
    last = int(lm.level_begin[2]) - 1 - _SPECIAL
    from_word = np.append(np.where(in_order, own[: len(in_order)], last), [last]).astype(np.int32)
    from_word = np.minimum.accumulate(from_word[::-1])[::-1].copy()
    lm = read_only(lm)
    unigram = unigrams_below(tree.arrays, lm, own)
    for array in (own, from_word, unigram):
        array.setflags(write=False)
    return Part(lm, own, from_word, unigram, is_remembered=True)
