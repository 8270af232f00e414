"""What every dialect can do, and what every one does alike unless it says otherwise."""

from collections.abc import Iterable
from typing import ClassVar, Protocol

from steno_daemon.dialects.closing import close_code, close_text
from steno_daemon.session import Session
from steno_daemon.wire import CloseReason, Error, Resume, ServerMessage

Frame = str | bytes

PIECE_BYTES = 32 * 1024
CONTAINER_PIECE_BYTES = 1024
"""Of a file there is more sound in few bytes: up to 40 s of silence in these."""


class Dialect(Protocol):
    """Translates the frames of one connection.

    Attributes:
        is_resumable: whether its clients know how to come back to a session.
    """

    is_resumable: ClassVar[bool] = False

    @property
    def owed(self) -> int:
        """How many frames it will still send for those that came: beyond some, none is read."""
        return 0

    @property
    def follows(self) -> bool:
        """Whether it may have something to say now as audio is heard, and not of events alone.

        Then `replies` is asked often.
        """
        return self.owed > 0

    def begin(self, session: Session) -> None:
        """Do what the request alone asks for, before the first frame; nothing, unless said."""
        del session

    def pieces(self, session: Session, frame: Frame) -> Iterable[Frame]:
        """Return the frame in pieces that may be received one after the other, each quickly.

        What comes of a frame as a whole is done when a piece is asked for behind the last one.
        """

    def resumption(self, _frame: Frame) -> Resume | None:
        """Return what the first frame says, if it asks for a session that was there before."""
        return None

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says."""

    def encode(self, event: ServerMessage) -> Iterable[Frame]:
        """Return the frames that say an event, none where the dialect has no word for it."""

    def replies(self, _told_s: float) -> Iterable[Frame]:
        """Return the frames that no event alone brings.

        Args:
            told_s: seconds of audio whose words were told by the events that were encoded so far.
        """
        return ()

    def farewell(self, reason: CloseReason, fault: Error | None) -> tuple[int, str]:
        """Return the code and the text to close with."""
        return close_code(reason, fault), close_text(reason, fault)


def cut(data: bytes, step: int = PIECE_BYTES) -> Iterable[bytes]:
    """Return audio in pieces that take no time to speak of; most is one already."""
    if len(data) <= step:
        return (data,) if data else ()
    return (data[start : start + step] for start in range(0, len(data), step))
