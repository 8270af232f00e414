"""What passes between a session and the engine, and what its segments tell: plain values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from steno_daemon.wire import EndpointReason, When
from steno_models.types import FloatArray

if TYPE_CHECKING:
    from steno_daemon.domains import Version
    from steno_models.recogniser import Alternative, LanguageModel, State, UnknownWord, Update, Word

BLOCK_SAMPLES = 160
"""10 ms, a frame of features and what the detector hears at a time."""
STEP_SAMPLES = 640
"""One encoder step, 40 ms, in which the recogniser counts."""


@dataclass(frozen=True, slots=True)
class Work:
    """Features of a segment for the recogniser.

    Attributes:
        features: (T, F) float32, those since the last work; T may be 0.
        state: what the recogniser gave back last; None opens a segment.
        is_last: whether the segment ends with them.
        position: sample of the stream up to which they reach.
        channel: whose segment it is.
        origin: the segment's first sample in the stream.
        in_speech: whether speech goes on at its end; in silence an endpoint may be near.
        is_silent: whether nobody speaks in what the recogniser did not decode yet.
        language_model: of the segment; None for the one that the session began with.
        is_rescored: whether `state` is of another one, and what was heard counts anew.
        finals: the words of the newest finals before the segment, the oldest first.
    """

    features: FloatArray
    state: "State | None"
    is_last: bool
    position: int
    channel: int = 0
    origin: int = 0
    in_speech: bool = False
    is_silent: bool = False
    language_model: "LanguageModel | str | None" = None
    is_rescored: bool = False
    finals: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """Speech began at `position`."""

    segment: int
    position: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The hypothesis of a segment changed; its steps count from `origin`."""

    segment: int
    origin: int
    update: "Update"


@dataclass(frozen=True, slots=True)
class Ended:
    """A segment ended at `position` with these words."""

    segment: int
    origin: int
    position: int
    reason: EndpointReason
    words: "tuple[Word, ...]"
    alternatives: "tuple[Alternative, ...]"
    unknown: "tuple[UnknownWord, ...]" = ()


@dataclass(frozen=True, slots=True)
class Switched:
    """From `position` on another version is in use; the open `segment` is scored again by it."""

    position: int
    version: "Version"
    at: When
    segment: int | None


@dataclass(frozen=True, slots=True)
class Finalized:
    """Every word before `position` is final, as the client asked."""

    position: int


Happening: TypeAlias = Opened | Heard | Ended | Switched | Finalized
