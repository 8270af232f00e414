"""Log probabilities and back-off weights as codes, and the packed form of the whole model.

With 16 bits the codes are linear over each level's range: half a step is the largest error, 1.3e-4
for a range of 17 (natural logarithms), below 1e-4 in base 10. With fewer bits each level has a book
of values (`codebook`). Code 0 keeps what must be exact: a word that is never predicted, a back-off
weight of 1.
"""

from itertools import pairwise

import numpy as np

from steno_models.lm.ngram import codebook
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.kernels import LINEAR, DoubleArray, NgramArrays
from steno_models.lm.ngram.packed.kernels import pack, unpack
from steno_models.lm.ngram.trie import Mask, Trie
from steno_models.types import LongArray

BITS = (8, 16)  # a code may have
_BLOCK = 32  # nodes for each of `NgramArrays.history`


def quantise(model: BackoffModel, bits: int = 16) -> NgramArrays:
    """Return `model` in the form that is looked up and stored, codes at `bits` bits; read-only."""
    trie = model.trie
    encode = _linear if bits == max(BITS) else _by_book
    log_prob, log_prob_book = encode(
        model.log_prob, trie.level_begin, model.log_prob <= NEVER + 1e-6, 2**bits - 1
    )
    backoff, backoff_book = encode(
        model.backoff, trie.level_begin[:-1], model.backoff == 0.0, 2**bits - 1
    )
    return arrange(trie, (log_prob, log_prob_book), (backoff, backoff_book), bits)


def restore(vocabulary: tuple[str, ...], arrays: NgramArrays) -> BackoffModel:
    """Return the model that `arrays` hold, as exact as its codes are."""
    levels = arrays.level_begin
    nodes, inner = int(levels[-1]), int(levels[-2])
    word = unpack(arrays.word, nodes)
    linked = int(levels[min(3, len(levels) - 1)])
    ones = np.arange(levels[2], linked)
    suffix = np.concatenate(
        [np.zeros(levels[2], np.int64), 1 + word[ones], unpack(arrays.suffix, nodes - linked)]
    )
    bits = (arrays.history[:, None] >> np.arange(_BLOCK)) & 1
    histories = np.flatnonzero(bits.reshape(-1)[:inner])
    children = np.zeros(inner, np.int64)
    children[histories] = np.diff(unpack(arrays.child_begin, len(histories) + 1))
    trie = Trie(
        level_begin=levels.astype(np.int64),
        word=word.astype(np.uint32),
        child_begin=np.concatenate([[1], 1 + np.cumsum(children)]).astype(np.uint32),
        suffix=suffix.astype(np.uint32),
    )
    codes = np.zeros(inner, np.int64)
    codes[histories] = unpack(arrays.backoff, len(histories))
    log_prob = _values(unpack(arrays.log_prob, nodes), levels, arrays.log_prob_book, NEVER)
    log_prob[0] = 0.0
    return BackoffModel(
        vocabulary, trie, log_prob, _values(codes, levels[:-1], arrays.backoff_book, 0.0)
    )


def arrange(
    trie: Trie,
    log_prob: tuple[LongArray, DoubleArray],
    backoff: tuple[LongArray, DoubleArray],
    bits: int,
) -> NgramArrays:
    """Return the packed form of a model.

    Args:
        trie: which n-grams there are.
        log_prob: (nodes,) codes, and their book.
        backoff: (inner,) codes, and their book.
        bits: of each code.
    """
    history = (trie.num_children() > 0) | (backoff[0] > 0)
    begins = np.append(trie.child_begin[:-1][history], trie.child_begin[-1])
    arrays = NgramArrays(
        level_begin=trie.level_begin.astype(np.int64),
        word=pack(trie.word),
        suffix=pack(trie.suffix[trie.level_begin[min(3, trie.order + 1)] :]),
        history=_marks(history),
        child_begin=pack(begins),
        log_prob=pack(log_prob[0], bits),
        backoff=pack(backoff[0][history], bits),
        log_prob_book=log_prob[1],
        backoff_book=backoff[1],
    )
    for array in (arrays.level_begin, arrays.history, arrays.log_prob_book, arrays.backoff_book):
        array.setflags(write=False)
    return arrays


def _values(
    codes: LongArray, level_begin: LongArray, book: DoubleArray, special: float
) -> DoubleArray:
    """Return what `codes`, (nodes,), stand for; 0 stands for `special`."""
    values = np.full(len(codes), special)
    for level, (begin, end) in enumerate(pairwise(level_begin)):
        here = np.flatnonzero(codes[begin:end]) + begin
        if book.shape[1] == LINEAR:
            values[here] = book[level, 0] + (codes[here] - 1) * book[level, 1]
        else:
            values[here] = book[level, codes[here]]
    return values


def _marks(history: Mask) -> LongArray:
    """Return `NgramArrays.history` for the nodes that `history`, (inner,), marks."""
    blocks = np.zeros((-(-len(history) // _BLOCK), _BLOCK), np.int64)
    blocks.reshape(-1)[: len(history)] = history
    before = np.cumsum(blocks.sum(axis=1)) - blocks.sum(axis=1)
    marks: LongArray = (before << _BLOCK) | (blocks << np.arange(_BLOCK)).sum(axis=1)
    return marks


def _linear(
    values: DoubleArray, level_begin: LongArray, special: Mask, most: int
) -> tuple[LongArray, DoubleArray]:
    """Return the codes of `values`, (nodes,), and the (levels, 2) rows (low, step)."""
    codes = np.zeros(len(values), np.int64)
    book = np.zeros((len(level_begin) - 1, LINEAR))
    for level, (begin, end) in enumerate(pairwise(level_begin)):
        here = np.flatnonzero(~special[begin:end]) + begin
        if not len(here):
            continue
        low, high = values[here].min(), values[here].max()
        step = (high - low) / (most - 1)
        book[level] = low, step
        if step > 0:
            codes[here] = 1 + np.rint((values[here] - low) / step).astype(np.int64)
        else:
            codes[here] = 1
    return codes, book


def _by_book(
    values: DoubleArray, level_begin: LongArray, special: Mask, most: int
) -> tuple[LongArray, DoubleArray]:
    """Return the codes of `values`, (nodes,), and the (levels, 1 + most) values of the codes."""
    codes = np.zeros(len(values), np.int64)
    book = np.zeros((len(level_begin) - 1, 1 + most))
    for level, (begin, end) in enumerate(pairwise(level_begin)):
        here = np.flatnonzero(~special[begin:end]) + begin
        if not len(here):
            continue
        row = codebook.fit(values[here], most)
        codes[here] = 1 + codebook.nearest(values[here], row)
        book[level, 1 : 1 + len(row)] = row
    return codes, book
