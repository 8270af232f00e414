"""A daemon in the test's own event loop, on a port that the system chose."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from steno_clients import admin
from steno_clients.connection import Door
from steno_daemon import wire
from steno_daemon.activation import bind
from steno_daemon.config import Config, ServerConfig
from steno_daemon.engine import Batching
from steno_daemon.foreign import own_ports
from steno_daemon.ladder import Ladder
from steno_daemon.library import LoadDomain
from steno_daemon.server import Daemon, Model, url_of
from steno_models.recogniser import Recogniser
from steno_models.vocabulary import Extender

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Served:
    """A running daemon and its address."""

    daemon: Daemon
    url: str
    task: asyncio.Task[None]
    own: Mapping[str, str] = field(default_factory=dict)

    async def stop(self) -> None:
        self.daemon.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self.task

    async def get(self, path: str) -> tuple[str, bytes]:
        """The status line and the body that a plain request gets."""
        host, port = self.url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0].decode(), body

    async def call(self, call: wire.AdminCall) -> wire.AdminAnswer:
        """What an administrator hears."""
        door = Door(url=self.url)
        return await asyncio.to_thread(admin.call, door, call)

    async def health(self) -> dict[str, object]:
        _, body = await self.get("/healthz")
        found = json.loads(body)
        assert isinstance(found, dict)
        return found

    async def sessions_are(self, count: int) -> None:
        """Wait until that many sessions run."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.health())["sessions"] != count:
                pass

    async def nobody_is_left(self) -> None:
        """Wait until no connection, session or task of one is left."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.daemon.streams):
                await self.health()
        assert self.daemon.engine.sessions == 0
        running = [str(task.get_coro()) for task in asyncio.all_tasks()]
        assert not [name for name in running if "_read" in name or "_write" in name]


@asynccontextmanager
async def serving(  # noqa: PLR0913 — what a test may want otherwise
    recogniser: Recogniser,
    server: ServerConfig | None = None,
    *,
    max_sessions: int = 10,
    config: Config | None = None,
    load_domain: LoadDomain | None = None,
    language_models: Sequence[str] = ("general",),
    extender: Extender | None = None,
) -> AsyncIterator[Served]:
    """Run a daemon; sessions end with their connections unless the configuration says otherwise."""
    config = config or Config(server=server or ServerConfig(resume_s=0))
    bound = bind("127.0.0.1", 0)
    names = tuple(language_models)
    model = Model("notes", "1", names, recogniser, load_domain, extender=extender)
    own = [(name, bind("127.0.0.1", 0)) for name in own_ports(config)]
    ladder = Ladder((max_sessions,) * 3)
    batching = Batching(config.engine.max_batch or 8, config.engine.batch_wait_ms / 1000)
    daemon = Daemon(config, model, [bound], ladder=ladder, batching=batching, own=own)
    ready = asyncio.Event()
    task = asyncio.create_task(daemon.run(lambda _: ready.set()))
    served = Served(daemon, url_of(bound), task, {name: url_of(one) for name, one in own})
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
        yield served
    finally:
        await served.stop()


class Talk:
    """A client that sends what a test says and keeps what it hears."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[wire.ServerMessage] = []

    async def say(self, *messages: wire.ClientMessage | bytes | str) -> None:
        for message in messages:
            plain = message if isinstance(message, bytes | str) else wire.encode(message)
            await self.connection.send(plain)

    async def hear(self, kind: type[wire.ServerMessage]) -> wire.ServerMessage:
        """Wait for the next event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = wire.decode_server(await self.connection.recv())
                self.events.append(event)
                if isinstance(event, kind):
                    return event

    async def rest(self) -> list[wire.ServerMessage]:
        """Hear everything until the daemon closes, and check the numbers."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    self.events.append(wire.decode_server(await self.connection.recv()))
        assert [event.seq for event in self.events] == list(range(len(self.events)))
        return self.events


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[Talk]:
    async with connect(
        url, ping_interval=None, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S, proxy=None
    ) as socket:
        yield Talk(socket)
