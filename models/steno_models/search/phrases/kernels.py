"""The compiled walk through the automaton of phrases."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import leaf
from steno_models.types import IntArray

DoubleArray = NDArray[np.float64]


class PhraseArrays(NamedTuple):
    """Phrases as the search walks through them; state 0 is where none is going on.

    Attributes:
        fail: (P,) the state of the longest ending of each state's words that begins a phrase.
        lent: (P,) what is taken back if the phrases going on come to nothing.
        arc_begin: (P + 1,) the arcs of state s are arc_begin[s] .. arc_begin[s + 1], by word.
        arc_word: (arcs,) the word of each.
        arc_state: (arcs,) where it leads.
        arc_gain: (arcs,) what the phrases that end there earn, and what is lent there.
        ahead_begin: (P + 1,) what lies ahead of state s, by node.
        ahead_node: (nodes ahead,) a node of the lexicon below which an arc's word is.
        ahead_word: (nodes ahead,) the most promising such word.
        ahead_gain: (nodes ahead,) the gain of its arc.
        most: what one word can add at most; 0 where there are no phrases.
    """

    fail: IntArray
    lent: DoubleArray
    arc_begin: IntArray
    arc_word: IntArray
    arc_state: IntArray
    arc_gain: DoubleArray
    ahead_begin: IntArray
    ahead_node: IntArray
    ahead_word: IntArray
    ahead_gain: DoubleArray
    most: float


@leaf
def _find(values: IntArray, low: int, high: int, value: int | np.int64) -> np.int64:
    """Return where `value` is among the sorted values low .. high, -1 where it is not."""
    begin, end = np.int64(low), np.int64(high)
    while begin < end:
        middle = (begin + end) >> 1
        if values[middle] < value:
            begin = middle + 1
        else:
            end = middle
    found = begin < high and values[begin] == value
    return np.int64(begin) if found else np.int64(-1)


@leaf
def follow(
    phrases: PhraseArrays, state: int | np.int64, word: int | np.int64
) -> tuple[np.int64, float]:
    """Return the state after `word`, and what it adds: below 0 where a loan is taken back."""
    lent = phrases.lent[state]
    s = np.int64(state)
    while True:
        arc = _find(phrases.arc_word, phrases.arc_begin[s], phrases.arc_begin[s + 1], word)
        if arc >= 0:
            return np.int64(phrases.arc_state[arc]), phrases.arc_gain[arc] - lent
        if s == 0:
            return np.int64(0), -lent
        s = np.int64(phrases.fail[s])


@leaf
def word_ahead(phrases: PhraseArrays, state: int | np.int64, node: int | np.int64) -> np.int64:
    """Return the place in `ahead_*` of `node` seen from exactly this state, -1 without one."""
    begin, end = phrases.ahead_begin[state], phrases.ahead_begin[state + 1]
    return np.int64(_find(phrases.ahead_node, begin, end, node))
