"""The daemon's own dialect: the messages of `wire` as text frames, audio as binary frames."""

from collections.abc import Iterable

from steno_daemon.dialects.dialect import CONTAINER_PIECE_BYTES, PIECE_BYTES, Dialect, Frame, cut
from steno_daemon.errors import WireError
from steno_daemon.session import Session
from steno_daemon.wire import (
    AddWords,
    Configure,
    ConfirmWord,
    ErrorCode,
    Finalize,
    Ping,
    Resume,
    ServerMessage,
    Start,
    Stop,
    decode_client,
    encode,
)


class NativeDialect(Dialect):
    """The native messages."""

    is_resumable = True

    def pieces(self, session: Session, frame: Frame) -> Iterable[Frame]:
        """Return audio in pieces that take no time to speak of, and a message whole."""
        if isinstance(frame, str):
            return (frame,)
        is_container = session.start.encoding.is_container
        return cut(frame, CONTAINER_PIECE_BYTES if is_container else PIECE_BYTES)

    def resumption(self, frame: Frame) -> Resume | None:
        """Return what the first frame says, if it asks for a session that was there before."""
        if isinstance(frame, bytes):
            return None
        try:
            message = decode_client(frame)
        except WireError:
            return None  # `receive` says what is wrong
        return message if isinstance(message, Resume) else None

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says; a message that is none becomes an `error`."""
        if isinstance(piece, bytes):
            session.receive_audio(piece)
            return
        try:
            message = decode_client(piece)
        except WireError as error:
            session.complain(error)
            return
        match message:
            case Start():
                session.receive_start(message)
            case Configure():
                session.receive_configure(message)
            case AddWords() | ConfirmWord():
                session.receive_add_words(message)
            case Finalize():
                session.receive_finalize()
            case Stop():
                session.receive_stop()
            case Ping(id=number):
                session.receive_ping(number)
            case Resume():
                session.complain(
                    WireError(
                        ErrorCode.UNEXPECTED_MESSAGE,
                        "resume came too late",
                        expected="resume as the first message of a connection",
                        found="resume behind others",
                    )
                )

    def encode(self, event: ServerMessage) -> Iterable[Frame]:
        """Return the event as one text frame."""
        return (encode(event),)
