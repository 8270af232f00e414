"""What pieces are made vectors of: recordings as frames, or as a recogniser hears them."""

from typing import Protocol

from steno_models.types import FloatArray, LongArray


class Sounds(Protocol):
    """Recordings whose pieces have vectors."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The recordings' keys."""

    def frames(self, place: int) -> int:
        """Return how many rows recording number `place` has."""

    def frame_at(self, place: int, second: float) -> int:
        """Return the row, 0 to `frames`, that begins nearest to `second`."""

    def vectors(self, place: int, firsts: LongArray, lasts: LongArray) -> FloatArray:
        """Return (P, D) of the pieces of recording number `place` from rows `firsts` to `lasts`."""
