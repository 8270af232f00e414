"""The daemon's one port: sessions, viewers, captions, pages, health and figures.

A connection that does not come to the point within `Deadlines.request_s` is cut off, so that one
who dribbles bytes holds nothing; everything else about HTTP is aiohttp's.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from aiohttp import HttpVersion11, web

from steno_daemon.administration import Administration
from steno_daemon.auth import Grant, Scope
from steno_daemon.captions.hub import Hub
from steno_daemon.dialects.door import Door
from steno_daemon.limits import Deadlines
from steno_daemon.metrics import Metrics
from steno_daemon.redaction import hush_aiohttp
from steno_daemon.streams import Streams
from steno_daemon.transports.admin import Office
from steno_daemon.transports.exports import Exports
from steno_daemon.transports.gate import Gate, Handler
from steno_daemon.transports.pages import PAGES, Pages
from steno_daemon.transports.reception import Reception
from steno_daemon.transports.terms import Terms
from steno_daemon.transports.watching import Gallery
from steno_daemon.wire import CloseReason

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 75.0
VIEWERS_LEAVE_S = 1.0
"""Time for those who wait for a session that will not come to be told so."""
SPARE_CONNECTIONS = 1_000
"""Plain connections beyond those of sessions and viewers; a further one is cut off."""

Facts = Callable[[], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the port gives access to.

    Attributes:
        streams: the sessions.
        hub: their captions.
        metrics: the counters.
        exports: captions as files.
        health: answers `/healthz`; its `status` is "ok" when sessions are let in.
        status: answers `/status`.
        administration: answers `/admin`.
    """

    streams: Streams
    hub: Hub
    metrics: Metrics
    exports: Exports
    health: Facts
    status: Facts
    administration: Administration


class HttpTransport:
    """Serves the port on bound sockets.

    Args:
        rooms: what it gives access to.
        gate: who is let in where.
        terms: what a connection may do.
        doors: of dialects that are spoken beside the daemon's own.
    """

    def __init__(self, rooms: Rooms, gate: Gate, terms: Terms, doors: Sequence[Door] = ()) -> None:
        self._rooms = rooms
        self._gate = gate
        self._terms = terms
        self._doors = {door.name: door for door in doors}
        self._reception = Reception(rooms.streams, gate, terms)
        self._pages = Pages()
        self._office = Office(rooms.administration, terms.messages_per_s)
        self._gallery = Gallery(rooms.hub, rooms.metrics, terms.max_viewers)
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._runners = {"": _runner(self._application())}
        for name, door in self._doors.items():
            self._runners[name] = _runner(self._application_of(door))
        self._servers: list[asyncio.Server] = []
        hush_aiohttp()

    async def listen(
        self, bound: socket.socket, tls: ssl.SSLContext | None = None, *, dialect: str = ""
    ) -> None:
        """Begin to accept connections on a bound socket.

        Args:
            bound: where.
            tls: to encrypt them.
            dialect: the only one that is spoken there; left out, everything is served.
        """
        runner = self._runners[dialect]
        if runner.server is None:
            await runner.setup()
        handshake_s = Deadlines().tls_handshake_s if tls else None
        self._servers.append(
            await asyncio.get_running_loop().create_server(
                partial(self._protocol, runner),
                sock=bound,
                ssl=tls,
                ssl_handshake_timeout=handshake_s,
            )
        )

    async def drain(self, timeout_s: float) -> None:
        """Accept nobody more; sessions are left to the next daemon, or say what they heard."""
        for server in self._servers:
            server.close()
        streams = self._rooms.streams
        streams.go_down()
        try:
            async with asyncio.timeout(timeout_s):
                await streams.nobody_connected()
        except TimeoutError:
            count = len(streams.connected)
            logger.warning("%d sessions did not end within %s s", count, timeout_s)
            streams.abort()
        for topic in self._rooms.hub.topics():
            topic.end(CloseReason.SHUTDOWN)
        for runner in self._runners.values():
            if runner.server is None:
                continue  # nobody ever came this way
            await runner.shutdown()
            await runner.cleanup()

    def withdraw(self, is_good: Callable[[Grant, Scope], bool]) -> None:
        """End what runs under tokens that were taken back."""
        self._rooms.streams.withdraw(lambda grant: is_good(grant, Scope.RECOGNISE))
        self._gallery.withdraw(lambda grant: is_good(grant, Scope.WATCH))

    @property
    def viewers(self) -> int:
        """How many watch now."""
        return self._gallery.count

    def _protocol(self, runner: web.AppRunner) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection, which has to come to the point."""
        server = runner.server
        assert server is not None  # noqa: S101 — `listen` has set it up
        protocol = server()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(Deadlines().request_s, self._cut_off, protocol)
        if len(server.connections) > self._most_connections:
            loop.call_soon(self._cut_off, protocol)
        return protocol

    @property
    def _most_connections(self) -> int:
        return self._terms.max_connections + self._terms.max_viewers + SPARE_CONNECTIONS

    def _cut_off(self, protocol: asyncio.BaseProtocol) -> None:
        """End a connection that has said nothing yet."""
        if self._silent.pop(protocol, None) is not None:
            transport = getattr(protocol, "transport", None)
            if transport is not None:
                transport.abort()

    def _application(self) -> web.Application:
        """Return the routes."""
        rooms, needs = self._rooms, self._gate.needs
        app = self._bare_application()
        get = partial(app.router.add_get, expect_handler=_leave_to_go_on)
        get("/", self._front)
        for path in PAGES.keys() - {"/"}:
            get(path, self._pages.page)
        get("/web/{name}", self._pages.file)
        get("/healthz", self._health)
        get("/readyz", self._readiness)
        get("/status", needs(Scope.ADMIN, self._status))
        get("/metrics", needs(Scope.ADMIN, self._metrics))
        get("/admin", self._admin)
        post = needs(Scope.ADMIN, self._office.post)
        app.router.add_post("/admin", post, expect_handler=_leave_to_go_on)
        get("/sessions", needs(Scope.WATCH, rooms.exports.sessions))
        get("/watch/{session}", self._watch)
        get("/captions/{session}/index.m3u8", needs(Scope.WATCH, rooms.exports.playlist))
        get(r"/captions/{session}/segment-{n:\d+}.vtt", needs(Scope.WATCH, rooms.exports.segment))
        get("/captions/{session}.{form:vtt|srt}", needs(Scope.WATCH, rooms.exports.whole))
        for door in self._doors.values():
            get(door.path, self._reception.foreign(door))
        _add_rest(app, self._elsewhere)
        return app

    def _application_of(self, door: Door) -> web.Application:
        """Return the routes of a port of its own, where every path is the same."""
        app = self._bare_application()
        foreign = self._reception.foreign(door)
        app.router.add_get("/{rest:.*}", foreign, expect_handler=_leave_to_go_on)
        _add_rest(app, _nothing_but_get)
        return app

    def _bare_application(self) -> web.Application:
        app = web.Application(middlewares=[self._arrived, self._gate.middleware])
        app.on_response_prepare.append(self._gate.dress)
        return app

    @web.middleware
    async def _arrived(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that the connection has come to the point."""
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

    async def _front(self, request: web.Request) -> web.StreamResponse:
        """Answer the root: a session for a WebSocket, the caption page for a browser."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._reception.native(request)
        return await self._pages.page(request)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Answer a viewer, whose token may be taken back while it watches."""
        return await self._gallery.watch(request, self._gate.admit(request, Scope.WATCH))

    async def _admin(self, request: web.Request) -> web.StreamResponse:
        """Let an administrator call over a WebSocket."""
        grant = self._gate.admit(request, Scope.ADMIN)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPUpgradeRequired(
                text="expected a WebSocket, or POST with a call such as "
                '{"type": "list_domains"}, found GET\n'
            )
        return await self._office.converse(
            request, grant, lambda held: self._gate.holds(held, Scope.ADMIN)
        )

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return _json(self._rooms.health())

    async def _readiness(self, _: web.Request) -> web.StreamResponse:
        facts = self._rooms.health()
        return _json(facts, status=200 if facts["status"] == "ok" else 503)

    async def _status(self, _: web.Request) -> web.StreamResponse:
        return _json(self._rooms.status())

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        content_type, body = self._rooms.metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _elsewhere(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound(
            text="expected /, /overlay, /sessions, /watch/…, /captions/…, /status, /admin, "
            "/metrics, /readyz or /healthz, found another path\n"
        )


def _add_rest(app: web.Application, handler: Handler) -> None:
    """Let a handler answer whatever no other route does."""
    app.router.add_route("*", "/{rest:.*}", handler, expect_handler=_leave_to_go_on)


async def _nothing_but_get(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])


async def _leave_to_go_on(request: web.Request) -> None:
    """Answer a client that asks for leave before it sends a body.

    aiohttp would repeat whatever else is expected, and break over what is not UTF-8.
    """
    if request.version != HttpVersion11:
        return
    if request.headers["Expect"].lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="expected Expect: 100-continue, found another\n")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # that was no answer yet


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(
        app, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=VIEWERS_LEAVE_S
    )


def _json(facts: Mapping[str, object], *, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(facts),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
