"""An optional opinion on candidates: do they mean what the segment sounds like."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from steno_models.crossmodal.lookup import Lookup
from steno_models.errors import DataError
from steno_models.types import FloatArray

_log = logging.getLogger(__name__)
ALIGNER = "aligner"
"""Where a folder of candidates may keep the map of `steno-models crossmodal lookup`."""


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


def aligner(folder: Path, tokens: int) -> SegmentScorer | None:
    """Return what is beside the candidates in `folder`; None if there is nothing.

    Args:
        folder: of candidates.
        tokens: of the posteriors that it will be asked about.

    Raises:
        DataError: it is damaged, or for other posteriors.
    """
    path = folder / ALIGNER
    if not path.is_dir():
        return None
    found = Lookup.load(path)
    if found.tokens != tokens:
        raise DataError(
            f"{path}: expected an aligner for posteriors of {tokens} tokens, found one for "
            f"{found.tokens}"
        )
    return found


def aligner_if_whole(folder: Path, tokens: int) -> SegmentScorer | None:
    """Return what `aligner` does; None, and a warning in the log, where that is an error."""
    try:
        return aligner(folder, tokens)
    except DataError as error:
        _log.warning("unknown words are named without an aligner: %s", error)
        return None
