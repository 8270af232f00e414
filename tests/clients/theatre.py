"""A daemon that plays: one act for each connection, and no recogniser behind it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as open_server
from websockets.http11 import Request, Response

from steno_daemon.wire import Closed, CloseReason, Final, encode

Act = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Theatre:
    """A daemon that plays one act for each connection, and keeps what it was asked for."""

    acts: list[Act | HTTPStatus]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def door(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        self.tokens.append(request.headers.get("Authorization"))
        act = self.acts[0]
        if isinstance(act, HTTPStatus):
            self.acts.pop(0)
            return connection.respond(act, "no\n")
        return None

    async def play(self, connection: ServerConnection) -> None:
        act = self.acts.pop(0)
        assert not isinstance(act, HTTPStatus)
        await act(connection)


@asynccontextmanager
async def theatre(*acts: Act | HTTPStatus) -> AsyncIterator[Theatre]:
    """A daemon on a free port; an act that is a status refuses the connection with it."""
    found = Theatre(list(acts))
    async with open_server(
        found.play, "127.0.0.1", 0, process_request=found.door, close_timeout=0.1
    ) as server:
        found.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


def watching(session: str = "s", *, channels: int = 1) -> str:
    """What a viewer is told first."""
    return json.dumps(
        {
            "type": "watching",
            "session": session,
            "label": f"talk {session}",
            "language_model": "general",
            "channels": channels,
        }
    )


def final(seq: int, text: str, *, channel: int = 0) -> str:
    return encode(
        Final(
            seq=seq,
            segment=seq,
            channel=channel,
            text=text,
            start=float(seq),
            end=seq + 0.5,
            confidence=1.0,
        )
    )


def closed(seq: int) -> str:
    return encode(Closed(seq=seq, reason=CloseReason.STOPPED))


def says(*frames: str) -> Act:
    """Says all this and closes as it should."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)

    return act


def breaks(*frames: str) -> Act:
    """Says all this, and the connection is gone."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await (await connection.ping())  # what was said has arrived
        connection.transport.abort()

    return act


def closes(code: int, *frames: str) -> Act:
    """Says all this and closes with a code."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await connection.close(code)

    return act
