"""What the daemon says; it may grow fields, which older clients ignore."""

from typing import TypeAlias

import msgspec

from steno_daemon.wire.names import CloseReason, EndpointReason, ErrorCode, When
from steno_daemon.wire.words import RefusedText, TakenWord


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word with its place in the stream."""

    text: str
    start: float
    end: float
    confidence: float


class WrittenWord(msgspec.Struct, frozen=True, kw_only=True):
    """One word or figure as it is written, with its marks and its place in the stream."""

    text: str
    start: float
    end: float
    confidence: float
    """The least of those of its words."""
    words: int
    """How many of the recognised words it stands for; together they are all, in their order."""


class Alternative(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the n-best list, the best one first."""

    text: str
    confidence: float
    score: float
    """Total log score; only differences between entries mean anything."""
    words: tuple[Word, ...] | None = None
    """With `word_times`."""


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
    """The hypothesis so far; its first `stable_chars` characters never change again.

    Only a `switched` with "now" takes them back: whoever asks for that wants other words.
    """

    segment: int
    channel: int = 0
    text: str
    stable_chars: int
    start: float
    words: tuple[Word, ...] | None = None


class Final(_Event, frozen=True, kw_only=True, tag="final"):
    """The words of a segment; never empty, sent once for a segment at most.

    `text` begins with all that partials called stable; it and `words` are what was recognised, in
    small letters. What people would write for it stands beside it, in `written`, whole at once:
    partials have nothing of it, so nothing of it is ever taken back.
    """

    segment: int
    channel: int = 0
    text: str
    start: float
    end: float
    confidence: float
    words: tuple[Word, ...] | None = None
    alternatives: tuple[Alternative, ...] | None = None
    written: str | None = None
    """The text with marks, capitals and figures; None where the session has none of them."""
    written_words: tuple[WrittenWord, ...] | None = None
    """Those of `written`, where the session has `words`."""

    @property
    def shown(self) -> str:
        """What people read: `written` where there is that, else `text`."""
        return self.text if self.written is None else self.written


class CandidateWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A word that an unknown one could be, and where that comes from."""

    text: str
    score: float
    """Its share among those that were looked at, 0 to 1."""
    pronunciation: str
    """Phones: of its pronunciations the one that fits best."""
    spelling: float
    """Minus the weighted edits between these and the phones heard."""
    sound: float
    """Nats that the pronunciation lies behind the likeliest phones of the sound; 0 is the best."""
    context: float
    """Ln of how often it is written, and how well such a word goes with those beside it."""
    meaning: float | None = None
    """How near its meaning is to what the sound seems to mean, where the daemon can tell."""


class UnknownWord(_Event, frozen=True, kw_only=True, tag="unknown_word"):
    """A word that the lexicon lacks was said here; it comes behind the `final` of its segment."""

    id: str
    """What `confirm_word` names."""
    segment: int
    channel: int = 0
    text: str
    """What stands in its place in the `final`."""
    start: float
    end: float
    phones: str
    """What was heard."""
    confidence: float
    """How sure it is, 0 to 1, that the word is unknown."""
    candidates: tuple[CandidateWord, ...] = ()
    """What it could be, the likeliest first; none where no word known from texts sounds like it."""


class Endpoint(_Event, frozen=True, kw_only=True, tag="endpoint"):
    """A segment ended at `time`; every `speech_started` has exactly one, after its `final`."""

    segment: int
    channel: int = 0
    time: float
    reason: EndpointReason


class Switched(_Event, frozen=True, kw_only=True, tag="switched"):
    """From `time` on the session has another language model, or another version of its own."""

    channel: int = 0
    time: float
    language_model: str
    version: int
    at: When
    segment: int | None = None
    """The open segment, which is scored again from its start: what was said of it, stable or not,
    no longer counts."""


class Vocabulary(_Event, frozen=True, kw_only=True, tag="vocabulary"):
    """The answer to phrases and `add_words`, one for several of them at one place in the audio.

    A `switched` says from where on they count.
    """

    words: tuple[TakenWord, ...] = ()
    """Those that were asked for, and those of phrases that were not told of before."""
    phrases: tuple[str, ...] = ()
    """All that are expected now, as they will be written; in answer to phrases alone."""
    refused: tuple[RefusedText, ...] = ()
    """What was asked for and does not count, and why."""


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
    """0: as it should be; 1: a narrower beam, no second pass; 2: longer chunks as well."""
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
    | UnknownWord
    | Endpoint
    | Switched
    | Vocabulary
    | Finalized
    | Acknowledged
    | Load
    | Pong
    | Error
    | Closed
)
