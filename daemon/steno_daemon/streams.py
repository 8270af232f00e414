"""All sessions of the daemon by name: those that have a client, and those that wait for it.

A client whose connection broke finds its session here again, with a token that only it knows; with
a journal it does so even after the daemon was killed. A session that nobody comes back to is ended
after a while, and its seat is free again.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from steno_daemon import wire
from steno_daemon.auth import Grant
from steno_daemon.errors import OverloadedError
from steno_daemon.offer import Offer
from steno_daemon.session import State
from steno_daemon.stream import House, Identity, Stream
from steno_daemon.wire import CloseReason, ErrorCode

logger = logging.getLogger(__name__)

WAITING_MAX = 1_000
"""Sessions that may wait for their clients; the one that waits longest is given up for another."""


class Line(Protocol):
    """The connection that a session has now."""

    def abort(self) -> None:
        """Break it off: the client has another one."""


@dataclass(eq=False, slots=True)
class _Entry:
    """A session, the connection that it has now, and when it is given up without one."""

    stream: Stream
    line: Line | None = None
    end: asyncio.TimerHandle | None = None


class Streams:
    """Opens, resumes and ends sessions; lives on the event loop.

    Args:
        offer: of new sessions; asked each time, because a reload may change it.
        house: what they share.
    """

    def __init__(self, offer: Callable[[], Offer], house: House) -> None:
        self._offer = offer
        self._house = house
        self._entries: dict[str, _Entry] = {}
        self._parted = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def connected(self) -> list[Stream]:
        """The sessions that have a client now."""
        return [entry.stream for entry in self._entries.values() if entry.line is not None]

    @property
    def waiting(self) -> int:
        """How many sessions wait for their clients."""
        return len(self._entries) - len(self.connected)

    def open(self, grant: Grant, line: Line) -> Stream:
        """Return the stream of a new session."""
        name, secret = secrets.token_hex(8), secrets.token_urlsafe(24)
        offer = self._offer()
        identity = Identity(
            name, grant, f"{name}.{secret}" if offer.resume_s else None, _digest(secret)
        )
        stream = Stream(identity, offer, self._house)
        self._entries[name] = _Entry(stream, line)
        return stream

    def resume(self, resume: wire.Resume, grant: Grant, *, instead_of: Stream) -> Stream:
        """Return the stream that a client comes back to; a stream that says why not, otherwise.

        Args:
            resume: what the client says.
            grant: it has to be the one that the session was opened under.
            instead_of: the new stream of the connection, which is given up or says what is wrong.
        """
        line = self._entries[instead_of.session.name].line
        name, _, secret = resume.token.partition(".")
        entry = self._known(name, secret, grant) or self._restored(name, secret, grant, instead_of)
        if entry is None:
            _refuse(
                instead_of,
                "there is no such session to resume",
                expected="the token of `ready`, before `resume_s` are over",
                found="another",
            )
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
        wait_s = self._offer().resume_s
        if over or stream.session.state is State.IDLE or not wait_s:
            self._give_up(stream.session.name)
            return
        loop = asyncio.get_running_loop()
        entry.end = loop.call_later(wait_s, self._give_up, stream.session.name)
        waiting = [name for name, other in self._entries.items() if other.line is None]
        for name in waiting[: max(0, len(waiting) - WAITING_MAX)]:
            self._give_up(name)

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

    def end(self, reason: CloseReason) -> None:
        """End every session; those with a client still say what they heard."""
        for name, entry in list(self._entries.items()):
            if entry.line is None:  # another daemon may take it up
                self._remove(name).leave()
            else:
                entry.stream.session.end(reason)
                entry.stream.advance()

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
        """Return the session of a daemon that is gone, from the journal, if it is the client's."""
        kept = self._house.journal.read(name) if self._house.journal else None
        if kept is None or name in self._entries:
            return None
        opening, snapshot = kept
        if not _may(secret, opening.token_sha256) or opening.grant != grant.name:
            return None
        identity = Identity(name, grant, f"{name}.{secret}", opening.token_sha256)
        stream = Stream(identity, self._offer(), self._house)
        try:
            stream.restore(snapshot)
        except OverloadedError as error:
            instead_of.session.refuse_overloaded(error)
            instead_of.advance()
            return None
        self._entries[name] = _Entry(stream)
        return self._entries[name]


def _may(secret: str, digest: str) -> bool:
    """Return whether a secret is the right one, in a time that tells nothing."""
    return bool(digest) and hmac.compare_digest(digest, _digest(secret))


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse(stream: Stream, message: str, *, expected: str, found: str) -> None:
    """Let a connection that cannot have its session say so, unless it has said why already."""
    if stream.session.state is State.IDLE:
        stream.session.refuse(ErrorCode.NOT_RESUMABLE, message, expected=expected, found=found)
        stream.advance()
