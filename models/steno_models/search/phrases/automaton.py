"""Phrases as the flat arrays of an Aho–Corasick automaton (Aho & Corasick 1975)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from steno_models.errors import ConfigError
from steno_models.search.phrases.kernels import DoubleArray, PhraseArrays
from steno_models.search.tree import LexiconTree
from steno_models.types import IntArray, LongArray

Phrases: TypeAlias = Mapping[tuple[int, ...], float]
"""Word ids of a phrase -> what each of its words adds, in nats, above 0."""


@dataclass(slots=True)
class _Prefixes:
    """The beginnings of phrases as a tree; 0 is the empty one, parents come first.

    Attributes:
        children: by word.
        lent: the largest share of a phrase that goes on here, from its own beginning.
        earned: what the phrases that end here earn.
        fail: the longest proper ending that is a beginning, too.
    """

    children: list[dict[int, int]] = field(default_factory=lambda: [{}])
    lent: list[float] = field(default_factory=lambda: [0.0])
    earned: list[float] = field(default_factory=lambda: [0.0])
    fail: list[int] = field(default_factory=lambda: [0])

    def add(self, words: tuple[int, ...], boost: float) -> None:
        """Add a phrase."""
        node = 0
        for depth, word in enumerate(words, 1):
            if word not in self.children[node]:
                self.children[node][word] = len(self.children)
                self.children.append({})
                self.lent.append(0.0)
                self.earned.append(0.0)
                self.fail.append(0)
            node = self.children[node][word]
            if depth < len(words):
                self.lent[node] = max(self.lent[node], boost * depth)
        self.earned[node] += boost * len(words)

    def link(self) -> list[int]:
        """Fill `fail`, add what the endings earn and lend; return the nodes by depth."""
        order = [0]
        for node in order:  # grows while it is read
            for word, child in self.children[node].items():
                order.append(child)
                if node == 0:
                    continue
                ending = self.fail[node]
                while ending and word not in self.children[ending]:
                    ending = self.fail[ending]
                ending = self.children[ending].get(word, 0)
                self.fail[child] = ending
                self.earned[child] += self.earned[ending]
                self.lent[child] = max(self.lent[child], self.lent[ending])
        return order


def build(phrases: Phrases, tree: LexiconTree, unigram: Mapping[int, float]) -> PhraseArrays:
    """Return the automaton of `phrases`, with what the search can look ahead to in `tree`.

    Args:
        phrases: what is expected.
        tree: the lexicon.
        unigram: of every word in `phrases`, its score without any words before.

    Raises:
        ConfigError: a phrase without words, or a boost that is not above 0.
    """
    prefixes = _Prefixes()
    for words, boost in phrases.items():
        if not words or not boost > 0:
            raise ConfigError(f"expected words and a boost above 0, found {words} and {boost}")
        prefixes.add(words, float(boost))
    order = prefixes.link()
    # Where nothing goes on, the future is that of the longest ending where something does.
    inner = [node for node in order if prefixes.children[node] or node == 0]
    number = {node: place for place, node in enumerate(inner)}
    state = dict(number)
    for node in order:
        if node not in state:
            state[node] = state[prefixes.fail[node]]
    arcs = [
        (number[node], word, state[child], prefixes.earned[child] + prefixes.lent[child])
        for node in inner
        for word, child in sorted(prefixes.children[node].items())
    ]
    begin = np.searchsorted([arc[0] for arc in arcs], np.arange(len(inner) + 1))
    gain = np.array([arc[3] for arc in arcs], np.float64)
    arc_word = np.array([arc[1] for arc in arcs], np.int64)
    arc_from = np.array([arc[0] for arc in arcs], np.int64)
    scores = np.array([unigram[word] for word in arc_word.tolist()], np.float64) + gain
    lent = np.array([prefixes.lent[node] for node in inner], np.float64)
    places, nodes = _ahead(tree, arc_from, arc_word, scores)
    return _read_only(
        PhraseArrays(
            fail=_ints([state[prefixes.fail[node]] for node in inner]),
            lent=lent,
            arc_begin=_ints(begin),
            arc_word=_ints(arc_word),
            arc_state=_ints([arc[2] for arc in arcs]),
            arc_gain=gain,
            ahead_begin=_ints(np.searchsorted(arc_from[places], np.arange(len(inner) + 1))),
            ahead_node=_ints(nodes),
            ahead_word=_ints(arc_word[places]),
            ahead_gain=gain[places],
            most=float((gain - lent[arc_from]).max(initial=0.0)),
        )
    )


def none() -> PhraseArrays:
    """Return the automaton of no phrases."""
    nothing, zeros = np.zeros(0, np.int32), np.zeros(2, np.int32)
    empty = np.zeros(0, np.float64)
    root = np.zeros(1, np.int32)
    return _read_only(
        PhraseArrays(root, np.zeros(1), zeros, nothing, nothing, empty, zeros, nothing, nothing,
                     empty, 0.0)
    )  # fmt: skip


def _ahead(
    tree: LexiconTree, arc_from: LongArray, arc_word: LongArray, scores: DoubleArray
) -> tuple[LongArray, LongArray]:
    """Return arcs and nodes: for each state and node above a word of an arc, the best such arc."""
    found_words, found_nodes = tree.above(np.unique(arc_word))
    by_word = np.argsort(found_words, kind="stable")
    found_words, found_nodes = found_words[by_word], found_nodes[by_word]
    low = np.searchsorted(found_words, arc_word)
    counts = np.searchsorted(found_words, arc_word, side="right") - low
    arcs = np.repeat(np.arange(len(arc_word)), counts)
    within = np.arange(len(arcs)) - np.repeat(np.cumsum(counts) - counts, counts)
    nodes = found_nodes[np.repeat(low, counts) + within]
    order = np.lexsort((-scores[arcs], nodes, arc_from[arcs]))
    arcs, nodes = arcs[order], nodes[order]
    first = np.ones(len(arcs), bool)
    first[1:] = (nodes[1:] != nodes[:-1]) | (arc_from[arcs[1:]] != arc_from[arcs[:-1]])
    return arcs[first], nodes[first]


def _ints(values: "list[int] | LongArray") -> IntArray:
    return np.asarray(values, np.int32)


def _read_only(phrases: PhraseArrays) -> PhraseArrays:
    """Return `phrases` over read-only arrays: compiled code has one signature, for such."""
    for array in phrases[:-1]:
        array.setflags(write=False)
    return phrases
