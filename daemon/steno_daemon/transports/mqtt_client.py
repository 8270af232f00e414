"""aiomqtt's client, which leaves it to its errors to say that a connection broke.

By itself it also puts a line of its own into the log, asyncio's complaint of an exception that
nobody asked for where nobody was reading just then, and a traceback where a socket is gone before
the event loop could look at it. None of that is news to who handles the errors.
"""

import contextlib
import logging
from types import TracebackType
from typing import Any

from aiomqtt import Client

SILENT = logging.getLogger(f"{__name__}.aiomqtt")
SILENT.setLevel(logging.CRITICAL)


class QuietClient(Client):
    """A connection to a broker; the arguments are aiomqtt's, `logger` had better be SILENT."""

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

    def _on_socket_register_write(
        self,
        client: Any,  # noqa: ANN401
        userdata: Any,  # noqa: ANN401
        sock: Any,  # noqa: ANN401
    ) -> None:
        """Watch a socket, if it is still there when the loop, in its own thread, comes to that."""
        del userdata

        def watch() -> None:
            if sock.fileno() >= 0:
                with contextlib.suppress(OSError):
                    self._loop.add_writer(sock.fileno(), self._write, client)

        self._loop.call_soon_threadsafe(watch)

    def _write(self, client: Any) -> None:  # noqa: ANN401
        """Send what waits; where that fails, the connection is over."""
        try:
            client.loop_write()
        except Exception as error:  # noqa: BLE001 — whoever uses the client is told
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
