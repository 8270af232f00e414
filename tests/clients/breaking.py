"""A daemon whose sessions outlive their connections, and a wire that breaks at any byte."""

import asyncio
import copy
import enum
import socket as sockets
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as open_server
from websockets.exceptions import ConnectionClosed

from steno_daemon.wire import (
    Acknowledged,
    ClientMessage,
    Closed,
    CloseReason,
    Error,
    ErrorCode,
    Final,
    Finalize,
    Finalized,
    Partial,
    Ping,
    Pong,
    Ready,
    Resume,
    Resumed,
    ServerMessage,
    Start,
    Stop,
    decode_client,
    encode,
)

READY = Ready(
    seq=0,
    session="s",
    version="1",
    models=("general",),
    chunk_ms=160,
    sample_rate=16_000,
    token="secret",  # noqa: S106 — of no real session
    resume_s=60.0,
)
PARTIAL_BYTES = 1_000
FINAL_BYTES = 4_000
SAMPLE_BYTES = 2


class Break(enum.Enum):
    """How a connection breaks."""

    RESET = "reset"
    EOF = "eof"
    KILL = "kill"
    """The daemon is killed with it, and started again."""
    SILENCE = "silence"
    """Nothing comes through any more, and nobody says so."""


@dataclass(frozen=True)
class Cut:
    """Where and how a connection breaks."""

    how: Break
    upward: int | None = None
    """After so many bytes from the client."""
    downward: int | None = None
    """After so many bytes from the daemon."""


@dataclass
class Memory:
    """What is left of a session after `kill -9`."""

    audio: bytearray = field(default_factory=bytearray)
    said: list[tuple[int, ClientMessage]] = field(default_factory=list)
    events: list[ServerMessage] = field(default_factory=list)
    seq: int = 1
    final_bytes: int = 0


class DurableDaemon:
    """One session: a final for every so many bytes of audio, and partials between them.

    Whatever breaks, `memory` is in the end as if nothing had: that is what the tests compare.

    Attributes:
        refusals: answers to the next `resume`s.
        close_codes: after the next `ping`s it closes the connection so.
        headers: what every client said to be let in.
    """

    def __init__(self, ready: Ready = READY) -> None:
        self.ready = ready
        self.memory = Memory()
        self.journal = Memory()
        self.resumes: list[Resume] = []
        self.refusals: list[ServerMessage] = []
        self.headers: list[str | None] = []
        self.close_codes: list[int] = []
        self._owner: ServerConnection | None = None

    def kill(self) -> None:
        """Forget what was not written down."""
        self.memory = copy.deepcopy(self.journal)
        if self._owner is not None:
            self._owner.transport.abort()
            self._owner = None

    async def __call__(self, socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            assert socket.request is not None
            self.headers.append(socket.request.headers.get("Authorization"))
            first = decode_client(await socket.recv())
            if isinstance(first, Start):
                await socket.send(encode(self.ready))
            else:
                assert isinstance(first, Resume)
                self.resumes.append(first)
                if self.refusals:
                    await socket.send(encode(self.refusals.pop(0)))
                    return
                await self._resume(socket, first)
            self._owner = socket
            async for frame in socket:
                if self._owner is not socket:
                    return
                for event in self._hear(frame):
                    await socket.send(encode(event))
                    if isinstance(event, Pong) and self.close_codes:
                        await socket.close(self.close_codes.pop(0))

    async def _resume(self, socket: ServerConnection, resume: Resume) -> None:
        self._owner = None
        if resume.token != self.ready.token:
            complaint = "no such session"
            await socket.send(encode(error(ErrorCode.NOT_RESUMABLE, complaint)))
            return
        memory = self.memory
        memory.seq = max(memory.seq, resume.seq + 1)
        size = len(memory.audio)
        await socket.send(
            encode(Resumed(seq=resume.seq, session="s", samples=size // SAMPLE_BYTES, bytes=size))
        )
        for event in memory.events:  # one too many: that a client drops duplicates is part of it
            if event.seq >= resume.seq:
                await socket.send(encode(event))

    def _hear(self, frame: str | bytes) -> list[ServerMessage]:
        """Take what the client said; returns the answers, which are kept already."""
        memory = self.memory
        if isinstance(frame, bytes):
            memory.audio += frame
            return self._listen()
        message = decode_client(frame)
        if isinstance(message, Ping):
            return [self._number(Pong(seq=0, id=message.id))]
        memory.said.append((len(memory.audio), message))
        match message:
            case Finalize():
                answer: ServerMessage = Finalized(seq=0, samples=len(memory.audio) // SAMPLE_BYTES)
            case Stop():
                answer = Closed(seq=0, reason=CloseReason.STOPPED)
            case _:
                return []
        answers = [*self._final(len(memory.audio)), self._keep(answer)]
        self._write_down(len(memory.audio))
        return answers

    def _listen(self) -> list[ServerMessage]:
        memory = self.memory
        answers: list[ServerMessage] = []
        while len(memory.audio) - memory.final_bytes >= FINAL_BYTES:
            answers += self._final(memory.final_bytes + FINAL_BYTES)
        if len(memory.audio) // PARTIAL_BYTES % 2:
            partial = Partial(seq=0, segment=0, text="x", stable_chars=0, start=0.0)
            answers.append(self._number(partial))
        return answers

    def _final(self, end: int) -> list[ServerMessage]:
        """Say what was heard up to a byte, and write it down first."""
        memory = self.memory
        begin = memory.final_bytes
        if begin == end:
            return []
        memory.final_bytes = end
        text = f"{begin}-{end}"
        final = Final(seq=0, segment=begin, text=text, start=0.0, end=1.0, confidence=1.0)
        answers = [
            self._keep(final),
            self._number(Acknowledged(seq=0, samples=end // SAMPLE_BYTES)),
        ]
        self._write_down(end)
        return answers

    def _write_down(self, end: int) -> None:
        """Write everything up to a byte into the journal."""
        self.journal = copy.deepcopy(self.memory)
        del self.journal.audio[end:]

    def _number(self, event: ServerMessage) -> ServerMessage:
        numbered = msgspec.structs.replace(event, seq=self.memory.seq)
        self.memory.seq += 1
        return numbered

    def _keep(self, event: ServerMessage) -> ServerMessage:
        numbered = self._number(event)
        self.memory.events.append(numbered)
        return numbered


def error(code: ErrorCode, message: str, *, retry_after_s: float | None = None) -> Error:
    """A fatal error, as the first answer on a connection."""
    return Error(seq=0, code=code, message=message, fatal=True, retry_after_s=retry_after_s)


def _spare() -> None:
    """Kill nobody."""


class Wire:
    """Passes bytes between client and daemon; every further connection breaks at its cut.

    Args:
        cuts: where connections break, one after the other.
        kill: ends the daemon, or seems to.

    Attributes:
        port: where the daemon is; None while there is none.
        url: where it is entered.
        opened: how many connections there were.
        released: ends every silence.
    """

    def __init__(
        self, port: int | None, cuts: Iterable[Cut] = (), kill: Callable[[], None] = _spare
    ) -> None:
        self.port = port
        self.url = ""
        self.opened = 0
        self._kill = kill
        self._cuts = iter(cuts)
        self._ends: set[asyncio.StreamWriter] = set()
        self.released = asyncio.Event()

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            there, back = await self._reach()
        except (ConnectionRefusedError, FileNotFoundError):
            writer.close()
            return
        cut = next(self._cuts, None)
        ends = [writer, back]
        self._ends.update(ends)
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(self._pump(reader, back, ends, cut, cut.upward if cut else None))
            pumps.create_task(self._pump(there, writer, ends, cut, cut.downward if cut else None))
        self._ends.difference_update(ends)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the daemon."""
        return await asyncio.open_connection("127.0.0.1", self.port or 9)

    def tear(self, *, port: int | None) -> None:
        """Break every connection; the next ones go elsewhere, or nowhere."""
        self.port = port
        for end in self._ends:
            _reset(end)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: list[asyncio.StreamWriter],
        cut: Cut | None,
        left: int | None,
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if left is None:
                    writer.write(data)
                else:
                    writer.write(data[:left])
                    left -= min(left, len(data))
                await writer.drain()
                if left == 0:
                    assert cut is not None
                    await self._break(cut.how, ends)
                    break
        for end in ends:
            end.close()

    async def _break(self, how: Break, ends: list[asyncio.StreamWriter]) -> None:
        match how:
            case Break.SILENCE:
                await self.released.wait()
            case Break.KILL:
                self._kill()
            case Break.RESET:
                for end in ends:
                    _reset(end)
            case Break.EOF:
                pass


def _reset(end: asyncio.StreamWriter) -> None:
    """Close a connection with no farewell at all."""
    plain = end.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()


@asynccontextmanager
async def entrance(wire: Wire) -> AsyncIterator[Wire]:
    """The wire, open for clients; the buffers on it are small."""
    narrow = sockets.create_server(("127.0.0.1", 0))
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 32 * 1024)
    async with await asyncio.start_server(wire.enter, sock=narrow):
        wire.url = f"ws://127.0.0.1:{narrow.getsockname()[1]}"
        try:
            yield wire
        finally:
            wire.released.set()


@asynccontextmanager
async def breaking(daemon: DurableDaemon, cuts: Iterable[Cut] = ()) -> AsyncIterator[Wire]:
    """The daemon, behind a wire that breaks."""
    async with open_server(daemon, "127.0.0.1", 0, close_timeout=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        async with entrance(Wire(port, cuts, daemon.kill)) as wire:
            yield wire
