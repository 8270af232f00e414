"""Takes messages from a WebSocket in turn with everybody else, and not too many of them."""

import asyncio

from aiohttp import WSMessage, WSMsgType, web

from steno_daemon.limits import MessageRate
from steno_daemon.transports.patience import Patience

MOMENT_S = 0.0005
"""A frame that took longer to come was waited for, and meanwhile others had their turn."""


class Receiver:
    """Takes the messages of one socket.

    A client may send ten thousand frames at once. aiohttp has them all in memory then and would
    hand them out without ever letting the event loop go on; here each of them waits for its turn.

    Args:
        socket: made with `autoping=False`.
        rate: counts pings and pongs; the caller counts what else is not audio.
    """

    def __init__(self, socket: web.WebSocketResponse, rate: MessageRate) -> None:
        self._socket = socket
        self._rate = rate
        self._patience = Patience()
        self._clock = asyncio.get_running_loop().time

    async def receive(self, timeout_s: float | None = None) -> WSMessage:
        """Return the next message that is neither ping nor pong; those are answered and counted.

        Args:
            timeout_s: without a frame.

        Raises:
            TimeoutError: nothing came.
            LimitError: too many pings or pongs came.
            ClientConnectionError: the client went away while it was answered.
        """
        while True:
            with self._patience.of(timeout_s):
                message = await self._socket.receive()
            if self._clock() - self._patience.began_s < MOMENT_S:
                await asyncio.sleep(0)
            if message.type not in {WSMsgType.PING, WSMsgType.PONG}:
                return message
            self._rate.take()
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
