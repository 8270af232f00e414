"""One session at work: its audio goes to the engine piece by piece, its events to a transport.

The session itself knows no clock and no thread; here it meets both. What it says goes to the
client that has it now, to the viewers of its captions, to the counters and to the journal.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.auth import Grant
from steno_daemon.captions.hub import Hub
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import Engine
from steno_daemon.errors import LimitError, OverloadedError
from steno_daemon.happenings import Work
from steno_daemon.identity import Identity
from steno_daemon.jobs import Done, Failed, Outcome, Seat
from steno_daemon.journal import HeldError, Journal, Opening, Page
from steno_daemon.ladder import Punctuality
from steno_daemon.metrics import Metrics
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.outbox import to_keep
from steno_daemon.personal import Memories
from steno_daemon.recording import Recorder, Recording
from steno_daemon.session import Session
from steno_daemon.session_log import SessionLog
from steno_daemon.sources import format_of
from steno_daemon.states import State
from steno_daemon.wire import CloseReason, ErrorCode

if TYPE_CHECKING:
    from steno_daemon.captions.topic import Topic

logger = logging.getLogger(__name__)

EVENTS_MAX = 1_000
FAULT = "the daemon has a fault; its log has more"


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much may wait before a stream takes no more audio.

    Attributes:
        audio_s: audio that was received and not decoded.
        events: events that were not sent.
    """

    audio_s: float = 10.0
    events: int = EVENTS_MAX


@dataclass(frozen=True, slots=True)
class House:
    """What every stream of the daemon shares.

    Attributes:
        engine: decodes.
        hub: shows captions to viewers.
        metrics: counts.
        journal: keeps sessions on disk, if they shall outlive the daemon.
        recorder: keeps the audio of sessions that consent.
        backlog: how much of one stream may wait.
        memories: what speakers said who want that remembered; None where nothing is kept.
    """

    engine: Engine
    hub: Hub
    metrics: Metrics = field(default_factory=Metrics)
    journal: Journal | None = None
    recorder: Recorder | None = None
    backlog: Backlog = field(default_factory=Backlog)
    memories: Memories | None = None


def _nothing() -> None:
    """Take nothing."""


def _no_more_room(_grant: Grant, _transcripts: int) -> None:
    """Have nobody who could leave."""


class Stream:
    """Couples a `Session` to the `Engine`; lives on the event loop.

    Args:
        identity: whose session it is.
        offer: what the daemon offers to it.
        house: what it shares with the others.
        make_room: asked before it takes a seat, with the number of transcripts.

    Attributes:
        session: the protocol and the audio.
        log: for lines about this session; never with what was said.
        follows: says whether `events` also returns when more was heard and nothing happened.
    """

    def __init__(
        self,
        identity: Identity,
        offer: Offer,
        house: House,
        make_room: Callable[[Grant, int], None] = _no_more_room,
    ) -> None:
        self.identity = identity
        self._make_room = make_room
        if house.memories is not None:
            offer = replace(offer, remember=house.memories.of(identity.grant.name))
        self.session = Session(
            identity.name,
            offer,
            admit=self._take_seat,
            observe=self._observe,
            note=self._note,
            token=identity.resume_token,
        )
        self.session.repertoire.call_when_ready(self._go_on)
        self.log = SessionLog(logger, {"session": identity.name})
        self._house = house
        self.follows: Callable[[], bool] = bool  # no
        self._seat: Seat | None = None
        self._clock = asyncio.get_running_loop().time
        self._began_s = 0.0
        self._punctuality = Punctuality()
        self._meter = house.metrics.session()
        self._topic: Topic | None = None
        self._page: Page | None = None
        self._recording: Recording | None = None
        self._kept_seq = -1
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def transcripts(self) -> int:
        """How many it makes now; none where it has no seat."""
        return self._seat.transcripts if self._seat is not None else 0

    @property
    def is_kept(self) -> bool:
        """Whether it is on disk, so that it can be taken up again once it is parked."""
        return self._page is not None and self._page.is_open

    def restore(self, snapshot: Snapshot, page: Page) -> None:
        """Go on where another daemon was; call it on a stream that nobody used yet.

        Args:
            snapshot: of the session.
            page: its file, from now on this stream's.

        Raises:
            OverloadedError: there is no room.
        """
        self.session.restore(snapshot)
        self._kept_seq = snapshot.events[-1].seq if snapshot.events else -1
        self._record(at=self.session.received_bytes)
        self._page = page
        self._open_topic()
        for event in snapshot.events:
            self._show(event)

    def advance(self) -> None:
        """Give the engine what there is to do; call it after everything that came in."""
        while self._seat is not None and (work := self.session.work_to_do()) is not None:
            self._hand_in(self._seat, work)
        if self._seat is not None and self.session.is_pressed:
            self._house.engine.hurry(self._seat)
        self._wake()

    def count(self, data: bytes) -> None:
        """Count audio that the session has just received."""
        self._meter.received(len(data), position_s=self.session.received_s)

    def resume(self, resume: wire.Resume) -> None:
        """Let a client go on whose connection broke.

        Raises:
            LookupError: some of what it missed is forgotten.
        """
        self.session.receive_resume(resume)
        if self._recording is not None:
            self._recording.rewind(self.session.received_bytes)
        self.advance()

    @property
    def has_room(self) -> bool:
        """Whether the stream takes more audio."""
        return (
            self.session.undecoded_s < self._house.backlog.audio_s
            and self.session.waiting_events < self._house.backlog.events
        )

    async def room(self) -> None:
        """Wait until the stream takes more audio."""
        while not self.has_room:
            self._room.clear()
            await self._room.wait()

    async def events(self) -> list[wire.ServerMessage]:
        """Wait for events and return them; those that matter are on disk before."""
        while not self.session.waiting_events:
            await self._news.wait()
            self._news.clear()
            if self.follows():
                break
        events = self.session.events_to_send()
        self._keep(events)
        self._meter.told(event for event in events if event.seq > self._kept_seq)
        self._kept_seq = max([self._kept_seq, *(event.seq for event in events)])
        self._wake_room()
        return events

    def break_off(self) -> None:
        """End the session by a fault of the daemon, which the caller has put in the log."""
        try:
            self.session.give_up(ErrorCode.INTERNAL, FAULT)
        except Exception:
            self.log.exception("a fault of the daemon, again: the last words are lost")
            self.session.break_off(ErrorCode.INTERNAL, FAULT)
        self._wake()

    def park(self, reason: CloseReason) -> None:
        """Let go of everything but what is on disk, for whichever daemon takes the session up.

        Args:
            reason: why, for viewers.
        """
        self._keep(self.session.events_to_send())
        self._leave()
        if self._topic is not None:
            self._topic.end(reason)

    def _leave(self) -> None:
        self._stand_up()
        if self._recording is not None:
            self._recording.close()
        if self._page is not None:
            self._page.close()

    def forget(self) -> None:
        """Let go of everything for good: nobody wants the session any more."""
        self._leave()
        if self._page is not None:
            self._page.discard()
        if self._topic is not None and self._topic.is_live:
            self._topic.end(CloseReason.IDLE)

    # Within.

    def _hand_in(self, seat: Seat, work: Work) -> None:
        """Give the engine a piece of work."""
        now_s = self._clock()
        # When this audio is spoken, live: who sends faster than that can wait.
        due_s = self._began_s + work.position / SAMPLE_RATE
        lag_s = min(self.session.undecoded_s, max(0.0, now_s - due_s))
        self._house.metrics.lag(lag_s)
        engine = self._house.engine
        step = max(engine.step_down, self._punctuality.look(lag_s, now_s))
        step = min(step, engine.ladder.last_step)
        self.session.degrade(step, round(1000 * lag_s))
        if self._recording is not None:
            self._recording.decoding(work, self.session.decoding)
        deliver = partial(self._take, work.channel)
        engine.submit(seat, work, self.session.decoding, due_s=due_s, deliver=deliver)

    def _take_seat(self, transcripts: int, *, is_resumed: bool) -> int | None:
        """Sit down with the engine, if the client may and there is room; return the phase."""
        grant, metrics = self.identity.grant, self._house.metrics
        self._make_room(grant, transcripts)
        try:
            grant.enter()
        except LimitError as error:
            metrics.refused(ErrorCode.LIMIT_EXCEEDED.value)
            raise OverloadedError(str(error), retry_after_s=60.0) from error
        try:
            self._seat = self._house.engine.admit(
                self.identity.name, transcripts, is_resumed=is_resumed
            )
        except OverloadedError:
            grant.leave()
            metrics.refused(ErrorCode.OVERLOADED.value)
            raise
        metrics.admitted(sessions=self._house.engine.sessions)
        self._began_s = self._clock()
        return self._seat.part.phase

    def _stand_up(self) -> None:
        """Give the seat back, if there is one."""
        if self._seat is not None:
            self._house.engine.leave(self._seat)
            self._house.metrics.left(sessions=self._house.engine.sessions)
            self.identity.grant.leave()
            self._seat = None
            if self.session.repertoire.memory is not None:
                self.session.repertoire.memory.save()
            self.session.let_go()
            self._meter.gone()

    def _take(self, channel: int, outcome: Outcome) -> None:
        """Take the outcome of the work of a channel, and go on."""
        match outcome:
            case Done(update, state):
                take = partial(self.session.work_done, update, state, channel=channel)
            case Failed(message):
                take = partial(self.session.work_failed, message)
        self._go_on(take)

    def _go_on(self, take: Callable[[], None] = _nothing) -> None:
        """Take what the session waited for, and go on."""
        try:
            take()
            self.advance()
        except Exception:
            self.log.exception("a fault of the daemon")
            self.break_off()

    def _observe(self, event: wire.ServerMessage) -> None:
        """Show an event to the viewers, also while the client is away."""
        if isinstance(event, wire.Ready):
            self._open_topic()
            self._open_page()
            self._record()
        memory = self.session.repertoire.memory
        if memory is not None and isinstance(event, wire.Final):
            memory.hear(event.text.split())
        self._show(event)
        if self._recording is not None:
            self._recording.event(event)

    def _note(self, content: wire.ClientMessage | bytes) -> None:
        """Record what the session takes before anything comes of it, so that nothing is missing."""
        if self._recording is None:
            return
        if isinstance(content, bytes):
            self._recording.audio(content)
        else:
            self._recording.message(content)

    def _record(self, *, at: int = 0) -> None:
        """Begin to record, if the speaker consents and the daemon is set up to."""
        if self._house.recorder is not None and self.session.start.record:
            self._recording = self._house.recorder.open(
                self.identity.name, self.session.start, phase=self.session.decoding.phase, at=at
            )

    def _open_topic(self) -> None:
        start = self.session.start
        self._topic = self._house.hub.open(
            self.identity.name,
            label=start.label,
            language_model=start.language_model,
            channels=start.channels if start.separate_channels else 1,
            rate=format_of(start).sample_rate,
        )

    def _open_page(self) -> None:
        """Begin the session's file, if sessions are kept and this one can be resumed."""
        journal = self._house.journal
        if journal is None or self.identity.resume_token is None:
            return
        try:
            self._page = journal.page(self.identity.name)
        except (OSError, HeldError) as error:
            self.log.warning("cannot be kept: %s", error)
            return
        self._page.begin(
            Opening(
                start=self.session.start,
                token_sha256=self.identity.resume_sha256,
                grant=self.identity.grant.name,
                phase=self.session.decoding.phase,
            )
        )

    def _show(self, event: wire.ServerMessage) -> None:
        if self._topic is not None:
            self._topic.publish(event)

    def _keep(self, events: list[wire.ServerMessage]) -> None:
        """Put on disk what is new and matters, before it is sent."""
        if self._page is not None:
            new = [event for event in to_keep(events) if event.seq > self._kept_seq]
            self._page.write(new, self.session.checkpoints, self.session.wishes)

    def _wake(self) -> None:
        """Wake who waits for events or for room; a closed session needs its seat no more."""
        if self.session.state is State.CLOSED:
            self._stand_up()
        if self.session.waiting_events or self.follows():
            self._news.set()
        self._wake_room()

    def _wake_room(self) -> None:
        if not self._room.is_set() and self.has_room:
            self._room.set()
