"""Wyoming over TCP and over a socket in the file system: a listener and its connections.

A connection has one session at a time, from the first audio of a transcription to its transcript;
the next one begins when that is said. Nobody shows a token here, the protocol has none: so who may
come in is up to the address alone, and everybody shares one grant.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable
from pathlib import Path

from steno_daemon.activation import bind
from steno_daemon.auth import Grant, is_loopback
from steno_daemon.config import WyomingConfig
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.wyoming import WyomingDialect, error_event
from steno_daemon.dialects.wyoming_events import Event, Unpacker, pack
from steno_daemon.errors import ConfigError, LimitError, StenoDaemonError
from steno_daemon.limits import Deadlines, MessageRate, Places
from steno_daemon.states import State
from steno_daemon.stream import Stream
from steno_daemon.streams import Streams
from steno_daemon.transports.patience import Patience
from steno_daemon.transports.terms import Terms
from steno_daemon.wire import Closed, CloseReason

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024


class WyomingListener:
    """Accepts connections on bound sockets.

    Args:
        streams: where sessions are opened.
        catalogue: what clients are told of the daemon.
        name: what the service calls itself.
        terms: what a connection may do.
        grant: what everybody may do who comes in here.
    """

    def __init__(
        self, streams: Streams, catalogue: Catalogue, name: str, terms: Terms, grant: Grant
    ) -> None:
        self._streams = streams
        self._catalogue = catalogue
        self._name = name
        self._terms = terms
        self._grant = grant
        self._places = Places("connections", terms.max_connections)
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, bound: socket.socket) -> None:
        """Begin to accept connections on a bound socket."""
        start = (
            asyncio.start_unix_server if bound.family is socket.AF_UNIX else asyncio.start_server
        )
        self._servers.append(await start(self._accept, sock=bound, limit=READ_BYTES))

    def stop_listening(self) -> None:
        """Accept nobody more; who is here says what it has to say."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """End every connection."""
        self.stop_listening()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one client until either has enough."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 — this runs in one
        self._connections.add(task)
        dialect = WyomingDialect(self._catalogue, self._name)
        connection = WyomingConnection(self._streams, dialect, self._terms, self._grant)
        try:
            with contextlib.ExitStack() as place:
                try:
                    self._places.enter()
                    place.callback(self._places.leave)
                except LimitError as error:
                    await connection.refuse(reader, writer, error)
                    return
                await connection.converse(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # gone, or the daemon goes down
        except Exception:
            logger.exception("wyoming: a fault of the daemon")
        finally:
            self._connections.discard(task)
            writer.transport.abort()


class WyomingConnection:
    """One client.

    Args:
        streams: where sessions are opened.
        dialect: translates for this client.
        terms: what it may do.
        grant: under which its sessions are opened.
    """

    def __init__(
        self, streams: Streams, dialect: WyomingDialect, terms: Terms, grant: Grant
    ) -> None:
        self._streams = streams
        self._dialect = dialect
        self._terms = terms
        self._grant = grant
        self._deadlines = Deadlines()
        self._rate = MessageRate(terms.messages_per_s)
        self._stream: Stream | None = None
        self._telling: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_gone = False

    def abort(self) -> None:
        """Break the connection off."""
        self._is_gone = True
        if self._task is not None:
            self._task.cancel()

    def hand_over(self) -> None:
        """End the session with its words: clients do not know how to come back to one."""
        if self._stream is not None:
            self._stream.session.end(CloseReason.SHUTDOWN)
            self._stream.advance()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take events until the client goes, says nothing for too long, or does something wrong."""
        self._writer = writer
        self._task = asyncio.create_task(self._listen(reader))
        try:
            await asyncio.wait({self._task})
            if not self._task.cancelled() and self._task.exception() is not None:
                self._is_gone = True  # the client, or we are at fault: its session has no end
            if self._telling is not None and not self._is_gone:
                await asyncio.wait({self._telling})
            if not self._is_gone:
                await self._take_leave(reader)
        finally:
            self._leave()
        for task in (self._task, self._telling):
            if task is not None and task.done() and not task.cancelled():
                task.result()  # a fault of the daemon, if there was one

    async def refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, error: LimitError
    ) -> None:
        """Tell a client that comes too late for a place."""
        self._writer = writer
        await self._send([error_event(error)])
        await self._take_leave(reader)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Read events and take each; bytes that make none are no sign of life."""
        unpacker, patience = Unpacker(self._terms.max_frame_bytes), Patience()
        clock = asyncio.get_running_loop().time
        due_s = clock() + self._deadlines.first_message_s
        try:
            while True:
                with patience.of(due_s - clock()):
                    data = await reader.read(READ_BYTES)
                if not data:
                    self._give_up()
                    return
                for event in unpacker.receive(data):
                    await self._take(event)
                    due_s = clock() + self._terms.idle_timeout_s
        except TimeoutError:
            self._end(CloseReason.IDLE)
        except StenoDaemonError as error:
            await self._send([error_event(error)])
            self._end(CloseReason.FAILED)

    async def _take(self, event: Event) -> None:
        """Answer an event, or give it to the session."""
        if event.type != "audio-chunk" or not event.payload:
            self._rate.take()
        if not self._dialect.is_audio(event):
            await self._send(self._dialect.answer(event))
            return
        if self._stream is None or not self._dialect.is_recording:
            await self._open()
        stream = self._stream
        assert stream is not None  # noqa: S101 — it was opened
        await stream.room()
        if stream.session.state is not State.CLOSED:  # what it is sent now does not count
            stream.count(self._dialect.receive(stream.session, event))
            stream.advance()

    async def _open(self) -> None:
        """Begin a session, when the one before has said its last word."""
        if self._telling is not None:
            await self._telling
        self._stream = self._streams.open(self._grant, self, is_resumable=False)
        self._telling = asyncio.create_task(self._tell(self._stream))

    async def _tell(self, stream: Stream) -> None:
        """Send what a session says, to its last word; one that broke takes the connection along."""
        try:
            while True:
                events = await stream.events()
                await self._send(said for event in events for said in self._dialect.encode(event))
                if events and isinstance(events[-1], Closed):
                    if events[-1].reason is not CloseReason.STOPPED and self._task is not None:
                        self._task.cancel()  # what else the client says does not count
                    return
        except ConnectionError:
            self.abort()  # nobody is there for what was still asked for
        finally:
            self._streams.part(stream, self, over=True)

    async def _send(self, events: Iterable[Event]) -> None:
        """Send events to a client that takes them in time."""
        assert self._writer is not None  # noqa: S101 — there is a connection
        data = b"".join(pack(event) for event in events)
        if not data:
            return
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._deadlines.send_s):
                await self._writer.drain()
        except TimeoutError:
            self.abort()

    def _end(self, reason: CloseReason) -> None:
        """End the session, if there is one; its words so far still come."""
        if self._stream is not None:
            self._stream.session.end(reason)
            self._stream.advance()

    def _give_up(self) -> None:
        """Take note that the client says no more: a transcription that it did not end is over."""
        if self._dialect.is_recording and self._telling is not None:
            self._telling.cancel()

    def _leave(self) -> None:
        """Leave nothing behind."""
        for task in (self._task, self._telling):
            if task is not None:
                task.cancel()
        if self._stream is not None:
            self._streams.part(self._stream, self, over=True)

    async def _take_leave(self, reader: asyncio.StreamReader) -> None:
        """Let the client read what it was sent: with its own words unread it might lose that."""
        assert self._writer is not None  # noqa: S101 — there is a connection
        with contextlib.suppress(OSError, TimeoutError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(self._deadlines.close_s):
                while await reader.read(READ_BYTES):
                    pass


def open_sockets(place: WyomingConfig, *, reuse_port: bool = False) -> list[socket.socket]:
    """Return the bound sockets of a configuration, not listening yet.

    Args:
        place: where to listen.
        reuse_port: whether other daemons may share the port.

    Raises:
        ConfigError: an address is taken or not this machine's, or others would reach it.
    """
    check_reach(place)
    found: list[socket.socket] = []
    try:
        if place.port:
            found.append(bind(place.host, place.port, reuse_port=reuse_port))
        if place.path is not None:
            found.append(bind_path(place.path))
    except ConfigError:
        for bound in found:
            bound.close()
        raise
    return found


def check_reach(place: WyomingConfig) -> None:
    """Check that nobody but this machine reaches the port, unless that is wanted.

    Raises:
        ConfigError: others would, or nobody at all.
    """
    if not place.port and place.path is None:
        raise ConfigError("wyoming: expected a port or a path, found neither")
    if not place.port or is_loopback(place.host):
        if place.announce:
            raise ConfigError(
                "wyoming.announce: expected wyoming.host to be an address that others reach, "
                f"found {place.host if place.port else 'no port'}"
            )
        return
    if not place.open_to_network:
        raise ConfigError(
            "Wyoming knows no tokens, everybody who reaches its port may speak: expected "
            "wyoming.host 127.0.0.1, or open_to_network = true where that is wanted, found "
            f"{place.host}"
        )


def bind_path(path: Path) -> socket.socket:
    """Return a socket bound to a path, for the account and the group of the daemon.

    Raises:
        ConfigError: something else is there, or a daemon that listens.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _is_answered(path):
            path.unlink()  # of a daemon that was killed
        bound.bind(str(path))
        path.chmod(0o660)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen: expected a free path, found {path}: {error.strerror or error}"
        ) from error
    return bound


def _is_answered(path: Path) -> bool:
    """Return whether somebody listens at a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
