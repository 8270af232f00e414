"""Compiled loops over blocks of similarities."""

import numpy as np

from steno_models.compiled import leaf
from steno_models.types import FloatArray, LongArray


@leaf
def keep_largest(similarities: FloatArray, rows: FloatArray, columns: FloatArray) -> None:
    """Keep the k largest similarities of each row and of each column, the smallest of them first.

    Args:
        similarities: (B, V) a block of rows.
        rows: (B, k) the largest of each row so far, changed.
        columns: (V, k) those of each column, changed.
    """
    B, V = similarities.shape
    for i in range(B):
        for j in range(V):
            value = similarities[i, j]
            if value > rows[i, 0]:
                _sort_in(rows[i], value)
            if value > columns[j, 0]:
                _sort_in(columns[j], value)


@leaf
def _sort_in(largest: FloatArray, value: np.float32) -> None:
    """Put `value` in the place of the smallest of `largest`, (k,), which rises."""
    place = 0
    while place + 1 < largest.size and largest[place + 1] < value:
        largest[place] = largest[place + 1]
        place += 1
    largest[place] = value


@leaf
def keep_best(
    similarities: FloatArray,
    row_hubness: FloatArray,
    column_hubness: FloatArray,
    first: int,
    row_best: LongArray,
    row_score: FloatArray,
    column_best: LongArray,
    column_score: FloatArray,
) -> None:
    """Keep the best partner of each row and of each column under CSLS, the first among equals.

    Args:
        similarities: (B, V) a block of rows.
        row_hubness: (B,) the mean similarity of each row to its neighbours.
        column_hubness: (V,) that of each column.
        first: the number of the block's first row.
        row_best: (B,) columns, changed.
        row_score: (B,) the CSLS there, changed.
        column_best: (V,) rows, changed.
        column_score: (V,) the CSLS there, changed.
    """
    B, V = similarities.shape
    for i in range(B):
        for j in range(V):
            score = np.float32(2.0) * similarities[i, j] - row_hubness[i] - column_hubness[j]
            if score > row_score[i]:
                row_score[i] = score
                row_best[i] = j
            if score > column_score[j]:
                column_score[j] = score
                column_best[j] = first + i
