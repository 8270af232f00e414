"""Takes messages from a WebSocket in turn with everybody else, and not too many of them."""

import asyncio

from aiohttp import WSMessage, WSMsgType, web

from steno_daemon.limits import MessageRate


async def receive(
    socket: web.WebSocketResponse, rate: MessageRate, timeout_s: float | None = None
) -> WSMessage:
    """Return the next message that is neither a ping nor a pong; those are answered and counted.

    A client may send ten thousand frames at once. aiohttp has them all in memory then and would
    hand them out without ever letting the event loop go on; here every frame waits for its turn.

    Args:
        socket: made with `autoping=False`.
        rate: counts pings and pongs; the caller counts what else is not audio.
        timeout_s: without a frame.

    Raises:
        TimeoutError: nothing came.
        LimitError: too many pings or pongs came.
        ClientConnectionError: the client went away while it was answered.
    """
    while True:
        message = await socket.receive(timeout_s)
        await asyncio.sleep(0)
        if message.type not in {WSMsgType.PING, WSMsgType.PONG}:
            return message
        rate.take()
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
