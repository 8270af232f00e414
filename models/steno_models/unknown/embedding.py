"""An optional opinion on candidates: do they mean what the segment sounds like."""

from collections.abc import Sequence
from typing import Protocol

from steno_models.types import FloatArray


class SegmentScorer(Protocol):
    """Lays a stretch of sound into the space of written words and looks who is near.

    A cross-modal aligner is one: the segment's vector through the map W, and CSLS to words.
    """

    def __call__(self, log_probs: FloatArray, words: Sequence[str]) -> Sequence[float | None]:
        """Return how near each of `words` is; None where its place is unknown.

        Args:
            log_probs: (S, V) of the segment.
            words: candidates.
        """
