"""The WebSocket server: one connection is one session.

Three things run for a connection: a reader, which takes no more audio than the session can decode
soon; a writer; and the wait for the connection to end, which ends the other two. Whatever happens
to a client, its session is given up here and leaves nothing behind.
"""

import asyncio
import logging
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Origin

from steno_daemon.dialects.dialect import Dialect
from steno_daemon.dialects.native import NativeDialect
from steno_daemon.stream import Stream
from steno_daemon.wire import Closed, CloseReason

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
PING_INTERVAL_S = 20
# A pong waits behind the audio that a fast client sent before it, and that may be a minute's worth.
PING_TIMEOUT_S = 120
QUEUE_FRAMES = 4
CLOSE_CODES = {
    CloseReason.STOPPED: 1000,
    CloseReason.IDLE: 1000,
    CloseReason.SHUTDOWN: 1001,
    CloseReason.FAILED: 1011,
    CloseReason.REFUSED: 1013,
}
LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
"""Pages that this machine serves; others need to be named, lest any web page may listen in."""

OpenStream = Callable[[str], Stream]
Health = Callable[[], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do.

    Attributes:
        max_frame_bytes: the largest message; a larger one ends the connection with code 1009.
        idle_timeout_s: after so long without any message the session ends.
        origins: web pages that may connect besides those of this machine.
        max_connections: further ones get the HTTP status 503.
    """

    max_frame_bytes: int = 4 * 1024 * 1024
    idle_timeout_s: float = 300.0
    origins: tuple[str, ...] = ()
    max_connections: int = 100


class WebSocketTransport:
    """Accepts connections on one socket.

    Args:
        open_stream: gives a new session of that name its stream.
        health: what `/healthz` answers.
        limits: of every connection.

    Attributes:
        streams: the sessions that have a connection now.
    """

    def __init__(self, open_stream: OpenStream, health: Health, limits: Limits) -> None:
        self._open_stream = open_stream
        self._health = health
        self._limits = limits
        self.streams: set[Stream] = set()

    async def listen(self, bound: socket.socket) -> Server:
        """Begin to accept connections on a bound socket."""
        named = [Origin(origin) for origin in self._limits.origins]
        return await serve(
            self._converse,
            sock=bound,
            origins=[None, LOCAL_ORIGIN, *named],
            compression=None,  # audio hardly shrinks
            process_request=self._answer_http,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            max_size=self._limits.max_frame_bytes,
            max_queue=QUEUE_FRAMES,
        )

    async def drain(self, server: Server, timeout_s: float) -> None:
        """Accept nobody more, let every session say what it heard, and end them."""
        server.close(close_connections=False)
        for stream in self.streams:
            stream.session.end(CloseReason.SHUTDOWN)
            stream.advance()
        try:
            async with asyncio.timeout(timeout_s):
                await server.wait_closed()
        except TimeoutError:
            logger.warning("%d sessions did not end within %s s", len(self.streams), timeout_s)
            for connection in server.connections:
                connection.transport.abort()
            await server.wait_closed()

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a plain request; None lets the connection become a WebSocket."""
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            body = msgspec.json.encode(self._health())
            headers = Headers(
                [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            )
            return Response(HTTPStatus.OK, "OK", headers, body)
        if path != "/":
            return connection.respond(
                HTTPStatus.NOT_FOUND, f"expected / or {HEALTH_PATH}, found {path}\n"
            )
        if len(self.streams) >= self._limits.max_connections:
            return connection.respond(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"expected fewer than {self._limits.max_connections} connections, try later\n",
            )
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        """Run one session from the first message to the end of its connection."""
        name = secrets.token_hex(8)
        stream = self._open_stream(name)
        dialect = NativeDialect()
        self.streams.add(stream)
        stream.log.info("connected")
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(connection, stream, dialect))
                writer = tasks.create_task(_write(connection, stream, dialect))
                await connection.wait_closed()
                reader.cancel()
                writer.cancel()
        finally:
            self.streams.discard(stream)
            stream.leave()
            stream.log.info("gone, close code %s", connection.close_code)

    async def _read(self, connection: ServerConnection, stream: Stream, dialect: Dialect) -> None:
        """Take what the client sends until it goes or is silent for too long."""
        try:
            while True:
                async with asyncio.timeout(self._limits.idle_timeout_s):
                    frame = await connection.recv()
                for piece in dialect.pieces(frame):
                    await stream.room()
                    dialect.receive(stream.session, piece)
                    stream.advance()
        except ConnectionClosed:
            return
        except TimeoutError:
            stream.session.end(CloseReason.IDLE)
        except Exception:
            stream.log.exception("a fault of the daemon")
            stream.break_off()
        stream.advance()


async def _write(connection: ServerConnection, stream: Stream, dialect: Dialect) -> None:
    """Send what the session says; after its last word, close the connection."""
    try:
        while True:
            for event in await stream.events():
                for frame in dialect.encode(event):
                    await connection.send(frame)
                if isinstance(event, Closed):
                    await connection.close(CLOSE_CODES[event.reason], event.reason.value)
                    return
    except ConnectionClosed:
        return
