"""The n-gram over graphones: interpolated modified Kneser-Ney, estimated and kept as one trie.

Chen & Goodman 1999, section 3:
    p(w | h) = (c(hw) − D(c(hw))) / c(h·) + γ(h) p(w | h'),
where c is the count of hw for the longest n-grams and those that begin a word, and otherwise the
number of distinct tokens before hw.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from steno_models.text.graphones import BEGIN, END
from steno_models.text.kernels import Automaton, DoubleArray
from steno_models.types import FloatArray, IntArray, LongArray


@dataclass(frozen=True, slots=True)
class Level:
    """All n-grams of one length in order of their parent, then of their token.

    Attributes:
        token: (n,) last token.
        parent: (n,) index, one level up, of the n-gram without its last token.
        shorter: (n,) index, one level up, of the n-gram without its first token.
        count: (n,) how often it occurs.
        begins: (n,) whether it starts with BEGIN.
    """

    token: LongArray
    parent: LongArray
    shorter: LongArray
    count: LongArray
    begins: NDArray[np.bool_]


def estimate(tokens: IntArray, begin: LongArray, *, vocabulary: int, order: int) -> Automaton:
    """Return the n-gram of words, each between BEGIN and END.

    Args:
        tokens: graphone tokens of all words end to end.
        begin: (words + 1,) where each word begins in `tokens`.
        vocabulary: V, the number of tokens with END and BEGIN.
        order: length of the longest n-grams.
    """
    levels = count(tokens, begin, vocabulary=vocabulary, order=order)
    probs: list[DoubleArray] = []
    backoffs: list[DoubleArray] = []
    lower = np.full(vocabulary, 1.0 / (vocabulary - 1))  # BEGIN is never predicted
    for k, level in enumerate(levels):
        counts = _kneser_ney_counts(level, levels[k + 1] if k + 1 < order else None)
        if k == 0:
            counts[BEGIN] = 0
        parents = levels[k - 1].token.size if k else 1
        prob, share = _interpolate(counts, level.parent, parents, lower[level.shorter])
        lower = prob
        probs.append(prob)
        backoffs.append(share)
    probs[0][BEGIN] = 1.0  # no search asks; its logarithm must be finite in the file
    return _automaton(levels, probs, [*backoffs[1:], np.ones(levels[-1].token.size)])


def count(tokens: IntArray, begin: LongArray, *, vocabulary: int, order: int) -> list[Level]:
    """Return the n-grams of each length 1 … order; arguments as in `estimate`."""
    text, ends = _bracketed(tokens, begin)
    place = np.arange(text.size)
    unigrams = np.arange(vocabulary)
    levels = [
        Level(
            token=unigrams,
            parent=np.zeros(vocabulary, np.int64),
            shorter=unigrams,  # of the uniform distribution
            count=np.bincount(text, minlength=vocabulary),
            begins=unigrams == BEGIN,
        )
    ]
    node = text
    for length in range(2, order + 1):
        here = np.flatnonzero(place + length <= ends)
        key = node[here] * vocabulary + text[here + length - 1]
        keys, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
        example = np.zeros(keys.size, np.int64)
        example[inverse] = here
        levels.append(
            Level(
                token=keys % vocabulary,
                parent=keys // vocabulary,
                shorter=node[example + 1],
                count=counts,
                begins=text[example] == BEGIN,
            )
        )
        node = np.full(text.size, -1, np.int64)
        node[here] = inverse
    return levels


def _bracketed(tokens: IntArray, begin: LongArray) -> tuple[LongArray, LongArray]:
    """Return the text with the ends of words, and for each place where its word is over."""
    lengths = np.diff(begin)
    starts = begin[:-1] + 2 * np.arange(lengths.size)
    text = np.full(tokens.size + 2 * lengths.size, -1, np.int64)
    text[starts] = BEGIN
    text[starts + lengths + 1] = END
    text[text < 0] = tokens
    return text, np.repeat(starts + lengths + 2, lengths + 2)


def _kneser_ney_counts(level: Level, longer: Level | None) -> LongArray:
    if longer is None:
        return level.count.copy()
    before = np.bincount(longer.shorter, minlength=level.token.size)
    return np.where(level.begins, level.count, before)


def _interpolate(
    counts: LongArray, parent: LongArray, parents: int, lower: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """Return p(w | h) of each n-gram and γ(h) of each parent (1 where it has no children)."""
    discount = _discounts(counts)[np.minimum(counts, 3)]
    total = np.bincount(parent, weights=counts, minlength=parents)
    freed = np.bincount(parent, weights=discount, minlength=parents)
    share = np.divide(freed, total, out=np.ones(parents), where=total > 0)
    return (counts - discount) / total[parent] + share[parent] * lower, share


def _discounts(counts: LongArray) -> DoubleArray:
    """Return the discounts of counts 0, 1, 2 and 3 or more (Chen & Goodman 1999, eq. 26)."""
    once, twice, thrice, four = (max(1, int(np.sum(counts == c))) for c in (1, 2, 3, 4))
    y = once / (once + 2 * twice)
    raw = np.array(
        [0, 1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice, 3 - 4 * y * four / thrice]
    )
    # tiny texts give estimates outside what a discount can be
    discounts: DoubleArray = np.clip(raw, [0, 0.1, 0.1, 0.1], [0, 0.9, 1.8, 2.7])
    return discounts


def _automaton(
    levels: list[Level], probs: list[DoubleArray], backoffs: list[DoubleArray]
) -> Automaton:
    children = [
        np.bincount(longer.parent, minlength=level.token.size) for level, longer in pairwise(levels)
    ]
    token = np.concatenate([level.token for level in levels]).astype(np.int32)
    return linked(
        token,
        np.concatenate([np.zeros(0), *children]).astype(np.int32),
        np.log(np.concatenate(probs)).astype(np.float32),
        np.log(np.concatenate(backoffs)).astype(np.float32),
        vocabulary=levels[0].token.size,
    )


def linked(
    token: IntArray,
    children: IntArray,
    log_prob: FloatArray,
    backoff: FloatArray,
    *,
    vocabulary: int,
) -> Automaton:
    """Return the automaton of nodes in breadth-first order, its links found from the tree alone.

    Args:
        token: (N,) last tokens.
        children: (inner nodes,) how many continuations each has; the nodes after them have none.
        log_prob: (N,).
        backoff: (N,).
        vocabulary: V, the number of unigrams.
    """
    first_child = np.full(token.size + 1, token.size, np.int32)
    first_child[: children.size] = vocabulary + np.cumsum(children) - children
    parent = np.repeat(np.arange(children.size), children)
    key = parent * vocabulary + token[vocabulary:]
    shorter = np.full(token.size, -1, np.int32)
    begin, end = vocabulary, int(first_child[vocabulary])
    while begin < end:
        nodes = np.arange(begin, end)
        above = shorter[parent[nodes - vocabulary]]
        wanted = above.astype(np.int64) * vocabulary + token[nodes]
        found = vocabulary + np.searchsorted(key, wanted)
        shorter[nodes] = np.where(above < 0, token[nodes], found)
        begin, end = end, int(first_child[end])
    return Automaton(token, log_prob, backoff, first_child, shorter)
