"""All sessions of the daemon by name: those that have a client, and those that wait for it.

A client whose connection broke finds its session here again, with a token that only it knows; with
a journal it does so even after the daemon was killed, or at another one. A session that nobody
comes back to is ended after a while; one that waits gives its seat to a newcomer where there is no
other.
"""

import asyncio
import hmac
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from steno_daemon import wire
from steno_daemon.auth import Grant
from steno_daemon.errors import OverloadedError, WireError
from steno_daemon.identity import Identity
from steno_daemon.journal import HeldError, Kept
from steno_daemon.offer import Offer
from steno_daemon.states import State
from steno_daemon.stream import House, Stream
from steno_daemon.wire import CloseReason, ErrorCode

logger = logging.getLogger(__name__)

WAITING_MAX = 1_000
"""Sessions that may wait for their clients; the one that waits longest is given up for another."""
ELSEWHERE_S = 0.25
"""When a client should try again whose session may be at another daemon of the same address."""


class Line(Protocol):
    """The connection that a session has now."""

    def abort(self) -> None:
        """Break it off: the client has another one."""

    def hand_over(self) -> None:
        """Leave the client to the daemon that comes next, or end the session for good."""


@dataclass(eq=False, slots=True)
class _Entry:
    """A session, the connection that it has now, and since and until when it waits for one."""

    stream: Stream
    line: Line | None = None
    since_s: float = 0.0
    end: asyncio.TimerHandle | None = None


class Streams:
    """Opens, resumes and ends sessions; lives on the event loop.

    Args:
        offer: of new sessions; asked each time, because a reload may change it.
        house: what they share.

    Attributes:
        is_going_down: whether sessions are left to the next daemon, and no more are taken.
    """

    def __init__(self, offer: Callable[[], Offer], house: House) -> None:
        self._offer = offer
        self._house = house
        self._entries: dict[str, _Entry] = {}
        self._parted = asyncio.Event()
        self._displaced: deque[str] = deque(maxlen=WAITING_MAX)
        self.is_going_down = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def connected(self) -> list[Stream]:
        """The sessions that have a client now."""
        return [entry.stream for entry in self._entries.values() if entry.line is not None]

    @property
    def listening(self) -> list[str]:
        """Names of the sessions that take audio."""
        return sorted(
            name
            for name, entry in self._entries.items()
            if entry.stream.session.state is State.LISTENING
        )

    def named(self, name: str) -> Stream | None:
        """Return the session of a name."""
        entry = self._entries.get(name)
        return None if entry is None else entry.stream

    @property
    def waiting(self) -> int:
        """How many sessions wait for their clients."""
        return len(self._waiting())

    def check_room(self, grant: Grant) -> None:
        """Check that a session of one transcript could be let in now; it takes no seat yet.

        Raises:
            LimitError: the token has all the sessions that it may have.
            OverloadedError: the daemon has.
        """
        seated = [entry for entry in self._waiting() if entry.stream.transcripts]
        if not any(entry.stream.identity.grant.shares_with(grant) for entry in seated):
            grant.check_room()
        leaving = sum(entry.stream.transcripts for entry in seated)
        self._house.engine.check_room(max(0, 1 - leaving))

    def open(self, grant: Grant, line: Line, *, is_resumable: bool = True) -> Stream:
        """Return the stream of a new session; `is_resumable` if its client knows to come back."""
        name, secret = secrets.token_hex(8), secrets.token_urlsafe(24)
        offer = self._offer()
        token = f"{name}.{secret}" if offer.resume_s and is_resumable else None
        identity = Identity(name, grant, token, _digest(secret))
        stream = Stream(identity, offer, self._house, self._make_room)
        self._entries[name] = _Entry(stream, line)
        if self.is_going_down:
            stream.session.end(CloseReason.SHUTDOWN)
        return stream

    def resume(self, resume: wire.Resume, grant: Grant, *, instead_of: Stream) -> Stream:
        """Return the stream that a client comes back to; a stream that says why not, otherwise.

        Args:
            resume: what the client says.
            grant: it has to be the one that the session was opened under.
            instead_of: the new stream of the connection, which is given up or says what is wrong.
        """
        if self.is_going_down:
            return instead_of
        line = self._entries[instead_of.session.name].line
        name, _, secret = resume.token.partition(".")
        entry = self._known(name, secret, grant) or self._restored(name, secret, grant, instead_of)
        if entry is None:
            self._refuse_unknown(instead_of, name)
            return instead_of
        try:
            entry.stream.resume(resume)
        except LookupError as error:
            _refuse(
                instead_of,
                "the session went on too far",
                expected="a number of an event that is kept",
                found=str(error),
            )
            if entry.line is None and entry.end is None:  # taken up from disk just now
                self._remove(name).park(CloseReason.IDLE)
            return instead_of
        self._remove(instead_of.session.name).forget()
        if entry.line is not None:
            entry.line.abort()
        if entry.end is not None:
            entry.end.cancel()
        entry.line, entry.end = line, None
        entry.stream.log.info("resumed after event %d", resume.seq)
        self._house.metrics.resumed()
        return entry.stream

    def part(self, stream: Stream, line: Line, *, over: bool) -> None:
        """Take a stream back from its connection; `over` if its client wants nothing more."""
        entry = self._entries.get(stream.session.name)
        if entry is None or entry.line is not line:
            return  # given up, or resumed on another connection
        entry.line = None
        self._parted.set()
        offer = self._offer()
        for_good = over or stream.identity.resume_token is None
        if for_good or stream.session.state is State.IDLE or not offer.resume_s:
            self._give_up(stream.session.name)
            return
        if stream.is_kept and (offer.shares_port or self.is_going_down):
            reason = CloseReason.SHUTDOWN if self.is_going_down else CloseReason.IDLE
            self._remove(stream.session.name).park(reason)  # the client may reach another daemon
            return
        loop = asyncio.get_running_loop()
        entry.since_s = loop.time()
        entry.end = loop.call_later(offer.resume_s, self._give_up, stream.session.name)
        waiting = self._waiting()
        for other in waiting[: max(0, len(waiting) - WAITING_MAX)]:
            self._give_up(other.stream.session.name)

    async def nobody_connected(self) -> None:
        """Wait until no session has a client."""
        while self.connected:
            self._parted.clear()
            await self._parted.wait()

    def abort(self) -> None:
        """Break off every connection."""
        for entry in self._entries.values():
            if entry.line is not None:
                entry.line.abort()

    def go_down(self) -> None:
        """Let go of every session, and take no more.

        What is kept on disk is left to the next daemon, with its client; the others still say what
        they heard, and so do those whose clients have said `stop`.
        """
        self.is_going_down = True
        for name, entry in list(self._entries.items()):
            stream = entry.stream
            if entry.line is None:
                self._remove(name).park(CloseReason.SHUTDOWN)
            elif stream.is_kept and stream.session.state is State.LISTENING:
                entry.line.hand_over()
            else:
                stream.session.end(CloseReason.SHUTDOWN)
                stream.advance()

    def withdraw(self, is_good: Callable[[Grant], bool]) -> None:
        """End the sessions under grants that are good no more; those with a client say why."""
        for name, entry in list(self._entries.items()):
            if is_good(entry.stream.identity.grant):
                continue
            if entry.line is None:
                self._give_up(name)
            else:
                entry.stream.log.info("ends: its token was taken back")
                entry.stream.session.withdraw()
                entry.stream.advance()

    def _waiting(self) -> list[_Entry]:
        """Return the sessions that wait for their clients, the one that waits longest first."""
        waiting = [entry for entry in self._entries.values() if entry.line is None]
        return sorted(waiting, key=lambda entry: entry.since_s)

    def _make_room(self, grant: Grant, transcripts: int) -> None:
        """Let sessions that wait for their clients give their seats to a newcomer, if that helps.

        Where the newcomer's token has all its sessions, one of those; where the daemon is full, as
        many as it takes. Where it is busy rather than full, a seat more would help nobody.
        """
        engine = self._house.engine
        if engine.load.is_full:
            return
        seated = [entry for entry in self._waiting() if entry.stream.transcripts]
        if grant.is_full:
            mine = [entry for entry in seated if entry.stream.identity.grant.shares_with(grant)]
            for entry in mine[:1]:
                seated.remove(entry)
                self._displace(entry)
            if not mine:
                return
        lacking = engine.sessions + transcripts - engine.max_sessions
        if lacking > sum(entry.stream.transcripts for entry in seated):
            return
        for entry in seated:
            if lacking <= 0:
                return
            lacking -= entry.stream.transcripts
            self._displace(entry)

    def _displace(self, entry: _Entry) -> None:
        """Take the seat of a session whose client is away; from disk it can still go on."""
        stream = self._remove(entry.stream.session.name)
        if stream.is_kept:
            stream.log.info("gives its seat to another: it can be resumed from disk")
            stream.park(CloseReason.IDLE)
        else:
            stream.log.info("gives its seat to another, and is over")
            self._displaced.append(stream.session.name)
            stream.forget()

    def _give_up(self, name: str) -> None:
        """End a session that nobody comes back to."""
        self._remove(name).forget()

    def _remove(self, name: str) -> Stream:
        entry = self._entries.pop(name)
        if entry.end is not None:
            entry.end.cancel()
        return entry.stream

    def _known(self, name: str, secret: str, grant: Grant) -> _Entry | None:
        """Return the session of that name, if it is the client's."""
        entry = self._entries.get(name)
        if entry is None or entry.stream.session.state is State.IDLE:
            return None
        mine = entry.stream.identity
        return entry if _may(secret, mine.resume_sha256) and grant.name == mine.grant.name else None

    def _restored(self, name: str, secret: str, grant: Grant, instead_of: Stream) -> _Entry | None:
        """Return the session of another daemon, from the journal, if it is the client's."""
        if self._house.journal is None or name in self._entries:
            return None
        try:
            kept = self._house.journal.take(name)
        except HeldError:
            _refuse(
                instead_of,
                "another daemon has the session",
                expected="to reach the one that has it, or to come when it has let go of it",
                found="this one",
                retry_after_s=ELSEWHERE_S,
            )
            return None
        if kept is None:
            return None
        opening = kept.opening
        if not _may(secret, opening.token_sha256) or opening.grant != grant.name:
            kept.page.close()
            return None
        identity = Identity(name, grant, f"{name}.{secret}", opening.token_sha256)
        return self._take_up(kept, identity, instead_of)

    def _take_up(self, kept: Kept, identity: Identity, instead_of: Stream) -> _Entry | None:
        """Return a session that was kept, if there is room for it."""
        stream = Stream(identity, self._offer(), self._house, self._make_room)
        try:
            stream.restore(kept.snapshot, kept.page)
        except OverloadedError as error:
            kept.page.close()
            instead_of.session.refuse_overloaded(error)
            instead_of.advance()
            return None
        self._entries[identity.name] = _Entry(stream)
        return self._entries[identity.name]

    def _refuse_unknown(self, stream: Stream, name: str) -> None:
        """Tell a client that its session is not here, unless it was told already."""
        if name in self._displaced:
            _refuse(
                stream,
                "the session was given up while its client was away: the daemon was full",
                expected="a client that comes back before its seat is needed",
                found="one that came later",
            )
            return
        _refuse(
            stream,
            "there is no such session to resume",
            expected="the token of `ready`, before `resume_s` are over",
            found="another",
            retry_after_s=ELSEWHERE_S if self._offer().shares_port else None,
        )


def _may(secret: str, digest: str) -> bool:
    """Return whether a secret is the right one, in a time that tells nothing."""
    return bool(digest) and hmac.compare_digest(digest, _digest(secret))


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse(
    stream: Stream,
    message: str,
    *,
    expected: str,
    found: str,
    retry_after_s: float | None = None,
) -> None:
    """Let a connection that cannot have its session say so, unless it has said why already."""
    if stream.session.state is State.IDLE:
        error = WireError(ErrorCode.NOT_RESUMABLE, message, expected=expected, found=found)
        stream.session.refuse(error, retry_after_s=retry_after_s)
        stream.advance()
