"""Linear discriminant analysis: few features that tell the states apart (Haeb-Umbach & Ney 1992).

Several frames side by side hold the movement that slopes only sketch, but are far too wide for
Gaussians. LDA keeps the directions in which the states' means spread most, measured in units of the
spread within states: the leading solutions of  B v = lambda W v.
"""

from collections.abc import Iterable

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.kernels import F64
from steno_models.types import FloatArray


def splice(frames: FloatArray, context: int) -> FloatArray:
    """Return (T, (2c + 1) F) each of `frames`, (T, F), between its `context` neighbours c.

    Past the edges the first and the last frame are repeated.
    """
    T, F = frames.shape
    places = np.arange(T)[:, None] + np.arange(-context, context + 1)
    return np.asarray(frames[np.clip(places, 0, max(T - 1, 0))].reshape(T, (2 * context + 1) * F))


class LdaStatistics:
    """The scatter of frames within and between states."""

    def __init__(self, num_states: int, features: int) -> None:
        self._counts = np.zeros(num_states)
        self._sums = np.zeros((num_states, features))
        self._second = np.zeros((features, features))

    def add(self, frames: Iterable[FloatArray]) -> None:
        """Count `frames`: for each state, in order, some of its frames (T_s, F)."""
        for state, own in enumerate(frames):
            self._counts[state] += len(own)
            self._sums[state] += own.sum(axis=0, dtype=np.float64)
            self._second += own.T @ own

    def scatter(self) -> tuple[F64, F64]:
        """Return (F, F) the covariance within the states and (F, F) that of their means."""
        total = float(self._counts.sum())
        if total == 0.0:
            raise DataError("expected frames to find discriminants of, found none")
        seen = self._counts > 0.0
        means = self._sums[seen] / self._counts[seen][:, None]
        weights = self._counts[seen] / total
        overall = weights @ means
        of_means = (weights[:, None] * means).T @ means
        between = of_means - np.outer(overall, overall)
        within = self._second / total - of_means
        return within, between

    def transform(self, width: int) -> F64:
        """Return (width, F) directions, best first; within the states each has variance 1."""
        within, between = self.scatter()
        F = len(within)
        if not 1 <= width <= F:
            raise DataError(f"expected 1 to {F} discriminants, found {width}")
        # With W = L L^T the problem is that of the symmetric L^-1 B L^-T.
        within += 1e-6 * np.trace(within) / F * np.eye(F)
        root = np.linalg.cholesky(within)
        whitened = np.linalg.solve(root, np.linalg.solve(root, between).T)
        _, vectors = np.linalg.eigh((whitened + whitened.T) / 2)
        directions = vectors[:, ::-1][:, :width]
        return np.asarray(np.linalg.solve(root.T, directions).T)
