"""Code books: the few values that stand for the many.

Lloyd (1982), "Least squares quantization in PCM": the values of a book are the means of what is
nearest to them, which is what minimises the squared error once nothing moves any more.
"""

import numpy as np

from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.types import LongArray

_MOST_ROUNDS = 300
_STILL = 1e-7  # nats


def fit(values: DoubleArray, size: int) -> DoubleArray:
    """Return the book for `values`, (n,): `size` values at most, ascending and different.

    Where there are no more different values than that, they are the book.
    """
    distinct = np.unique(values)
    if len(distinct) <= size:
        return distinct
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    book = _first_guess(ordered, size)
    for _ in range(_MOST_ROUNDS):
        begin, end = _bounds(ordered, book)
        filled = end > begin
        means = (sums[end[filled]] - sums[begin[filled]]) / (end - begin)[filled]
        moved = float(np.abs(means - book[filled]).max())
        book = means
        if moved < _STILL:
            break
    return np.unique(book)


def nearest(values: DoubleArray, book: DoubleArray) -> LongArray:
    """Return (n,) the index of the nearest value of `book` to each of `values`."""
    found: LongArray = np.searchsorted((book[1:] + book[:-1]) / 2, values).astype(np.int64)
    return found


def _first_guess(ordered: DoubleArray, size: int) -> DoubleArray:
    """Return values between those at equal shares of `ordered` and those at equal distances.

    The best books thin out towards rare values, but less than these do (Panter & Dite 1951).
    """
    shares = np.quantile(ordered, (np.arange(size) + 0.5) / size)
    line = np.linspace(ordered[0], ordered[-1], size)
    return np.unique((shares + line) / 2)


def _bounds(ordered: DoubleArray, book: DoubleArray) -> tuple[LongArray, LongArray]:
    """Return the (first, past the last) of the `ordered` values nearest to each of `book`."""
    cuts = np.searchsorted(ordered, (book[1:] + book[:-1]) / 2).astype(np.int64)
    return np.concatenate([[0], cuts]), np.concatenate([cuts, [len(ordered)]])
