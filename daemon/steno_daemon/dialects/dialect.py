"""What every dialect can do."""

from collections.abc import Iterable
from typing import Protocol

from steno_daemon.session import Session
from steno_daemon.wire import Resume, ServerMessage

Frame = str | bytes


class Dialect(Protocol):
    """Translates the frames of one connection."""

    def pieces(self, session: Session, frame: Frame) -> Iterable[Frame]:
        """Return the frame in pieces that may be received one after the other, each quickly."""

    def resumption(self, frame: Frame) -> Resume | None:
        """Return what the first frame says, if it asks for a session that was there before."""

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says."""

    def encode(self, event: ServerMessage) -> Iterable[Frame]:
        """Return the frames that say an event, none where the dialect has no word for it."""
