"""The messages of Deepgram's live transcription, `/v1/listen`.

The address says all that a client wants, see `deepgram_request`. Results tile the time line of
their channel: hypotheses repeat the start of the span that is open, a result that is final ends it,
also where nothing was said in it. Words stand as the recogniser says them; final ones with marks,
capitals and figures where the address asks for `punctuate`, `smart_format` or `numerals`.
"""

from collections.abc import Iterator
from hashlib import sha256

import msgspec

from steno_daemon.auth import token_of
from steno_daemon.complaints import shorten
from steno_daemon.dialects.closing import CloseCode, close_code, close_text, sentence
from steno_daemon.dialects.deepgram_request import Wishes, wishes_of
from steno_daemon.dialects.deepgram_results import Channel, Results
from steno_daemon.dialects.dialect import CONTAINER_PIECE_BYTES, PIECE_BYTES, Dialect, Frame, cut
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
from steno_daemon.dialects.riff import Form, form_of
from steno_daemon.errors import StenoDaemonError, WireError
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import (
    CHANNELS_MAX,
    SAMPLE_RATE_MAX,
    SAMPLE_RATE_MIN,
    Closed,
    CloseReason,
    Endpoint,
    EndpointReason,
    Error,
    ErrorCode,
    Final,
    Finalized,
    Partial,
    ServerMessage,
    SpeechStarted,
)

_CLOSINGS = {
    CloseReason.IDLE: (CloseCode.INTERNAL, "NET-0001: no audio and no KeepAlive came in time"),
    CloseReason.FAILED: (CloseCode.INTERNAL, "NET-0000: the daemon has a fault"),
}
_STATUSES = {
    400: "INVALID_QUERY_PARAMETER",
    401: "INVALID_AUTH",
    403: "INSUFFICIENT_PERMISSIONS",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
}


class _Message(msgspec.Struct, frozen=True):
    """What a client says beside audio."""

    type: str
    channel: int | None = None


class DeepgramDialect(Dialect):
    """One connection of a Deepgram client.

    Args:
        wishes: what the client wants.
        hello: its request.
        about: the daemon.
    """

    def __init__(self, wishes: Wishes, hello: Hello, about: About) -> None:
        self._wishes = wishes
        self._start = wishes.start
        self._results = Results(wishes, hello, about)
        self._head: bytes | None = None if wishes.is_named else b""
        self._hash = sha256()
        self._received_s = 0.0
        self._told_s = 0.0
        self._finalized_s = -1.0
        self._channels = [Channel((0, 1))]
        self._waiting: list[Frame] = []
        self._over = False

    @property
    def owed(self) -> int:
        """How many answers wait."""
        return len(self._waiting)

    @property
    def follows(self) -> bool:
        """Whether answers wait, or the gap after an utterance has begun that it shall tell of."""
        tells = self._wishes.utterance_end_s is not None
        return super().follows or (
            tells and any(one.last_word_s is not None and not one.speaks for one in self._channels)
        )

    def begin(self, session: Session) -> None:
        """Begin to listen, if it is known what the bytes are."""
        if self._head is None:
            self._listen(session)

    def pieces(self, session: Session, frame: Frame) -> Iterator[Frame]:
        """Return audio in pieces, without the head of a WAV file, and a message whole."""
        if self._over:
            return
        if isinstance(frame, str):
            yield frame
        elif not frame:
            self._stop(session)
        else:
            self._hash.update(frame)
            audio = self._audio(session, frame)
            is_container = self._start.encoding.is_container
            yield from cut(audio, CONTAINER_PIECE_BYTES if is_container else PIECE_BYTES)

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says."""
        if isinstance(piece, bytes):
            session.receive_audio(piece)
            self._received_s = session.received_s
        else:
            self._obey(session, piece)

    def encode(self, event: ServerMessage) -> Iterator[Frame]:
        """Return the messages that say an event."""
        match event:
            case SpeechStarted():
                yield from self._tell_start(event)
            case Partial() if event.text:
                yield from self._gap(self._channels[event.channel], _begin(event))
                yield self._hypothesis(event)
            case Final():
                channel = self._channels[event.channel]
                yield from self._gap(channel, event.start)
                channel.final, channel.last_word_s = event, event.end
            case Endpoint():
                yield self._end(event)
            case Finalized():
                yield from self._tell_finalized(event)
            case Error():
                yield text_of(_error(event.code, sentence(event)))
            case Closed():
                yield from self.replies(self._received_s)
                digest = self._hash.hexdigest()
                yield self._results.metadata(self._start, digest, self._received_s)
            case _:
                pass

    def replies(self, told_s: float) -> Iterator[Frame]:
        """Return the answers that wait, and tell of utterances whose end is long enough ago."""
        self._told_s = max(self._told_s, told_s)
        waiting, self._waiting = self._waiting, []
        yield from waiting
        for channel in self._channels:
            if not channel.speaks:
                yield from self._gap(channel, self._told_s)

    def farewell(self, reason: CloseReason, fault: Error | None) -> tuple[int, str]:
        """Return the code and the text to close with."""
        if fault is not None and fault.code is ErrorCode.INVALID_AUDIO:
            return CloseCode.POLICY, f"DATA-0000: {fault.message}"
        if reason in _CLOSINGS:
            return _CLOSINGS[reason]
        return close_code(reason, fault), close_text(reason, fault)

    # What comes in.

    def _audio(self, session: Session, frame: bytes) -> bytes:
        """Return the audio of a frame: none as long as it is not known what the bytes are."""
        if self._head is None:
            return frame
        self._head += frame
        try:
            form = form_of(self._head)
            if form is None:
                return b""
            _check(form)
        except WireError as error:
            self._over = True
            session.refuse(error)
            return b""
        audio, self._head = self._head[form.head_bytes :], None
        self._start = msgspec.structs.replace(
            self._start, encoding=form.encoding, rate=form.rate, channels=form.channels
        )
        self._listen(session)
        return audio

    def _listen(self, session: Session) -> None:
        start = self._start
        if start.separate_channels:
            count = start.channels
            self._channels = [Channel((number, count)) for number in range(count)]
        session.receive_start(start)

    def _obey(self, session: Session, text: str) -> None:
        """Do what a message says; complain of one that is none."""
        try:
            message = msgspec.json.decode(text, type=_Message)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._complain(f'expected JSON such as {{"type": "KeepAlive"}}, found {error}', text)
            return
        match message.type:
            case "KeepAlive":
                pass
            case "Finalize":
                self._finalize(session)
            case "CloseStream":
                self._stop(session)
            case other:
                expected = "KeepAlive, Finalize or CloseStream"
                self._complain(f"expected {expected} as type, found {shorten(other)}", text)

    def _finalize(self, session: Session) -> None:
        """End the utterances here; where nothing new was heard there is nothing to answer."""
        is_news = self._received_s > self._finalized_s
        if session.state is State.LISTENING and is_news:
            self._finalized_s = self._received_s
            session.receive_finalize()

    def _stop(self, session: Session) -> None:
        self._over = True
        session.receive_stop()

    def _complain(self, description: str, text: str) -> None:
        self._waiting.append(text_of(_error("SchemaError", description, message=shorten(text))))

    # What goes out.

    def _tell_start(self, event: SpeechStarted) -> Iterator[Frame]:
        channel = self._channels[event.channel]
        channel.speaks = True
        yield from self._gap(channel, event.time)
        if self._wishes.tells_speech:
            yield text_of(
                {"type": "SpeechStarted", "channel": channel.index, "timestamp": event.time}
            )

    def _hypothesis(self, event: Partial) -> Frame:
        """Return what was heard so far in the span that is open."""
        until_s = max([self._told_s, *(word.end for word in event.words or ())])
        return self._results.hypothesis(self._channels[event.channel], event, until_s)

    def _end(self, event: Endpoint) -> Frame:
        """Return the result that ends a span, with no words where none were said."""
        channel = self._channels[event.channel]
        channel.speaks = False
        frame = self._results.ended(channel, event.time, event.reason)
        channel.span_s = max(channel.span_s, event.time)
        return frame

    def _tell_finalized(self, event: Finalized) -> Iterator[Frame]:
        """Answer for the channels in which nobody spoke when all had to be final."""
        until_s = event.samples / self._start.rate
        for channel in self._channels:
            if channel.span_s < until_s:
                yield self._results.ended(channel, until_s, EndpointReason.FINALIZE)
                channel.span_s = until_s

    def _gap(self, channel: Channel, until_s: float) -> Iterator[Frame]:
        """Tell that an utterance is over, if nothing was said for long enough after it."""
        gap_s, last_s = self._wishes.utterance_end_s, channel.last_word_s
        if gap_s is None or last_s is None or until_s - last_s < gap_s:
            return
        channel.last_word_s = None
        yield text_of({"type": "UtteranceEnd", "channel": channel.index, "last_word_end": last_s})


def _begin(event: Partial) -> float:
    return event.words[0].start if event.words else event.start


def _error(variant: str, description: str, **more: str) -> dict[str, str]:
    return {"type": "Error", "variant": variant, "description": description, **more}


def _check(form: Form) -> None:
    """Check what the head of a file says of rate and channels."""
    rates, channels = (SAMPLE_RATE_MIN, SAMPLE_RATE_MAX), CHANNELS_MAX
    if not rates[0] <= form.rate <= rates[1] or not 1 <= form.channels <= channels:
        raise WireError(
            ErrorCode.INVALID_AUDIO,
            "the audio cannot be heard",
            expected=f"{rates[0]} to {rates[1]} samples a second, 1 to {channels} channels",
            found=f"{form.rate} and {form.channels}",
        )


class DeepgramDoor(Door):
    """Where Deepgram clients come in.

    Args:
        about: the daemon.
    """

    name = "deepgram"
    path = "/v1/listen"

    def __init__(self, about: About) -> None:
        self._about = about

    def token(self, hello: Hello) -> str | None:
        """Return the token: `Authorization: Token …` or `Bearer …`, a subprotocol behind `token`.

        Browsers can send none of the headers, but subprotocols.
        """
        offered = hello.subprotocols
        after = offered[1] if offered[:1] in {("token",), ("bearer",)} and offered[1:] else None
        return token_of(
            hello.headers.get("Authorization"),
            after or hello.first("token"),
            schemes=("bearer", "token"),
        )

    def welcome(self, hello: Hello) -> Welcome:
        """Return a dialect that has what the address asks for."""
        dialect = DeepgramDialect(wishes_of(hello, self._about), hello, self._about)
        return Welcome(dialect, ("token", "bearer"), {"dg-request-id": hello.id})

    def refusal(self, hello: Hello, error: StenoDaemonError) -> Refusal:
        """Return why a client does not come in, in the body and in the headers."""
        status = status_of(error)
        code = _STATUSES.get(status, "INTERNAL_SERVER_ERROR")
        said = {"err_code": code, "err_msg": str(error), "request_id": hello.id}
        line = "".join(char if " " <= char <= "~" else "?" for char in str(error))
        headers = {"dg-request-id": hello.id, "dg-error": line, **retry_after(error)}
        return Refusal(status, text_of(said), "application/json", headers)
