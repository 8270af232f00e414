"""What looking ahead remembers, and the look-ups that all language models share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import leaf
from steno_models.lm.ngram.packed.kernels import Packed, get
from steno_models.types import LongArray

# Longer lists of words that only a secondary pronunciation brings below a node are looked ahead
# with their unigrams instead.
_MAX_EXTRA = 8

# What is known about looking ahead from a history to a node; each pair has one place.
#   key       (history, node), -1 for none
#   ahead     the largest ln p(word | history) of the words below the node
#   history   the longest ending of the history that lists any word below the node
#   cost      what backing off to that one costs
AHEAD = np.dtype(
    [("key", np.int64), ("ahead", np.float32), ("cost", np.float32), ("history", np.int32)],
    align=True,
)
AheadArray = NDArray[np.void]


class Cache(NamedTuple):
    """Memory of a search, to be used by one caller at a time.

    Attributes:
        known: (C,) of dtype AHEAD, C a power of two.
        histories: (order,) room for the histories that a look-up goes through.
    """

    known: AheadArray
    histories: LongArray


@leaf
def ahead_key(history: int, node: int) -> np.int64:
    """Return the key of looking ahead from `history` to `node`."""
    return (np.int64(history) << 32) | np.int64(node)


@leaf
def mixed(key: int | np.int64) -> np.int64:
    """Return 24 well-mixed bits of `key` (Fibonacci hashing, Knuth 1973: the high bits mix)."""
    product = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(product >> np.uint64(40))


@leaf
def first_child(
    words: Packed, low: int | np.int64, high: int | np.int64, word: int | np.int64
) -> np.int64:
    """Return the first of the nodes low .. high whose word is `word` or a later one, else high."""
    begin, end = np.int64(low), np.int64(high)
    while begin < end:
        middle = (begin + end) >> 1
        if get(words, middle) < word:
            begin = middle + 1
        else:
            end = middle
    return begin


@leaf
def few_extra(node: np.void) -> bool:
    """Return whether `node` has few enough extra words to look at each of them."""
    return bool(node["extra_end"] - node["extra_begin"] <= _MAX_EXTRA)
