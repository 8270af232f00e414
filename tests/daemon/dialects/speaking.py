"""A client of a dialect and its session, without sockets; what is received is heard at once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.daemon.fakes import pcm
from tests.daemon.listening import Run

from steno_daemon.dialects.dialect import Dialect, Frame
from steno_daemon.dialects.door import About, Hello
from steno_daemon.domains import Domains
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_daemon.wire import Closed, CloseReason, Error
from steno_models.types import FloatArray

Message = dict[str, Any]

DOMAINS = Domains(("general", "law"))
ABOUT = About(lambda: DOMAINS, "notes", "7")


def hello(
    *query: tuple[str, str], headers: Mapping[str, str] | None = None, offers: tuple[str, ...] = ()
) -> Hello:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Hello(query, headers or {}, offers, "0123456789abcdef" * 2, at)


class Speaking:
    """One connection.

    Attributes:
        frames: that came back so far.
        closed: code and text of the close.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.run = Run()
        self.run.session = Session("test", Offer(domains=DOMAINS))
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self._fault: Error | None = None
        dialect.begin(self.session)
        self.advance()

    @property
    def session(self) -> Session:
        return self.run.session

    @property
    def messages(self) -> list[Message]:
        return [json.loads(frame) for frame in self.frames if frame != "Done!"]

    def say(self, *frames: Frame | FloatArray | Message) -> list[Message]:
        """Say something and return what comes back."""
        before = len(self.frames)
        for frame in frames:
            if isinstance(frame, dict):
                self._take(json.dumps(frame))
            else:
                self._take(frame if isinstance(frame, bytes | str) else pcm(frame))
        return [json.loads(one) for one in self.frames[before:] if one != "Done!"]

    def speak(self, sound: FloatArray | bytes, *, frame_bytes: int = 6_400) -> list[Message]:
        """Say sound frame by frame."""
        data = sound if isinstance(sound, bytes) else pcm(sound)
        cuts = range(0, len(data), frame_bytes)
        return self.say(*(data[begin : begin + frame_bytes] for begin in cuts))

    def advance(self) -> None:
        """Do the work there is, and hear what is said of it."""
        self.run.events = []
        self.run.work()
        told_s = self.session.told_s
        for event in self.run.events:
            self.frames += self.dialect.encode(event)
            if isinstance(event, Error) and event.fatal:
                self._fault = event
            if isinstance(event, Closed):
                self.closed = self.dialect.farewell(event.reason, self._fault)
                return
        if self.closed is None:
            self.frames += self.dialect.replies(told_s)

    def end(self, reason: CloseReason) -> None:
        """Let the daemon end the session."""
        self.session.end(reason)
        self.advance()

    def _take(self, frame: Frame) -> None:
        for piece in self.dialect.pieces(self.session, frame):
            self.dialect.receive(self.session, piece)
            self.advance()
        self.advance()


def of(messages: list[Message], **members: object) -> list[Message]:
    """Return the messages that have these members."""
    return [one for one in messages if all(one.get(k) == v for k, v in members.items())]


def the(messages: list[Message], **members: object) -> Message:
    """Return the one message that has these members."""
    [found] = of(messages, **members)
    return found
