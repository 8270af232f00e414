"""The native messages: what client and daemon say to each other.

JSON text frames, told apart by their field `type`; audio travels as binary frames between them. A
client opens with `start`, sends audio and ends with `stop`; the daemon answers with `ready`,
numbers every event by `seq` and ends with `closed`. Times are seconds since the first sample of
the stream.

A client whose connection broke opens the next one with `resume`: the daemon answers with `resumed`,
says again what the client has not seen, and takes the audio from the sample that `resumed` names.

What a client sends is read strictly: an unknown field is an error that names it. What the daemon
sends may grow fields, which older clients ignore. This file imports msgspec and the standard
library alone, so that clients need nothing else.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias, get_args

import msgspec

from steno_daemon.complaints import explain
from steno_daemon.errors import WireError

PROTOCOL_VERSION = "1"
SAMPLE_RATE_MIN = 8_000
SAMPLE_RATE_MAX = 48_000
CHANNELS_MAX = 8
MAX_TEXT_BYTES = 64 * 1024

__all__ = [
    "Acknowledged",
    "Alternative",
    "ClientMessage",
    "CloseReason",
    "Closed",
    "Configure",
    "Encoding",
    "Endpoint",
    "EndpointReason",
    "Endpointing",
    "Error",
    "ErrorCode",
    "Final",
    "Finalize",
    "Finalized",
    "Load",
    "Partial",
    "Ping",
    "Pong",
    "Ready",
    "Resume",
    "Resumed",
    "ServerMessage",
    "SpeechStarted",
    "Start",
    "Stop",
    "WireError",
    "Word",
    "decode_client",
    "decode_server",
    "encode",
]


class Encoding(StrEnum):
    """How the samples of the binary frames are written, little-endian, channels interleaved."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    PCM_U8 = "pcm_u8"
    MULAW = "mulaw"
    ALAW = "alaw"
    WEBM_OPUS = "webm_opus"
    """A WebM file as a browser's MediaRecorder writes it, cut anywhere. `rate` says nothing: its
    samples are counted at 48,000 a second. `channels` counts with `separate_channels` alone."""
    OGG_OPUS = "ogg_opus"
    """An Ogg file of Opus, likewise."""

    @property
    def is_container(self) -> bool:
        """Whether the frames are a file that has to be decoded from its first byte on."""
        return self in {Encoding.WEBM_OPUS, Encoding.OGG_OPUS}


class EndpointReason(StrEnum):
    """Which rule ended an utterance."""

    TRAILING_SILENCE = "trailing_silence"
    """The voice activity detector heard silence after words."""
    BLANK_SILENCE = "blank_silence"
    """The model itself heard nothing more for a while."""
    EMPTY_SILENCE = "empty_silence"
    """Silence, and no word was decoded before it."""
    MAX_UTTERANCE = "max_utterance"
    """The utterance grew too long; the next one goes on without a gap."""
    FINALIZE = "finalize"
    """The client asked."""
    STOP = "stop"
    """The stream ended."""
    FAILED = "failed"
    """The recogniser failed; an `error` follows."""


class ErrorCode(StrEnum):
    """What kind of thing went wrong."""

    INVALID_JSON = "invalid_json"
    INVALID_MESSAGE = "invalid_message"
    UNEXPECTED_MESSAGE = "unexpected_message"
    INVALID_AUDIO = "invalid_audio"
    TOO_LARGE = "too_large"
    UNKNOWN_LANGUAGE_MODEL = "unknown_language_model"
    OVERLOADED = "overloaded"
    LIMIT_EXCEEDED = "limit_exceeded"
    NOT_RESUMABLE = "not_resumable"
    RECOGNISER_FAILED = "recogniser_failed"
    INTERNAL = "internal"


class CloseReason(StrEnum):
    """Why the daemon ended a session."""

    STOPPED = "stopped"
    """The client asked, and has every word."""
    SHUTDOWN = "shutdown"
    """The daemon goes down; the client has every word of the audio that was received."""
    REFUSED = "refused"
    """The session never began; the `error` before says why."""
    FAILED = "failed"
    """The session broke; the `error` before says why."""
    IDLE = "idle"
    """The client sent nothing for too long."""
    LIMIT = "limit"
    """The session came to a limit; the `error` before says which. Every word of it was sent."""


class Endpointing(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Rules that end an utterance; what is left out keeps its present value."""

    trailing_silence_ms: Annotated[int, msgspec.Meta(ge=100, le=10_000)] | None = None
    """Silence after words that ends the utterance."""
    empty_silence_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] | None = None
    """Silence that ends a segment in which nothing was decoded yet."""
    max_utterance_s: Annotated[float, msgspec.Meta(ge=1, le=120)] | None = None
    """Length at which an utterance is cut at the latest."""
    blank_silence_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    """Silence by the model's own judgement that ends the utterance; 0 switches the rule off."""
    vad_aggressiveness: Annotated[int, msgspec.Meta(ge=0, le=3)] | None = None
    """How readily the voice activity detector calls sound silence, 0 to 3."""
    pre_roll_ms: Annotated[int, msgspec.Meta(ge=0, le=2_000)] | None = None
    """Audio before the detected start of speech that is decoded too."""


class _Client(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """What every message of a client has in common."""


class Start(_Client, frozen=True, kw_only=True, tag="start"):
    """Opens the session: the form of the audio and what to send back."""

    encoding: Encoding = Encoding.PCM_S16LE
    rate: Annotated[int, msgspec.Meta(ge=SAMPLE_RATE_MIN, le=SAMPLE_RATE_MAX)] = 16_000
    """Samples a second of each channel."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=CHANNELS_MAX)] = 1
    """Interleaved channels."""
    separate_channels: bool = False
    """Whether each channel is a transcript of its own, told apart by `channel`, on one clock;
    otherwise they are mixed to one."""
    language_model: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "general"
    partials: bool = True
    """Whether hypotheses come while the utterance lasts."""
    endpointing: Endpointing = Endpointing()
    n_best: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    """How many hypotheses a `final` may carry; above 1 it has `alternatives`."""
    word_times: bool = False
    """Whether `partial` and `final` carry `words`."""
    chunk_ms: Annotated[int, msgspec.Meta(ge=40, le=5_000)] | None = None
    """Decoding step: shorter is earlier, longer is better; the daemon rounds to what it can."""
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """What those who watch the session see as its name."""
    record: bool = False
    """Whether the speaker consents that the daemon keeps the audio, if it is set up to."""


class Resume(_Client, frozen=True, kw_only=True, tag="resume"):
    """Opens another connection to a session whose connection broke."""

    token: Annotated[str, msgspec.Meta(max_length=200)]
    """From `ready`."""
    seq: Annotated[int, msgspec.Meta(ge=-1)] = -1
    """Number of the last event that arrived, -1 for none."""


class Configure(_Client, frozen=True, kw_only=True, tag="configure"):
    """Changes the rules of a running session, from the audio sent after it on."""

    endpointing: Endpointing


class Finalize(_Client, frozen=True, kw_only=True, tag="finalize"):
    """Ends the utterance now; the session goes on. A `finalized` follows."""


class Stop(_Client, frozen=True, kw_only=True, tag="stop"):
    """No more audio comes: the daemon sends what is left, then `closed`."""


class Ping(_Client, frozen=True, kw_only=True, tag="ping"):
    """Asks for a `pong` with the same id."""

    id: int = 0


ClientMessage: TypeAlias = Start | Resume | Configure | Finalize | Stop | Ping


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word with its place in the stream."""

    text: str
    start: float
    end: float
    confidence: float


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the n-best list, the best one first."""

    text: str
    confidence: float
    score: float
    """Total log score; only differences between entries mean anything."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every message of the daemon has in common."""

    seq: int
    """Number of the event in its session, from 0 without gaps; after a `resumed`, the numbers of
    hypotheses that newer ones replaced are left out."""


class Ready(_Event, frozen=True, kw_only=True, tag="ready"):
    """The session runs: who answers, and with what."""

    session: str
    version: str
    """Version of the protocol."""
    models: tuple[str, ...]
    """Language models that `start` may name."""
    chunk_ms: int
    """Decoding step in use."""
    sample_rate: int
    """Rate at which the recogniser listens; the daemon resamples to it."""
    token: str | None = None
    """What `resume` needs; keep it secret. None where the session cannot be resumed."""
    resume_s: float = 0.0
    """How long the daemon waits for a `resume` after a connection broke."""


class Resumed(_Event, frozen=True, kw_only=True, tag="resumed"):
    """The session goes on. `seq` repeats that of `resume`; events that were missed follow."""

    session: str
    samples: int
    """Samples of one channel that the daemon has: send on from here."""
    bytes: int
    """The same in bytes of the audio that was sent; 0 for a file that has to come again whole."""


class SpeechStarted(_Event, frozen=True, kw_only=True, tag="speech_started"):
    """A segment opened at `time`."""

    segment: int
    channel: int = 0
    time: float


class Partial(_Event, frozen=True, kw_only=True, tag="partial"):
    """The hypothesis so far; its first `stable_chars` characters never change again."""

    segment: int
    channel: int = 0
    text: str
    stable_chars: int
    start: float
    words: tuple[Word, ...] | None = None


class Final(_Event, frozen=True, kw_only=True, tag="final"):
    """The words of a segment; never empty, sent once for a segment at most."""

    segment: int
    channel: int = 0
    text: str
    start: float
    end: float
    confidence: float
    words: tuple[Word, ...] | None = None
    alternatives: tuple[Alternative, ...] | None = None


class Endpoint(_Event, frozen=True, kw_only=True, tag="endpoint"):
    """A segment ended at `time`; every `speech_started` has exactly one, after its `final`."""

    segment: int
    channel: int = 0
    time: float
    reason: EndpointReason


class Finalized(_Event, frozen=True, kw_only=True, tag="finalized"):
    """The answer to a `finalize`: every word of the audio sent before it is final."""

    samples: int
    """Samples of one channel before it, at the rate of `start`."""


class Acknowledged(_Event, frozen=True, kw_only=True, tag="acknowledged"):
    """How much audio the daemon needs no more, whatever happens to it.

    Every word before is final; a daemon that is killed and started again goes on from here.
    """

    samples: int
    """Samples of one channel since the start of the stream, at the rate of `start`."""


class Load(_Event, frozen=True, kw_only=True, tag="load"):
    """How well the daemon keeps up with this session; sent when it changes."""

    degraded: int
    """0: as it should be; 1: a narrower beam; 2: longer chunks as well."""
    lag_ms: int
    """Audio that was received and not decoded yet."""


class Pong(_Event, frozen=True, kw_only=True, tag="pong"):
    """The answer to a `ping`."""

    id: int


class Error(_Event, frozen=True, kw_only=True, tag="error"):
    """Something went wrong; if `fatal`, `closed` follows after what is left to say."""

    code: ErrorCode
    message: str
    fatal: bool
    expected: str | None = None
    found: str | None = None
    retry_after_s: float | None = None


class Closed(_Event, frozen=True, kw_only=True, tag="closed"):
    """The last event of every session."""

    reason: CloseReason


ServerMessage: TypeAlias = (
    Ready
    | Resumed
    | SpeechStarted
    | Partial
    | Final
    | Endpoint
    | Finalized
    | Acknowledged
    | Load
    | Pong
    | Error
    | Closed
)


def _tag(message: type[msgspec.Struct]) -> str:
    """Return the value of the field `type` of a message."""
    return str(message.__struct_config__.tag)


_CLIENT_TYPES = {_tag(kind): kind for kind in get_args(ClientMessage)}
_SERVER_TYPES = {_tag(kind): kind for kind in get_args(ServerMessage)}
_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def encode(message: ClientMessage | ServerMessage) -> str:
    """Return the text frame of a message."""
    return _encoder.encode(message).decode()


def decode_client(text: bytes | str) -> ClientMessage:
    """Return the message of a client's text frame.

    Raises:
        WireError: the text is no such message; it says what was expected and found.
    """
    size = len(text)
    if size > MAX_TEXT_BYTES:
        raise WireError(
            ErrorCode.TOO_LARGE,
            "the message is too long",
            expected=f"at most {MAX_TEXT_BYTES} bytes of JSON",
            found=f"{size}",
        )
    try:
        return _client_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(text, error, _CLIENT_TYPES) from error


def decode_server(text: bytes | str) -> ServerMessage:
    """Return the message of a daemon's text frame.

    Raises:
        WireError: the text is no such message; it says what was expected and found.
    """
    try:
        return _server_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(text, error, _SERVER_TYPES) from error
