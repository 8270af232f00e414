"""A daemon in the test's own event loop, and peers that are no good daemons."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as open_server

from steno_daemon.wire import (
    Acknowledged,
    AddWords,
    Closed,
    CloseReason,
    Configure,
    ConfirmWord,
    Endpoint,
    EndpointReason,
    Final,
    Finalize,
    Partial,
    Ping,
    Pong,
    Ready,
    Resume,
    ServerMessage,
    SpeechStarted,
    Start,
    Stop,
    Word,
    decode_client,
    encode,
)

REPOSITORY = str(Path(__file__).resolve().parents[2])
if REPOSITORY not in sys.path:  # lets the tests share: `from tests.daemon.fakes import …`
    sys.path.insert(0, REPOSITORY)

READY = Ready(
    seq=0, session="s", version="1", models=("general",), chunk_ms=160, sample_rate=16_000
)
Handler = Callable[[ServerConnection], Awaitable[None]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers on free ports; each call returns the address of one."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> str:
            server = await stack.enter_async_context(
                open_server(handler, "127.0.0.1", 0, close_timeout=0.1)
            )
            port = server.sockets[0].getsockname()[1]
            return f"ws://127.0.0.1:{port}"

        yield start


@dataclass
class CountingDaemon:
    """Hears one word, a number, in every second of 16-bit audio; three make an utterance.

    It says `ready` and counts acknowledged samples as a daemon does, and it keeps what it was sent.
    """

    url: str = ""
    starts: list[Start] = field(default_factory=list)
    audio: list[bytearray] = field(default_factory=list)
    others: list[AddWords | Configure | ConfirmWord | Finalize | Ping | Stop] = field(
        default_factory=list
    )

    async def __call__(self, socket: ServerConnection) -> None:
        start = decode_client(await socket.recv())
        assert isinstance(start, Start)
        self.starts.append(start)
        audio = bytearray()
        self.audio.append(audio)
        session = _Session(socket, start)
        await session.say(READY)
        async for frame in socket:
            if isinstance(frame, bytes):
                audio.extend(frame)
                await session.hear(len(audio) // 2)
                continue
            message = decode_client(frame)
            assert not isinstance(message, Start | Resume)
            self.others.append(message)
            if await session.obey(message):
                return


class _Session:
    def __init__(self, socket: ServerConnection, start: Start) -> None:
        self.socket = socket
        self.start = start
        self.seq = 0
        self.words = 0
        self.segment = 0
        self.first = 0
        self.samples = 0

    async def say(self, event: ServerMessage) -> None:
        self.seq += 1
        await self.socket.send(encode(event))

    async def hear(self, samples: int) -> None:
        self.samples = samples
        while (self.words + 1) * self.start.rate <= samples:
            if self.words == self.first:
                time = float(self.words)
                await self.say(SpeechStarted(seq=self.seq, segment=self.segment, time=time))
            self.words += 1
            if self.start.partials:
                await self.say(self.partial())
            if self.words - self.first == 3:
                await self.end_segment(EndpointReason.TRAILING_SILENCE)
        await self.say(Acknowledged(seq=self.seq, samples=samples))

    async def obey(
        self, message: AddWords | Configure | ConfirmWord | Finalize | Ping | Stop
    ) -> bool:
        match message:
            case Ping():
                await self.say(Pong(seq=self.seq, id=message.id))
            case Finalize():
                await self.end_segment(EndpointReason.FINALIZE)
            case Stop():
                await self.end_segment(EndpointReason.STOP)
                await self.say(Closed(seq=self.seq, reason=CloseReason.STOPPED))
                return True
            case Configure():
                pass
        return False

    def text(self) -> str:
        return " ".join(f"number{n}" for n in range(self.first, self.words))

    def partial(self) -> Partial:
        stable = self.text().rpartition(" ")[0]
        return Partial(
            seq=self.seq,
            segment=self.segment,
            text=self.text(),
            stable_chars=len(stable),
            start=float(self.first),
        )

    async def end_segment(self, reason: EndpointReason) -> None:
        if self.words == self.first:
            return
        words = tuple(
            Word(text=f"number{n}", start=n + 0.1, end=n + 0.8, confidence=0.9)
            for n in range(self.first, self.words)
        )
        await self.say(
            Final(
                seq=self.seq,
                segment=self.segment,
                text=self.text(),
                start=words[0].start,
                end=words[-1].end,
                confidence=0.9,
                words=words if self.start.word_times else None,
            )
        )
        await self.say(
            Endpoint(seq=self.seq, segment=self.segment, time=float(self.words), reason=reason)
        )
        self.segment += 1
        self.first = self.words


@pytest.fixture
async def daemon(serve: Serve) -> CountingDaemon:
    """A well-behaved daemon."""
    counting = CountingDaemon()
    counting.url = await serve(counting)
    return counting


@pytest.fixture
def never() -> asyncio.Event:
    """An interruption that does not come."""
    return asyncio.Event()
