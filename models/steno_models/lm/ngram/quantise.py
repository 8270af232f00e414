"""Log probabilities and back-off weights as 16-bit codes, linear over each level's range.

Code 0 keeps what a line cannot: a word that is never predicted, a back-off weight of exactly 1.
Half a step is the largest error: 1.3e-4 for a range of 17 (natural logarithms), below 1e-4 in
base 10.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.kernels import DoubleArray, NgramArrays
from steno_models.lm.ngram.trie import Mask

Codes = NDArray[np.uint16]

_MOST = 65_535


def quantise(model: BackoffModel) -> NgramArrays:
    """Return `model` in the form that is looked up and stored; the arrays are read-only."""
    trie = model.trie
    log_prob, log_prob_book = _encode(
        model.log_prob, trie.level_begin, model.log_prob <= NEVER + 1e-6
    )
    backoff, backoff_book = _encode(model.backoff, trie.level_begin[:-1], model.backoff == 0.0)
    arrays = NgramArrays(
        level_begin=trie.level_begin,
        word=trie.word,
        child_begin=trie.child_begin,
        suffix=trie.suffix,
        log_prob=log_prob,
        backoff=backoff,
        log_prob_book=log_prob_book,
        backoff_book=backoff_book,
    )
    for array in arrays:
        array.setflags(write=False)
    return arrays


def _encode(
    values: DoubleArray, level_begin: NDArray[np.int64], special: Mask
) -> tuple[Codes, DoubleArray]:
    """Return the codes of `values`, (nodes,), and the (levels, 2) rows (low, step)."""
    codes = np.zeros(len(values), np.uint16)
    book = np.zeros((len(level_begin) - 1, 2))
    for level, (begin, end) in enumerate(pairwise(level_begin)):
        here = np.flatnonzero(~special[begin:end]) + begin
        if not len(here):
            continue
        low, high = values[here].min(), values[here].max()
        step = (high - low) / (_MOST - 1)
        book[level] = low, step
        if step > 0:
            codes[here] = 1 + np.rint((values[here] - low) / step).astype(np.uint16)
        else:
            codes[here] = 1
    return codes, book
