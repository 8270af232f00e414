"""One session of Hermes, from its first frame to its text.

    hermes/asr/textCaptured                     the text and its words, once a session
    hermes/asr/partialTextCaptured              what is heard so far, replaced by the next one
    rhasspy/asr/recordingFinished               before the text, when silence ended the session
    rhasspy/asr/SITE/SESSION/audioCaptured      the audio, where it was asked for
    hermes/error/asr                            what went wrong, each kind of it once

`partialTextCaptured` is of Snips, from which Hermes comes; Rhasspy has dropped it, and passes over
what it does not know.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from steno_daemon import wire
from steno_daemon.dialects.closing import sentence
from steno_daemon.dialects.conversation import Message, Post
from steno_daemon.dialects.pcm import Converter, Form, WavReader, wav_block, wav_file
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import CloseReason, EndpointReason

PIECE_BYTES = 32 * 1024
CAPTURED_BYTES_MAX = 16 * 1024 * 1024
"""Of audio that is sent back: more than eight minutes at 16 kHz."""
SILENCE = {EndpointReason.TRAILING_SILENCE, EndpointReason.BLANK_SILENCE}


@dataclass(frozen=True, slots=True)
class Listening:
    """What `startListening` asked for."""

    site_id: str = "default"
    session_id: str | None = None
    stop_on_silence: bool = True
    send_audio_captured: bool = False
    wakeword_id: str | None = None
    lang: str | None = None

    @property
    def whose(self) -> dict[str, object]:
        """What every payload repeats."""
        return {"siteId": self.site_id, "sessionId": self.session_id}


class HermesSession:
    """Translates for one session.

    Args:
        listening: what was asked for.
        language_model: of the session.
        clock: seconds from anywhere.
        partials: whether hypotheses are posted.
    """

    def __init__(
        self,
        listening: Listening,
        language_model: str,
        clock: Callable[[], float],
        *,
        partials: bool,
    ) -> None:
        self._listening = listening
        self._language_model = language_model
        self._clock = clock
        self._partials = partials
        self._reader = WavReader()
        self._converter: Converter | None = None
        self._finals: list[wire.Final] = []
        self._captured = bytearray()
        self._asked_s = clock()
        self._complained: set[wire.ErrorCode] = set()
        self._failed = False
        self._done = False

    @property
    def is_satisfied(self) -> bool:
        """Whether the text was posted: silence ended the session."""
        return self._done

    def pieces(self, message: Message) -> Iterator[Message]:
        """Yield a message; a file that is long in pieces, each a file."""
        if message.what != "audio" or len(message.payload) <= PIECE_BYTES:
            yield message
            return
        form, data = wav_block(message.payload)
        step = max(1, PIECE_BYTES // form.block_bytes) * form.block_bytes
        for start in range(0, len(data), step):
            yield Message("audio", wav_file(form, data[start : start + step]))

    def receive(self, session: Session, piece: Message) -> bytes:
        """Tell the session what a piece says; return the audio that it was given.

        Raises:
            WireError: it is no WAV file, or of a form that no session takes.
        """
        self._asked_s = self._clock()
        if piece.what != "audio":
            session.receive_stop()
            return b""
        form, block = self._reader.read(piece.payload)
        if self._converter is None:
            self._begin(session, form)
        assert self._converter is not None  # noqa: S101 — it was begun
        data = self._converter.accept(block, form)
        if self._listening.send_audio_captured:
            self._captured += data[: max(0, CAPTURED_BYTES_MAX - len(self._captured))]
        session.receive_audio(data)
        return data

    def encode(self, event: wire.ServerMessage) -> Iterator[Post]:
        """Yield what is to be posted of an event."""
        if self._done:
            return
        match event:
            case wire.Partial() if self._partials:
                yield self._partial(event)
            case wire.Final():
                self._finals.append(event)
            case wire.Endpoint(reason=reason) if self._is_enough(reason):
                yield _post("rhasspy/asr/recordingFinished", self._listening.whose)
                yield from self._text()
            case wire.Error(code=code) if code not in self._complained:
                self._complained.add(code)
                self._failed |= event.fatal
                yield error_post(self._listening, sentence(event), context=code.value)
            case wire.Closed(reason=reason):
                if self._finals or not (self._failed or reason is CloseReason.REFUSED):
                    yield from self._text()
            case _:
                pass

    # Within.

    def _begin(self, session: Session, form: Form) -> None:
        self._converter = Converter(form)
        session.receive_start(
            msgspec.structs.replace(
                form.start(),
                language_model=self._language_model,
                label=self._listening.site_id[:100],
                word_times=True,
            )
        )
        if session.state is State.IDLE:  # its language model was retired just now
            session.end(CloseReason.REFUSED)

    def _is_enough(self, reason: EndpointReason) -> bool:
        """Return whether the session ends here: something was said, and then nothing more."""
        return self._listening.stop_on_silence and bool(self._finals) and reason in SILENCE

    def _text(self) -> Iterator[Post]:
        """Yield the text, and the audio before it if it was asked for."""
        self._done = True
        asked = self._listening
        if asked.send_audio_captured and self._converter is not None:
            topic = f"rhasspy/asr/{asked.site_id}/{asked.session_id or ''}/audioCaptured"
            yield Post(topic, wav_file(_written(self._converter.form), bytes(self._captured)))
        words = [word for final in self._finals for word in final.words or ()]
        sure = [word.confidence for word in words]
        yield _post(
            "hermes/asr/textCaptured",
            {
                "text": " ".join(final.text for final in self._finals),
                "likelihood": round(sum(sure) / len(sure), 4) if sure else 0.0,
                "seconds": self._seconds(),
                **asked.whose,
                "wakewordId": asked.wakeword_id,
                "asrTokens": [_tokens(words)],
                "lang": asked.lang,
            },
        )

    def _partial(self, event: wire.Partial) -> Post:
        words = event.words or ()
        text = " ".join([*(final.text for final in self._finals), event.text])
        sure = [word.confidence for word in words]
        return _post(
            "hermes/asr/partialTextCaptured",
            {
                "text": text,
                "likelihood": round(sum(sure) / len(sure), 4) if sure else 0.0,
                "seconds": self._seconds(),
                **self._listening.whose,
            },
            is_passing=True,
        )

    def _seconds(self) -> float:
        """Return how long after the last audio, or the end of it, this is said."""
        return round(max(0.0, self._clock() - self._asked_s), 3)


def error_post(listening: Listening, error: str, *, context: str) -> Post:
    """Return the post that says what went wrong with a session."""
    return _post("hermes/error/asr", {"error": error, **listening.whose, "context": context})


def _tokens(words: list[wire.Word]) -> list[dict[str, object]]:
    """Return words with their places in the text, in characters, and in the audio, in seconds."""
    tokens: list[dict[str, object]] = []
    at = 0
    for word in words:
        end = at + len(word.text)
        tokens.append(
            {
                "value": word.text,
                "confidence": round(word.confidence, 4),
                "rangeStart": at,
                "rangeEnd": end,
                "time": {"start": round(word.start, 3), "end": round(word.end, 3)},
            }
        )
        at = end + 1
    return tokens


def _written(form: Form) -> Form:
    """Return the form in which a session takes what comes in another."""
    return form if form.is_plain else Form(form.rate, 4, form.channels, is_float=True)


def _post(topic: str, says: dict[str, object], *, is_passing: bool = False) -> Post:
    return Post(topic, msgspec.json.encode(says), is_passing=is_passing)
