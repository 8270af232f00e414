"""A wire between a browser and the daemon that a test cuts and mends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Wire:
    """Passes bytes both ways while it is whole.

    Attributes:
        url: where browsers connect.
        tried: is set when somebody tries in vain.
    """

    def __init__(self) -> None:
        self._target = ("", 0)
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_whole = True
        self.tried = asyncio.Event()
        self.url = ""

    def lead_to(self, url: str) -> None:
        """Let who comes from now on find the daemon at `ws://HOST:PORT`."""
        host, _, port = url.removeprefix("ws://").partition(":")
        self._target = (host, int(port))

    def cut(self) -> None:
        """Break every connection, and let nobody through."""
        self._is_whole = False
        self.tried.clear()
        self.snap()

    def snap(self) -> None:
        """Break every connection; who comes again gets through."""
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let everybody through again."""
        self._is_whole = True

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if not self._is_whole:
            self.tried.set()
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            self._writers -= {writer, back}

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[Wire]:
    """Lay a wire to a daemon at `ws://HOST:PORT`."""
    wire = Wire()
    wire.lead_to(url)
    server = await asyncio.start_server(wire.accept, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
