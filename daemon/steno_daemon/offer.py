"""What a session is offered, how it is decoded, and what is left of it elsewhere: plain values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from steno_daemon import wire
from steno_daemon.checkpoint import Checkpoint
from steno_daemon.domains import GENERAL, Domains, Version
from steno_daemon.endpoint import SAMPLE_RATE, Rules
from steno_daemon.happenings import STEP_SAMPLES
from steno_daemon.rhythm import Pace
from steno_daemon.transcript import UNNUMBERED
from steno_daemon.vocabulary import Fill, WordLimits
from steno_daemon.writing import Writing
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import StreamingFbank
from steno_models.recogniser import Wishes

if TYPE_CHECKING:
    from steno_daemon.personal import Memory

STEP_MS = 1000 * STEP_SAMPLES // SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a channel is heard.

    Attributes:
        rules: of the endpoint, at the start.
        features: makes what turns the samples of a segment into the recogniser's features.
        version: of the language model.
        writing: how finals are written where the client does not say.
        pace: when what came in is looked at.
    """

    rules: Rules
    features: Callable[[], StreamingExtractor] = StreamingFbank
    version: Version | None = None
    writing: Writing = field(default_factory=Writing)
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the daemon offers to every session.

    Attributes:
        domains: the language models.
        chunk_ms: decoding step where the client wishes none.
        rules: endpointing where the client wishes none.
        session_s: audio after which a session is ended.
        resume_s: how long a session waits for a client that lost its connection.
        shares_port: whether other daemons answer at the same address, too.
        fill: makes language models with more words; None where there can be none.
        words: how many words and phrases a session may have.
        features: makes what turns the samples of a segment into the recogniser's features.
        writing: how finals are written where the client does not say.
        remember: what remembers the words of a speaker, by name; None where nothing may be kept.
    """

    domains: Domains = field(default_factory=lambda: Domains((GENERAL,)))
    chunk_ms: int = 640
    rules: Rules = field(default_factory=Rules)
    session_s: float = float("inf")
    resume_s: float = 0.0
    shares_port: bool = False
    fill: Fill | None = None
    words: WordLimits = field(default_factory=WordLimits)
    features: Callable[[], StreamingExtractor] = StreamingFbank
    writing: Writing = field(default_factory=Writing)
    remember: "Callable[[str], Memory] | None" = None

    def hearing(self, rules: Rules, pace: Pace, version: Version | None = None) -> Hearing:
        """Return how channels are heard by these rules, at that pace, with this language model."""
        return Hearing(rules, self.features, version, self.writing, pace)

    def ready(self, session: str, chunk_ms: int, token: str | None) -> wire.Ready:
        """Return what a session hears that begins."""
        return wire.Ready(
            seq=UNNUMBERED,
            session=session,
            version=wire.PROTOCOL_VERSION,
            models=self.domains.names,
            chunk_ms=chunk_ms,
            sample_rate=SAMPLE_RATE,
            token=token,
            resume_s=self.resume_s if token else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the recogniser shall decode a session.

    Attributes:
        language_model: by name, for work that has none of its own.
        n_best: how many hypotheses a final may carry.
        chunk_steps: encoder steps decoded at a time.
        degraded: how much is saved, as in `wire.Load`; from the next segment on.
        second_pass: whether finals are ranked anew, where the bundle can.
        unknown_words: whether words that the lexicon lacks are looked for.
        phase: where chunks end, see `rhythm`; None where each segment begins with a whole chunk.
    """

    language_model: str = "general"
    n_best: int = 1
    chunk_steps: int = 16
    degraded: int = 0
    second_pass: bool = True
    unknown_words: bool = True
    phase: int | None = None

    @property
    def chunk_ms(self) -> int:
        """Milliseconds of a chunk."""
        return self.chunk_steps * STEP_MS

    @property
    def pace(self) -> Pace:
        """When what came in is looked at."""
        return Pace(self.phase, self.chunk_steps)

    @classmethod
    def of(cls, start: wire.Start, chunk_steps: int, phase: int | None) -> "Decoding":
        """Return how to decode as a client asked, in such chunks."""
        return cls(
            start.language_model,
            start.n_best,
            chunk_steps,
            second_pass=start.second_pass,
            unknown_words=start.unknown_words,
            phase=phase,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Enough of a session to go on elsewhere, once the client sends the audio again.

    Attributes:
        start: what the client asked for.
        checkpoints: where each channel can be taken up.
        events: those that a client may have missed, numbered.
        wishes: words and phrases that the checkpoints name.
        phase: where its chunks end, as in `Decoding`.
    """

    start: wire.Start
    checkpoints: tuple[Checkpoint, ...]
    events: tuple[wire.ServerMessage, ...]
    wishes: dict[int, Wishes] = field(default_factory=dict)
    phase: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether the session had said its last word."""
        return bool(self.events) and isinstance(self.events[-1], wire.Closed)

    @property
    def needed_from(self) -> int:
        """The 16 kHz position from which on any channel needs its audio."""
        return min(checkpoint.position for checkpoint in self.checkpoints)

    @property
    def acknowledged_samples(self) -> int:
        """What the client was told at last of its audio, where the session is over; 0 for nothing.

        Of one that is not over the checkpoints say it.
        """
        told = [event.samples for event in self.events if isinstance(event, wire.Acknowledged)]
        return max(told, default=0)

    @property
    def newest(self) -> list[wire.Final | None]:
        """The last final of each channel."""
        newest: list[wire.Final | None] = [None] * len(self.checkpoints)
        for event in self.events:
            if isinstance(event, wire.Final):
                newest[event.channel] = event
        return newest

    @property
    def announced(self) -> list[int]:
        """How many segments of each channel the client has heard of."""
        announced = [0] * len(self.checkpoints)
        for event in self.events:
            if isinstance(event, wire.SpeechStarted):
                announced[event.channel] = max(announced[event.channel], event.segment + 1)
        return announced


class Admit(Protocol):
    """Finds room for a session, or raises `OverloadedError`."""

    def __call__(self, transcripts: int, /, *, is_resumed: bool) -> int | None:
        """Take room for so many transcripts; one that is resumed was let in before.

        Return the phase of its chunks, as in `Decoding`.
        """


def room_at(phase: int | None) -> Admit:
    """Return what admits everybody, with that phase."""

    def admit(_transcripts: int, *, is_resumed: bool) -> int | None:
        del is_resumed
        return phase

    return admit


always_room = room_at(0)
"""Admits everybody, as if alone."""


def transcripts_of(start: wire.Start) -> int:
    """Return how many transcripts a session makes."""
    return start.channels if start.separate_channels else 1
