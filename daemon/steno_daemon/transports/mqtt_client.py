"""aiomqtt's client, which leaves it to its errors to say that a connection broke.

By itself it also puts a line of its own into the log, asyncio's complaint of an exception that
nobody asked for where nobody was reading just then, and a traceback where a socket is gone before
the event loop could look at it. None of that is news to who handles the errors.

What is said goes out at once rather than when the event loop has asked the system whether it may.
Audio is many messages, and for each of them aiomqtt would make a task that waits for the next one:
`ListeningClient` takes them as they come, most of them without paho: see `mqtt_inlet`.
"""

import asyncio
import contextlib
import logging
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from types import TracebackType
from typing import Any, Self, TypeVar

from aiomqtt import Client, MqttCodeError, MqttError
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage

from steno_daemon.transports.mqtt_inlet import Inlet
from steno_daemon.transports.mqtt_link import Delivery, offset_of

SILENT = logging.getLogger(f"{__name__}.aiomqtt")
SILENT.setLevel(logging.CRITICAL)
WAITING_MAX = 10_000
"""Messages that wait to be read; further ones are lost, which takes a daemon that hangs."""

Answer = TypeVar("Answer")


class QuietClient(Client):
    """A connection to a broker; the arguments are aiomqtt's, `logger` had better be SILENT."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 — those of aiomqtt
        super().__init__(*args, **options)
        self._thread = threading.get_ident()
        self._sent = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Join the broker; whom it threw out meanwhile finds the connection at its end.

        aiomqtt would forget that, and who waits for messages would wait for ever.
        """
        if self._disconnected.done() and not self._lock.locked():
            self._disconnected = asyncio.Future()  # that was the connection before
        end = self._disconnected
        await super().__aenter__()
        self._disconnected = end
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Leave the broker, and ask for the reason if it left first."""
        try:
            await super().__aexit__(exc_type, exc, tb)
        finally:
            end = self._disconnected
            if end.done() and not end.cancelled():
                end.exception()

    async def _wait_for(self, fut: Awaitable[Answer], timeout: float | None) -> Answer:  # noqa: ASYNC109
        """Wait for an answer; before Python 3.12 `asyncio.wait_for` would forget cancellations."""
        limit_s = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if limit_s == math.inf else limit_s):
                return await fut
        except TimeoutError:
            raise MqttError("Operation timed out") from None

    def _on_socket_register_write(
        self,
        client: Any,  # noqa: ANN401
        userdata: Any,  # noqa: ANN401
        sock: Any,  # noqa: ANN401
    ) -> None:
        """Send what waits; what the socket does not take now goes out as soon as it does.

        paho connects in a thread of its own: what is said there is sent by the loop, if the socket
        is still there when the loop comes to that.
        """
        del userdata

        def watch() -> None:
            if sock.fileno() >= 0:
                with contextlib.suppress(OSError):
                    self._loop.add_writer(sock.fileno(), self._write, client)

        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(watch)
            return
        self._write(client)
        if client.want_write():
            watch()

    def _write(self, client: Any) -> None:  # noqa: ANN401
        """Send what waits; where that fails, the connection is over."""
        try:
            client.loop_write()
        except Exception as error:  # noqa: BLE001 — whoever uses the client is told
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
        if not client.want_write():
            self._sent.set()


class ListeningClient(QuietClient):
    """The same, for who hears and says much: `arrivals` stands in the place of `messages`."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 — those of aiomqtt
        super().__init__(*args, **options)
        self._waiting: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._inlet = Inlet(self._client, self._take)

    async def arrivals(self) -> AsyncIterator[Delivery]:
        """Yield what came and comes.

        Raises:
            MqttError: the broker is gone.
        """
        end = self._disconnected
        end.add_done_callback(lambda _: self._news.set())
        while True:
            while not self._waiting:
                if end.done():
                    raise MqttError("Disconnected during message iteration") from end.exception()
                self._news.clear()
                await self._news.wait()
            yield self._waiting.popleft()

    async def let_pass(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish what nobody confirms; returns once it is on its way.

        Raises:
            MqttError: the broker is gone.
            ValueError: there is no such topic.
        """
        paho = self._client
        confirm, paho.on_publish = paho.on_publish, None  # what it is told takes long to make
        try:
            info = paho.publish(topic, payload, 0, retain)
        finally:
            paho.on_publish = confirm
        if info.rc != MQTT_ERR_SUCCESS:
            raise MqttCodeError(info.rc, "Could not publish message")
        while paho.want_write():
            self._sent.clear()
            await self._wait_for(self._sent.wait(), None)

    def _on_message(
        self,
        client: Any,  # noqa: ANN401, ARG002
        userdata: Any,  # noqa: ANN401, ARG002
        message: MQTTMessage,
    ) -> None:
        """Let a message wait to be read."""
        said = getattr(message.properties, "UserProperty", ())
        self._wait(Delivery(message.topic, bytes(message.payload), message.retain, offset_of(said)))

    def _take(self, topic: str, payload: bytes, is_retained: bool) -> None:  # noqa: FBT001
        """Let a message wait to be read that has no properties."""
        self._wait(Delivery(topic, payload, is_retained))

    def _wait(self, delivery: Delivery) -> None:
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(delivery)
            self._news.set()
