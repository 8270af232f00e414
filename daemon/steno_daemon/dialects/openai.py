"""The messages of OpenAI's realtime interface, for sessions that transcribe: `/v1/realtime`.

A client sets its session up, appends audio in base64, and reads items: see `openai_items`. A model
is a language model of the daemon where there is one of that name; any other name means the general
one.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import count

import msgspec

from steno_daemon.auth import token_of
from steno_daemon.complaints import describe, shorten
from steno_daemon.dialects.closing import sentence
from steno_daemon.dialects.dialect import Dialect, Frame, cut
from steno_daemon.dialects.door import (
    About,
    Door,
    Hello,
    Refusal,
    Welcome,
    retry_after,
    status_of,
    text_of,
)
from steno_daemon.dialects.openai_items import GRAIN_S, Items, Said
from steno_daemon.dialects.openai_messages import (
    LOGPROBS,
    TYPES,
    Append,
    Clear,
    Commit,
    FlatUpdate,
    Message,
    Settings,
    Update,
    Wish,
)
from steno_daemon.errors import StenoDaemonError
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import (
    Configure,
    Endpoint,
    Error,
    ErrorCode,
    Final,
    Finalized,
    Partial,
    ServerMessage,
    SpeechStarted,
    Start,
)

LEAST_S = 0.1
"""Audio below which there is nothing to commit."""
EXPIRY = timedelta(hours=12)
"""What clients are told; a session ends where limits.session_s says."""
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_OURS = {ErrorCode.INTERNAL, ErrorCode.RECOGNISER_FAILED, ErrorCode.OVERLOADED}
_STATUSES = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "insufficient_permissions"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "server_overloaded"),
}


class OpenAIDialect(Dialect):
    """One connection of a client of the realtime interface.

    Args:
        about: the daemon.
        hello: the request.
        settings: of the session at its start.
        is_flat: whether the client expects the form of before.
    """

    def __init__(self, about: About, hello: Hello, settings: Settings, *, is_flat: bool) -> None:
        self._about = about
        self._hello = hello
        self._settings = settings
        self._is_flat = is_flat
        self._items = Items(hello.id[:12])
        self._numbers = count(1)
        self._waiting: list[Frame] = []

    @property
    def owed(self) -> int:
        """How many answers wait."""
        return len(self._waiting)

    def begin(self, session: Session) -> None:
        """Say what the session is set to."""
        del session
        self._tell_session("created")

    def pieces(self, session: Session, frame: Frame) -> Iterable[Frame]:
        """Return the audio of a message in pieces, and any other message whole.

        The session begins with the first audio.
        """
        if isinstance(frame, bytes):
            self._complain("expected messages in text frames, found a binary one", "invalid_value")
            return ()
        message = self._decoded(frame)
        if not isinstance(message, Append):
            return () if message is None else (frame,)
        if message.audio and session.state is State.IDLE:
            self._start(session)
        return cut(message.audio)

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says."""
        if isinstance(piece, bytes):
            session.receive_audio(piece)
            return
        match _decoder.decode(piece):
            case Update(session=wish, event_id=event_id):
                self._update(session, wish, event_id)
            case FlatUpdate(session=flat, event_id=event_id):
                self._is_flat = True
                self._update(session, flat.in_present_form(), event_id)
            case Commit(event_id=event_id):
                self._commit(session, event_id)
            case Clear():
                self._clear(session)
            case _:
                pass  # audio went its own way

    def encode(self, event: ServerMessage) -> Iterator[Frame]:
        """Return the messages that say an event."""
        if self._waiting:
            yield from self._taken()
        match event:
            case SpeechStarted() | Partial() | Final() | Endpoint() | Finalized():
                for message in self._items.tell(event):
                    yield self._numbered(message)
            case Error():
                yield from map(self._numbered, self._items.tell(event))
                kind = "server_error" if event.code in _OURS else "invalid_request_error"
                yield self._numbered(_error(kind, event.code, sentence(event)))
            case _:
                pass

    def replies(self, _told_s: float) -> Iterable[Frame]:
        """Return the answers that wait."""
        return self._taken() if self._waiting else ()

    # What comes in.

    def _decoded(self, text: str) -> Message | None:
        """Return a message; complain of what is none."""
        try:
            return _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._complain_of(text, error)
            return None

    def _complain_of(self, text: str, error: Exception) -> None:
        """Say what is wrong with a message, and where."""
        try:
            found: object = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._complain(f"expected JSON, found {shorten(text)!r} ({error})", "invalid_json")
            return
        members = found if isinstance(found, dict) else {}
        kind, event_id = members.get("type"), members.get("event_id")
        known = TYPES.get(kind) if isinstance(kind, str) else None
        if known is None:
            where, expected, said = "type", "one of " + ", ".join(TYPES), shorten(repr(kind))
        else:
            fault = describe(found, error, known)
            where, expected, said = fault.where, fault.expected, fault.found
            expected = "base64" if where == "audio" else expected
        self._complain(
            f"{where or 'the message'}: expected {expected}, found {said}",
            "invalid_value",
            param=where or None,
            event_id=event_id if isinstance(event_id, str) else None,
        )

    def _start(self, session: Session) -> None:
        name = self._about.language_model(self._settings.model)
        self._items.rate = self._settings.rate
        session.receive_start(
            Start(
                encoding=self._settings.encoding,
                rate=self._settings.rate,
                language_model=name or self._about.required_language_model(None),
                endpointing=self._settings.endpointing,
                word_times=True,
            )
        )

    def _update(self, session: Session, wish: Wish, event_id: str | None) -> None:
        """Set the session to something else; the form of the audio stays as it began."""
        before, settings = self._settings, self._settings.changed(wish)
        if session.state is not State.IDLE and settings.format != self._settings.format:
            self._complain(
                "session.audio.input.format: expected the format of the audio that was sent, "
                "found another",
                "invalid_value",
                param="session.audio.input.format",
                event_id=event_id,
            )
            return
        self._settings = settings
        self._items.commits = settings.vad is not None
        self._items.tells_logprobs = LOGPROBS in settings.include
        if session.state is State.LISTENING:
            name = self._about.language_model(settings.model)
            is_other = settings.model != before.model
            session.receive_configure(
                Configure(
                    endpointing=settings.endpointing, language_model=name if is_other else None
                )
            )
        self._tell_session("updated")

    def _commit(self, session: Session, event_id: str | None) -> None:
        """Make what was said so far an item, if there is enough of it."""
        buffered_s = session.received_s - self._items.committed_s
        if buffered_s < LEAST_S - GRAIN_S:
            self._complain(
                "Error committing input audio buffer: the buffer is empty. Expected at least "
                f"{1000 * LEAST_S:.0f} ms of audio, found {1000 * max(0.0, buffered_s):.0f} ms.",
                "input_audio_buffer_commit_empty",
                event_id=event_id,
            )
            return
        self._tell(self._items.commit(session.received_s))
        session.receive_finalize()

    def _clear(self, session: Session) -> None:
        """Forget what was said so far."""
        if session.received_s <= self._items.committed_s + GRAIN_S:
            self._tell([{"type": "input_audio_buffer.cleared"}])
            return
        self._tell(self._items.clear(session.received_s))
        session.receive_finalize()

    # What goes out.

    def _tell_session(self, what: str) -> None:
        """Say what the session is set to."""
        expires_at = int((self._hello.at + EXPIRY).timestamp())
        named: Said = {"id": f"sess_{self._hello.id}", "object": "realtime.transcription_session"}
        settings, is_flat = self._settings, self._is_flat
        described = settings.described_flat() if is_flat else settings.described()
        kind = f"transcription_session.{what}" if is_flat else f"session.{what}"
        self._tell([{"type": kind, "session": {**named, **described, "expires_at": expires_at}}])

    def _complain(
        self, message: str, code: str, *, param: str | None = None, event_id: str | None = None
    ) -> None:
        said = _error("invalid_request_error", code, message, param=param, event_id=event_id)
        self._tell([said])

    def _tell(self, messages: Iterable[Said]) -> None:
        """Let messages wait to be sent."""
        self._waiting.extend(map(self._numbered, messages))

    def _taken(self) -> list[Frame]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _numbered(self, message: Said) -> Frame:
        number = f"event_{self._hello.id[:12]}{next(self._numbers):06d}"
        return text_of({"event_id": number} | message)


def _error(
    kind: str, code: str, message: str, *, param: str | None = None, event_id: str | None = None
) -> Said:
    return {
        "type": "error",
        "error": {
            "type": kind,
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id,
        },
    }


class OpenAIDoor(Door):
    """Where clients of the realtime interface come in.

    Args:
        about: the daemon.
    """

    name = "openai"
    path = "/v1/realtime"
    key = "openai-insecure-api-key."

    def __init__(self, about: About) -> None:
        self._about = about

    def token(self, hello: Hello) -> str | None:
        """Return the token: `Authorization: Bearer …`, or as browsers send it, a subprotocol."""
        keys = [one.removeprefix(self.key) for one in hello.subprotocols if self.key in one]
        token = keys[0] if keys else hello.first("token")
        return token_of(hello.headers.get("Authorization"), token)

    def welcome(self, hello: Hello) -> Welcome:
        """Return a dialect that speaks the form that the client expects."""
        is_flat = "realtime=v1" in hello.headers.get("OpenAI-Beta", "")
        model = hello.first("model") or self._about.required_language_model(None)
        dialect = OpenAIDialect(self._about, hello, Settings(model), is_flat=is_flat)
        return Welcome(dialect, ("realtime",))

    def refusal(self, _hello: Hello, error: StenoDaemonError) -> Refusal:
        """Return why a client does not come in."""
        status = status_of(error)
        kind, code = _STATUSES.get(status, ("invalid_request_error", "invalid_value"))
        said = {"error": {"message": str(error), "type": kind, "param": None, "code": code}}
        return Refusal(status, text_of(said), "application/json", retry_after(error))
