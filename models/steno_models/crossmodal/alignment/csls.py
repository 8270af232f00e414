"""Cross-domain similarity local scaling: who is whose neighbour, and not only because he is a hub.

    CSLS(x, y) = 2 cos(x, y) - r_T(x) - r_S(y)          (Conneau et al. 2018, section 2.3)

with r_T(x) the mean cosine of x and its k nearest in the other space. All similarities are made
block by block: memory grows with the number of words, not with its square.
"""

from typing import NamedTuple

import numpy as np

from steno_models.crossmodal.alignment.kernels import keep_best, keep_largest
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

NEIGHBOURS = 10
_BLOCK = 1024


class Hubness(NamedTuple):
    """How near each word is to its neighbours in the other space: (V,) mean cosines.

    Attributes:
        source: r_T of each source word.
        target: r_S of each target word.
    """

    source: FloatArray
    target: FloatArray


class Partners(NamedTuple):
    """The best partner of each word under CSLS.

    Attributes:
        of_source: (V,) a target word for each source word.
        source_scores: (V,) their CSLS.
        of_target: (W,) a source word for each target word.
        target_scores: (W,) their CSLS.
    """

    of_source: LongArray
    source_scores: FloatArray
    of_target: LongArray
    target_scores: FloatArray

    def mutual(self) -> LongArray:
        """Return (P, 2) source and target words that are each other's best."""
        own = np.arange(len(self.of_source))
        agree = self.of_target[self.of_source] == own
        pairs: LongArray = np.stack([own[agree], self.of_source[agree]], axis=1)
        return pairs


def hubness(source: FloatArray, target: FloatArray, k: int = NEIGHBOURS) -> Hubness:
    """Return how near each word is to its `k` nearest in the other space.

    Args:
        source: (V, D) unit vectors.
        target: (W, D) unit vectors.
        k: neighbours; all, where the other space has fewer words.
    """
    _check(source, target)
    rows = np.full((len(source), min(k, len(target))), -np.inf, np.float32)
    columns = np.full((len(target), min(k, len(source))), -np.inf, np.float32)
    for first in range(0, len(source), _BLOCK):
        block = source[first : first + _BLOCK] @ target.T
        keep_largest(block, rows[first : first + _BLOCK], columns)
    return Hubness(rows.mean(axis=1), columns.mean(axis=1))


def partners(source: FloatArray, target: FloatArray, near: Hubness | None = None) -> Partners:
    """Return the best partner of each word under CSLS.

    Args:
        source: (V, D) unit vectors.
        target: (W, D) unit vectors.
        near: from `hubness` of the same vectors; None has it measured here.
    """
    near = near or hubness(source, target)
    V, W = len(source), len(target)
    row_best, row_score = np.zeros(V, np.int64), np.full(V, -np.inf, np.float32)
    column_best, column_score = np.zeros(W, np.int64), np.full(W, -np.inf, np.float32)
    for first in range(0, V, _BLOCK):
        rows = slice(first, first + _BLOCK)
        keep_best(
            source[rows] @ target.T, near.source[rows], near.target, first,
            row_best[rows], row_score[rows], column_best, column_score,
        )  # fmt: skip
    return Partners(row_best, row_score, column_best, column_score)


def ranked(
    queries: FloatArray, target: FloatArray, *, most: int, target_hubness: FloatArray | None = None
) -> tuple[LongArray, FloatArray]:
    """Return the (Q, most) best target words of each query and their scores, best first.

    Args:
        queries: (Q, D) unit vectors, in the target's space.
        target: (W, D) unit vectors.
        most: how many; at most W.
        target_hubness: (W,) for CSLS (less the query's own term, which changes no order); None
            ranks by the cosine alone.
    """
    _check(queries, target)
    most = min(most, len(target))
    best = np.empty((len(queries), most), np.int64)
    scores = np.empty((len(queries), most), np.float32)
    for first in range(0, len(queries), _BLOCK):
        rows = slice(first, first + _BLOCK)
        block = queries[rows] @ target.T
        if target_hubness is not None:
            block = 2.0 * block - target_hubness
        found = np.argpartition(-block, most - 1, axis=1)[:, :most]
        values = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        best[rows] = np.take_along_axis(found, order, axis=1)
        scores[rows] = np.take_along_axis(values, order, axis=1)
    return best, scores


def _check(source: FloatArray, target: FloatArray) -> None:
    if len(source) == 0 or len(target) == 0:
        raise DataError(f"expected words on both sides, found {len(source)} and {len(target)}")
    if source.shape[1] != target.shape[1]:
        raise DataError(
            f"expected spaces of as many dimensions, found {source.shape[1]} and {target.shape[1]}"
        )
