"""Lets clients of every dialect in: tokens, room, and the WebSocket that a session runs on."""

import secrets
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web

from steno_daemon.auth import Grant, Scope
from steno_daemon.dialects.door import Door, Hello, Refusal, Welcome
from steno_daemon.dialects.native import NativeDialect
from steno_daemon.errors import StenoDaemonError
from steno_daemon.streams import Streams
from steno_daemon.transports.gate import Gate, Handler
from steno_daemon.transports.terms import Terms
from steno_daemon.transports.websocket import WebSocketConnection


class Reception:
    """Runs sessions for who comes to the port.

    Args:
        streams: where sessions come from.
        gate: who is let in.
        terms: what a connection may do.
    """

    def __init__(self, streams: Streams, gate: Gate, terms: Terms) -> None:
        self._streams = streams
        self._gate = gate
        self._terms = terms

    async def native(self, request: web.Request) -> web.StreamResponse:
        """Run a session in the daemon's own dialect."""
        grant = self._gate.admit(request, Scope.RECOGNISE)
        return await self._converse(request, grant, Welcome(NativeDialect()))

    def foreign(self, door: Door) -> Handler:
        """Return what runs a session in another dialect, and refuses in that dialect's form."""

        async def answer(request: web.Request) -> web.StreamResponse:
            hello = _hello(request)
            if request.headers.get("Upgrade", "").lower() != "websocket":
                return web.Response(
                    status=HTTPStatus.UPGRADE_REQUIRED,
                    text=f"expected a WebSocket for the dialect {door.name}, found a request\n",
                    headers={"Upgrade": "websocket"},
                )
            try:
                grant = self._gate.grant(door.token(hello), Scope.RECOGNISE)
                welcome = door.welcome(hello)
                self._streams.check_room(grant)
            except StenoDaemonError as error:
                return _response(door.refusal(hello, error))
            return await self._converse(request, grant, welcome)

        return answer

    async def _converse(
        self, request: web.Request, grant: Grant, welcome: Welcome
    ) -> web.StreamResponse:
        """Run a session in what was agreed on."""
        most = self._terms.max_connections
        if len(self._streams.connected) >= most:
            raise web.HTTPServiceUnavailable(
                text=f"expected fewer than {most} connections, try later\n",
                headers={"Retry-After": "5"},
            )
        return await WebSocketConnection(self._streams, welcome, self._terms).converse(
            request, grant
        )


def _hello(request: web.Request) -> Hello:
    """Return a request as plain values."""
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return Hello(
        query=tuple(request.query.items()),
        headers=request.headers,
        subprotocols=tuple(part.strip() for part in offered.split(",") if part.strip()),
        id=secrets.token_hex(16),
        at=datetime.now(UTC),
    )


def _response(refusal: Refusal) -> web.Response:
    return web.Response(
        status=refusal.status,
        text=refusal.body,
        content_type=refusal.content_type,
        headers=refusal.headers,
    )
