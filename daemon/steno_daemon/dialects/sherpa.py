"""The messages of the streaming server of sherpa-onnx: float32 at 16 kHz in, growing JSON out.

There is no message from the client but `Done`, and none from the server for what goes wrong: that
is said by the status of HTTP before the connection, and by the text of the close after it. Of the
two servers that exist this speaks for both: the members of the one in C++, its `Done!` at the end,
and then a close as by the one in Python.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import log

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
from steno_daemon.errors import OverloadedError, StenoDaemonError
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import (
    Closed,
    Encoding,
    Endpoint,
    EndpointReason,
    Final,
    Partial,
    ServerMessage,
    Start,
    Word,
)

RATE = 16_000
DONE = "Done"
GOODBYE = "Done!"
LEAST = 1e-6
"""What a word is at least taken to be likely, for its logarithm."""


class SherpaDialect(Dialect):
    """One connection of a client of sherpa-onnx.

    Args:
        language_model: by name.
    """

    def __init__(self, language_model: str) -> None:
        self._start = Start(
            encoding=Encoding.PCM_F32LE,
            rate=RATE,
            language_model=language_model,
            word_times=True,
        )
        self._segment = 0
        self._final: Final | None = None

    def begin(self, session: Session) -> None:
        """Begin to listen: there is nothing to agree on."""
        session.receive_start(self._start)

    def pieces(self, session: Session, frame: Frame) -> Iterable[Frame]:
        """Return audio in pieces, and a message whole; nothing counts behind `Done`."""
        if session.state is not State.LISTENING:
            return ()
        return (frame,) if isinstance(frame, str) else cut(frame)

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says; other texts than `Done` mean nothing."""
        if isinstance(piece, bytes):
            session.receive_audio(piece)
        elif piece.strip() == DONE:
            session.receive_stop()

    def encode(self, event: ServerMessage) -> Iterator[Frame]:
        """Return the result so far; the last one of all says that it is."""
        match event:
            case Partial():
                yield self._result(event.text, event.words or (), event.start)
            case Final():
                self._final = event
            case Endpoint(reason=reason) if reason is not EndpointReason.STOP:
                yield from self._end_segment()
            case Closed():
                yield self._last()
                yield GOODBYE
            case _:
                pass

    def _end_segment(self) -> Iterator[Frame]:
        """Yield the words of a segment that has some; the next one has the next number."""
        final, self._final = self._final, None
        if final is not None:
            yield self._result(final.text, final.words or (), final.start, is_final=True)
            self._segment += 1

    def _last(self) -> Frame:
        """Return what is left to say, if only that it was all."""
        final = self._final
        if final is None:
            return self._result("", (), 0.0, is_final=True, is_eof=True)
        return self._result(final.text, final.words or (), final.start, is_final=True, is_eof=True)

    def _result(
        self,
        text: str,
        words: Sequence[Word],
        start: float,
        *,
        is_final: bool = False,
        is_eof: bool = False,
    ) -> Frame:
        """Return a result; times count from the start of its segment."""
        return text_of(
            {
                "text": text,
                "tokens": [f" {word.text}" for word in words],
                "timestamps": [round(word.start - start, 4) for word in words],
                "ys_probs": [_log_prob(word.confidence) for word in words],
                "lm_probs": [],
                "context_scores": [],
                "segment": self._segment,
                "words": [],
                "start_time": start,
                "is_final": is_final,
                "is_eof": is_eof,
            }
        )


@lru_cache(maxsize=4_096)
def _log_prob(confidence: float) -> float:
    """Return the logarithm of a confidence, of which hypotheses tell many times over."""
    return round(log(max(LEAST, confidence)), 6)


class SherpaDoor(Door):
    """Where clients of sherpa-onnx come in.

    Args:
        about: the daemon.
    """

    name = "sherpa"
    path = "/sherpa"

    def __init__(self, about: About) -> None:
        self._about = about

    def welcome(self, hello: Hello) -> Welcome:
        """Return a dialect; `?domain=` in the address names a language model."""
        return Welcome(SherpaDialect(self._about.required_language_model(hello.first("domain"))))

    def refusal(self, _hello: Hello, error: StenoDaemonError) -> Refusal:
        """Return why a client does not come in; that the daemon is full, as its own server does."""
        headers = retry_after(error)
        if isinstance(error, OverloadedError):
            headers["Hint"] = "The server is overloaded. Please retry later."
        return Refusal(status_of(error), f"{error}\n", headers=headers)
