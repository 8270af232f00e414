"""What the native messages name: encodings, reasons, codes, and the limits of the protocol."""

from enum import StrEnum

PROTOCOL_VERSION = "1"
SAMPLE_RATE_MIN = 8_000
SAMPLE_RATE_MAX = 48_000
CHANNELS_MAX = 8
MAX_TEXT_BYTES = 64 * 1024


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


class When(StrEnum):
    """From when on a session has another language model."""

    SEGMENT = "segment"
    """From the next segment on."""
    NOW = "now"
    """From the open segment on: what was heard of it is scored again."""


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
    UNKNOWN_SESSION = "unknown_session"
    LANGUAGE_MODEL_FAILED = "language_model_failed"
    """It could not be loaded; what was loaded before stays."""
    LANGUAGE_MODEL_FIXED = "language_model_fixed"
    """It cannot be changed: it is the bundle's, or the bundle has no others."""
    OVERLOADED = "overloaded"
    LIMIT_EXCEEDED = "limit_exceeded"
    NOT_RESUMABLE = "not_resumable"
    """With `retry_after_s`, another daemon may have the session: a further try may reach it."""
    TOKEN_WITHDRAWN = "token_withdrawn"  # noqa: S105 — no token
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
    WITHDRAWN = "withdrawn"
    """The client's token was taken back. Every word of the audio that was received was sent."""
    LIMIT = "limit"
    """The session came to a limit; the `error` before says which. Every word of it was sent."""
