"""One session at work: its audio goes to the engine piece by piece, its events to a transport."""

import asyncio
import logging
from collections.abc import MutableMapping
from dataclasses import dataclass

from steno_daemon import wire
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import Done, Engine, Failed, Outcome, Seat
from steno_daemon.session import Offer, Session, State
from steno_daemon.wire import ErrorCode

logger = logging.getLogger(__name__)

EVENTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much may wait before a stream takes no more audio.

    Attributes:
        audio_s: audio that was received and not decoded.
        events: events that were not sent.
    """

    audio_s: float = 10.0
    events: int = EVENTS_MAX


class SessionLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the session's name before every line."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[str, MutableMapping[str, object]]:
        """Return the line with the name."""
        name = self.extra["session"] if self.extra else ""
        return f"session {name}: {msg}", kwargs


class Stream:
    """Couples a `Session` to the `Engine`; lives on the event loop.

    Attributes:
        session: the protocol and the audio.
        log: for lines about this session; never with what was said.
    """

    def __init__(self, name: str, offer: Offer, engine: Engine, backlog: Backlog) -> None:
        self.session = Session(name, offer, admit=self._take_seat)
        self._engine = engine
        self._backlog = backlog
        self._seat: Seat | None = None
        self._clock = asyncio.get_running_loop().time
        self._began_s = 0.0
        self.log = SessionLog(logger, {"session": name})
        self._busy = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    def advance(self) -> None:
        """Give the engine what there is to do; call it after everything that came in."""
        if not self._busy and self._seat is not None:
            work = self.session.work_to_do()
            if work is not None:
                self._busy = True
                self._engine.submit(
                    self._seat,
                    work,
                    self.session.decoding,
                    # When this audio is spoken, live: who sends faster than that can wait.
                    due_s=self._began_s + work.position / SAMPLE_RATE,
                    deliver=self._take,
                )
        self._wake()

    async def room(self) -> None:
        """Wait until the stream takes more audio."""
        while not self._has_room():
            self._room.clear()
            await self._room.wait()

    async def events(self) -> list[wire.ServerMessage]:
        """Wait for events and return them."""
        while not self.session.waiting_events:
            self._news.clear()
            await self._news.wait()
        events = self.session.events_to_send()
        self._wake()
        return events

    def break_off(self) -> None:
        """End the session by a fault of the daemon, which the caller has put in the log."""
        self.session.give_up(ErrorCode.INTERNAL, "the daemon has a fault; its log has more")
        self._wake()

    def leave(self) -> None:
        """Let go of everything: nobody listens any more."""
        if self._seat is not None:
            self._engine.leave(self._seat)
            self._seat = None

    def _take_seat(self) -> None:
        self._seat = self._engine.admit(self.session.name)
        self._began_s = self._clock()

    def _take(self, outcome: Outcome) -> None:
        """Take the outcome of the work that was out, and go on."""
        self._busy = False
        try:
            match outcome:
                case Done(update, state):
                    self.session.work_done(update, state)
                case Failed(message):
                    self.session.work_failed(message)
            self.advance()
        except Exception:
            self.log.exception("a fault of the daemon")
            self.break_off()

    def _has_room(self) -> bool:
        return (
            self.session.undecoded_s < self._backlog.audio_s
            and self.session.waiting_events < self._backlog.events
        )

    def _wake(self) -> None:
        """Wake who waits for events or for room; a closed session needs its seat no more."""
        if self.session.state is State.CLOSED:
            self.leave()
        if self.session.waiting_events:
            self._news.set()
        if self._has_room():
            self._room.set()
