"""Calls of administrators: frames of a WebSocket, or the body of a POST, at `/admin`."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, web

from steno_daemon import wire
from steno_daemon.administration import Administration
from steno_daemon.auth import Grant
from steno_daemon.errors import LimitError, WireError
from steno_daemon.limits import MessageRate
from steno_daemon.transports.receiving import Receiver
from steno_daemon.wire import MAX_TEXT_BYTES, ErrorCode

IDLE_S = 300.0
STATUSES = {
    ErrorCode.UNKNOWN_LANGUAGE_MODEL: HTTPStatus.NOT_FOUND,
    ErrorCode.UNKNOWN_SESSION: HTTPStatus.NOT_FOUND,
    ErrorCode.LANGUAGE_MODEL_FAILED: HTTPStatus.CONFLICT,
    ErrorCode.LANGUAGE_MODEL_FIXED: HTTPStatus.CONFLICT,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


class Office:
    """Where administrators call.

    Args:
        administration: does what they say.
        messages_per_s: that one connection may send, in the mean.
    """

    def __init__(self, administration: Administration, messages_per_s: int) -> None:
        self._administration = administration
        self._messages_per_s = messages_per_s

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        text = await request.content.read(MAX_TEXT_BYTES + 1)
        while len(text) <= MAX_TEXT_BYTES and (more := await request.content.read(MAX_TEXT_BYTES)):
            text += more
        answer = await self._answer(text)
        status = HTTPStatus.OK
        if isinstance(answer, wire.Refused):
            status = STATUSES.get(answer.code, HTTPStatus.BAD_REQUEST)
        return web.Response(
            text=wire.encode(answer),
            status=status,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def converse(
        self, request: web.Request, grant: Grant, is_good: Callable[[Grant], bool]
    ) -> web.StreamResponse:
        """Answer calls until the client leaves, or its token is taken back."""
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=MAX_TEXT_BYTES + 1
        )
        await socket.prepare(request)
        rate = MessageRate(self._messages_per_s)
        receiver = Receiver(socket, rate)
        code, why = WSCloseCode.OK, ""
        try:
            while True:
                message = await receiver.receive(IDLE_S)
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                rate.take()
                if not is_good(grant):
                    code, why = WSCloseCode.POLICY_VIOLATION, "the token was taken back"
                    break
                await socket.send_str(wire.encode(await self._answer(message.data)))
        except (TimeoutError, ClientConnectionError):
            code = WSCloseCode.GOING_AWAY
        except LimitError as error:
            code, why = WSCloseCode.POLICY_VIOLATION, str(error)
        except asyncio.CancelledError:
            await socket.close(code=WSCloseCode.GOING_AWAY)
            raise
        await socket.close(code=code, message=why.encode()[:120])
        return socket

    async def _answer(self, text: bytes | str) -> wire.AdminAnswer:
        try:
            call = wire.decode_call(text)
        except WireError as error:
            return wire.Refused(
                code=ErrorCode(error.code),
                message=error.message,
                expected=error.expected,
                found=error.found,
            )
        return await self._administration.answer(call)
