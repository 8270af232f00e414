"""The captions of a session that somebody else holds, over as many connections as it takes."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from steno_clients.connection import Door, open_connection
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineError,
    NotFoundError,
    ProtocolError,
    StenoClientsError,
)
from steno_clients.resumption import Outage, Resumption
from steno_daemon.wire import Closed, Endpoint, Final, ServerMessage, SpeechStarted

logger = logging.getLogger(__name__)

LIVE = "live"
"""Stands for the newest session that runs, or for the next one that begins."""
PATIENCE_S = 60.0
_SOUND_S = 5.0
"""A connection that lasted so long was good; the next interruption is another one."""
_MISSED = 1013
"""Close code for a viewer who wants events that are no longer kept."""


class Watching(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="watching"):
    """What the daemon says first: the events that follow are of this session."""

    session: str
    label: str = ""
    language_model: str = ""
    channels: int = 1


Message: TypeAlias = Watching | ServerMessage
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class Onlooker(Protocol):
    """Whoever is shown a session that is watched."""

    def begin(self, about: Watching) -> None:
        """Notice that the events that follow are of this session."""

    def show(self, event: ServerMessage) -> None:
        """Notice an event."""


class Watch:
    """Yields what is said about a session; a connection that breaks is replaced.

    A session ends with its `closed`. Whoever watches `LIVE` gets `Watching` and the next session
    after that, for ever.

    Args:
        door: where the daemon is.
        session: its name, or `LIVE`.
        resumption: how often and how long another connection is tried.
        pause: waits between tries.
        notice: told that the connection broke, and by an empty text that it is there again.
    """

    def __init__(
        self,
        door: Door,
        session: str = LIVE,
        *,
        resumption: Resumption | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._door = door
        self._wanted = session
        self._resumption = resumption or Resumption(resume_s=PATIENCE_S)
        self._pause = pause
        self._notice = notice
        self._session = session
        self._after = -1
        self._known = -1
        self._announced = ""
        self._outage: Outage | None = None
        self._was_connected = False

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield `Watching` and the events after it.

        Raises:
            ConnectionFailedError: nobody answers, or we may not watch, or nobody speaks there.
            ConnectionLostError: the connection broke, and no other one came about for long.
            ProtocolError: this is no message of a daemon.
        """
        while True:
            socket = await self._connect()
            try:
                async with aclosing(self._receive(socket)) as messages:
                    async for message in messages:
                        yield message
                        if isinstance(message, Closed) and self._wanted != LIVE:
                            return
            finally:
                await socket.close()

    async def _connect(self) -> ClientConnection:
        """Return a connection to the session, or to the next one; tries for a while."""
        while True:
            try:
                socket = await open_connection(self._place())
            except NotFoundError as error:
                if self._wanted != LIVE or self._session == LIVE:
                    raise NotFoundError(
                        f"expected a session that runs or ended lately, found none called "
                        f"{self._session}; `steno watch --list` shows them"
                    ) from None
                self._forget(LIVE)  # the daemon was started anew and does not know it
                await self._wait(error)
            except AccessDeniedError:
                raise
            except (ConnectionFailedError, DeadlineError) as error:
                if not self._was_connected:
                    raise
                await self._wait(error)
            else:
                self._was_connected = True
                return socket

    async def _wait(self, failure: StenoClientsError) -> None:
        """Wait until it is time for another try; raises the failure if it is too late for one."""
        now_s = asyncio.get_running_loop().time()
        if self._outage is None:
            limit_s = self._resumption.limit_s(PATIENCE_S)
            self._outage = Outage(self._resumption, now_s + limit_s)
            self._notice("the connection broke; trying again")
        delay_s = self._outage.next_delay_s(now_s)
        if delay_s is None:
            raise failure
        await self._pause(delay_s)

    async def _receive(self, socket: ClientConnection) -> AsyncGenerator[Message, None]:
        """Yield what is new until the connection ends; if it should not have, wait a little."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        has_ended = False
        close = ""
        try:
            async for frame in socket:
                message = _decode(frame)
                has_ended = isinstance(message, Closed)
                if self._is_new(message):
                    yield message
        except ConnectionClosed as error:
            close = f": {error}"
        if socket.close_code == _MISSED:
            logger.warning("some captions are missing here: this viewer was too slow for them")
            self._known, self._after = max(self._known, self._after), -1
        if clock() - began_s > _SOUND_S:
            self._outage = None
        if not has_ended:
            await self._wait(
                ConnectionLostError(
                    f"expected captions until the session ends, found the connection lost{close}",
                    code=socket.close_code,
                )
            )

    def _is_new(self, message: Message) -> bool:
        """Note where the stream of events is; returns whether a message was not seen before."""
        match message:
            case Watching(session=session):
                self._notice("")
                if session != self._session:
                    self._forget(session)
                is_new = session != self._announced
                self._announced = session
                return is_new
            case SpeechStarted() | Final() | Endpoint():
                self._outage = None
                self._after = message.seq
                return message.seq > self._known
            case Closed():
                self._forget(self._wanted)
                return True
            case _:
                return True

    def _forget(self, session: str) -> None:
        """Begin with another session."""
        self._session, self._after, self._known = session, -1, -1

    def _place(self) -> Door:
        """Return where the session can be watched from here on."""
        parts = urlsplit(self._door.url)
        path = f"{parts.path.rstrip('/')}/watch/{quote(self._session, safe='')}"
        query = f"after={self._after}" if self._after >= 0 else ""
        url = urlunsplit((parts.scheme, parts.netloc, path, query, ""))
        return replace(self._door, url=url)


async def show(watch: Watch, onlookers: Iterable[Onlooker], *, sessions: int | None = None) -> None:
    """Show what is watched to everybody until it ends.

    Args:
        watch: what is watched.
        onlookers: are shown every event.
        sessions: after so many it ends; None if it may go on for ever.
    """
    onlookers = list(onlookers)
    async with aclosing(watch.messages()) as messages:
        async for message in messages:
            for onlooker in onlookers:
                if isinstance(message, Watching):
                    onlooker.begin(message)
                else:
                    onlooker.show(message)
            if isinstance(message, Closed) and sessions is not None:
                sessions -= 1
                if sessions <= 0:
                    return


def _decode(frame: str | bytes) -> Message:
    """Return the message of a text frame."""
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"expected a message of a daemon: {error}") from error
