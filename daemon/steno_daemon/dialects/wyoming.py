"""The Wyoming protocol of Home Assistant and its satellites, as a speech-to-text service.

    describe                                   →  info
    transcribe, audio-start, audio-chunk …     →  transcript-start, transcript-chunk …
    audio-stop                                 →  transcript, transcript-stop
    ping                                       →  pong

While it listens, `voice-started` and `voice-stopped` say when someone speaks.

Clients append the texts of `transcript-chunk`, so only what is certain goes into them; `transcript`
has the whole text in any case. A connection may transcribe any number of times, one after the
other. What ends the transcription is `audio-stop`: pauses do not. Events that are not known here
are passed over, as the protocol wants it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec

from steno_daemon import wire
from steno_daemon.complaints import describe
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.closing import sentence
from steno_daemon.dialects.expecting import expected
from steno_daemon.dialects.growing import Growing
from steno_daemon.dialects.pcm import Converter, Form
from steno_daemon.dialects.wyoming_events import Event
from steno_daemon.errors import (
    LimitError,
    OverloadedError,
    StenoDaemonError,
    UnknownModelError,
    WireError,
)
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import CloseReason, Endpointing, ErrorCode

TRAILING_SILENCE_MS = {"relaxed": 1_250, "default": None, "aggressive": 250}
"""What Home Assistant takes each sensitivity for; at "default" the configuration counts."""
NAME_BOOST = 4.0
"""Nats for each word of a name; a term has those of any phrase, which are fewer."""
AUTHORS: Mapping[str, object] = {"name": "The Steno authors", "url": ""}

CODES = {
    UnknownModelError: ErrorCode.UNKNOWN_LANGUAGE_MODEL,
    LimitError: ErrorCode.LIMIT_EXCEEDED,
    OverloadedError: ErrorCode.OVERLOADED,
}
"""Codes of errors that have none of their own."""

Positive = Annotated[int, msgspec.Meta(ge=1)]
Said = TypeVar("Said")


class Transcribe(msgspec.Struct, frozen=True, kw_only=True):
    """Opens a transcription; later fields of the protocol are passed over."""

    name: str | None = None
    """Language model."""
    language: str | None = None
    context: dict[str, object] | None = None
    vad_sensitivity: str | None = None
    transcript_names: tuple[str, ...] | None = None
    transcript_terms: tuple[str, ...] | None = None


class _Audio(msgspec.Struct, frozen=True, kw_only=True):
    """Form of `audio-start` and of every `audio-chunk`."""

    rate: Positive = 16_000
    width: Positive = 2
    channels: Positive = 1

    @property
    def form(self) -> Form:
        return Form(self.rate, self.width, self.channels)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a transcription shall be: its language model, and what the client said."""

    language_model: str
    said: Transcribe = field(default_factory=Transcribe)


class WyomingDialect:
    """Translates the events of one connection.

    Args:
        catalogue: what `info` tells.
        name: of the service.

    Attributes:
        is_recording: whether audio of a transcription is taken; between `audio-stop` and the next
            audio it is not.
    """

    def __init__(self, catalogue: Catalogue, name: str) -> None:
        self._catalogue = catalogue
        self._name = name
        self._asked = self._next = _Asked(catalogue.language_model(None))
        self._converter: Converter | None = None
        self._described: dict[str, object] | None = None
        self._form = Form()
        self._growing = Growing()
        self._begun = False
        self._failed = False
        self.is_recording = False

    # Between transcriptions.

    @staticmethod
    def is_audio(event: Event) -> bool:
        """Return whether an event is the session's: one opens with the first of them."""
        return event.type in {"audio-start", "audio-chunk", "audio-stop"}

    def answer(self, event: Event) -> Iterator[Event]:
        """Yield what an event that is not audio is answered with.

        Raises:
            WireError: it says something that cannot be.
            UnknownModelError: there is no such language model.
        """
        match event.type:
            case "describe":
                yield self._info()
            case "ping":
                yield Event("pong", event.data)
            case "transcribe":
                said = _read(event, Transcribe)
                self._catalogue.check_language(said.language)
                self._next = _Asked(self._catalogue.language_model(said.name), said)
            case _:
                return

    # A transcription.

    def receive(self, session: Session, event: Event) -> bytes:
        """Tell the session what an event of audio says; return the samples that it was given.

        Raises:
            WireError: the audio is of no form that a session takes.
        """
        if not self.is_recording:
            self._open()
        if event.type == "audio-chunk":
            return self._take(session, event)
        if event.type == "audio-stop":
            self.is_recording = False
            session.receive_stop()
        return b""  # of `audio-start` nothing is needed: every chunk says its form

    def encode(self, event: wire.ServerMessage) -> list[Event]:
        """Return the events that say what a session says."""
        said: list[Event] = []
        match event:
            case wire.Ready():
                self._begun = True
                said = [Event("transcript-start", self._about())]
            case wire.SpeechStarted(time=time_s):
                said = [Event("voice-started", {"timestamp": round(1000 * time_s)})]
            case wire.Endpoint(time=time_s):
                said = [Event("voice-stopped", {"timestamp": round(1000 * time_s)})]
            case wire.Partial():
                said = _grown(self._growing.partial(event))
            case wire.Final():
                said = _grown(self._growing.final(event))
            case wire.Error() if event.fatal or not self._begun:
                self._failed = True
                said = [Event("error", {"text": sentence(event), "code": event.code.value})]
            case wire.Closed(reason=reason):
                said = self._end(reason)
            case _:
                pass  # clients take any `error` for the end: what is not fatal is not told
        return said

    # Within.

    def _open(self) -> None:
        """Begin the transcription that was asked for; one that was not asked for is as any."""
        self._asked, self._next = self._next, _Asked(self._catalogue.language_model(None))
        self.is_recording = True
        self._converter = None
        self._growing = Growing()
        self._begun = self._failed = False

    def _take(self, session: Session, event: Event) -> bytes:
        """Give the session a block, and begin it with the first one."""
        if event.data is not self._described:  # of most chunks it is what it was
            self._form = _read(event, _Audio).form
            self._described = event.data
        if self._converter is None:
            self._converter = Converter(self._form)
            session.receive_start(self._start(self._converter))
            if session.state is State.IDLE:  # its language model was retired just now
                session.end(CloseReason.REFUSED)
        data = self._converter.accept(event.payload, self._form)
        session.receive_audio(data)
        return data

    def _start(self, converter: Converter) -> wire.Start:
        silence_ms = TRAILING_SILENCE_MS.get(self._asked.said.vad_sensitivity or "default")
        return msgspec.structs.replace(
            converter.form.start(),
            label=self._name,
            language_model=self._asked.language_model,
            endpointing=Endpointing(trailing_silence_ms=silence_ms),
            phrases=self._expected(),
        )

    def _expected(self) -> tuple[wire.Phrase, ...]:
        """Return what the client says is likely to be said, names before terms."""
        said = self._asked.said
        names = expected(said.transcript_names or (), boost=NAME_BOOST)
        known = {phrase.text for phrase in names}
        terms = expected(said.transcript_terms or ())
        return (*names, *(phrase for phrase in terms if phrase.text not in known))

    def _end(self, reason: CloseReason) -> list[Event]:
        """Return the transcript, where there is one."""
        text, about = self._growing.text, self._about()
        if reason is CloseReason.REFUSED or (self._failed and not text):
            return []
        # Without audio there was no session to begin with, and clients wait for a transcript.
        begin = [] if self._begun else [Event("transcript-start", about)]
        return [*begin, Event("transcript", {"text": text, **about}), Event("transcript-stop")]

    def _about(self) -> dict[str, object]:
        """Return the language of a transcript, and what the client wants back with it."""
        asked = self._asked.said
        language = asked.language or self._catalogue.language
        about: dict[str, object] = {"language": language} if language else {}
        if asked.context is not None:
            about["context"] = asked.context
        return about

    def _info(self) -> Event:
        """Return what the service is: a language model of ours is a model of theirs."""
        known = self._catalogue.about
        languages = [self._catalogue.language] if self._catalogue.language else []
        common = {"attribution": AUTHORS, "installed": True}
        models = [
            {
                **common,
                "name": model,
                "description": f"{known.bundle} with the language model {model}",
                "version": known.version,
                "languages": languages,
            }
            for model in known.language_models
        ]
        program = {
            **common,
            "name": self._name,
            "description": "Steno, a streaming speech recogniser",
            "version": self._catalogue.program,
            "models": models,
            "supports_transcript_streaming": True,
            "requires_external_vad": True,
            "prefers_auto_gain_enabled": False,
            "prefers_noise_reduction_enabled": False,
        }
        others = ("tts", "handle", "intent", "wake", "mic", "snd")
        return Event("info", {"asr": [program], **{kind: [] for kind in others}})


def error_event(error: StenoDaemonError) -> Event:
    """Return the event that tells a client what it did wrong."""
    code = error.code if isinstance(error, WireError) else CODES[type(error)].value
    return Event("error", {"text": str(error), "code": str(code)})


def _grown(text: str) -> list[Event]:
    return [Event("transcript-chunk", {"text": text})] if text else []


def _read(event: Event, kind: type[Said]) -> Said:
    """Return what an event says.

    Raises:
        WireError: something in it cannot be.
    """
    data = {name: value for name, value in event.data.items() if value is not None}
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        fault = describe(data, error, kind)
        raise WireError(
            ErrorCode.INVALID_MESSAGE,
            f"{fault.where or 'the data'} of {event.type} is not understood",
            expected=fault.expected,
            found=fault.found,
        ) from None
