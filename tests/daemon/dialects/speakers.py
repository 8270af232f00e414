"""Clients that speak one recording at a pace and keep the words they were given, also if it breaks.

Every one of them takes a `Talk`, appends words to its `heard` as soon as its dialect says that they
are final, and returns once the dialect has said that nothing more comes. Connections that break
raise `BrokenError`, a daemon that is full raises `FullError`.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tests.daemon.dialects.clients import PATHS
from tests.daemon.hostile import reach
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from steno_daemon.dialects.wyoming_events import Event, Unpacker, pack
from steno_daemon.errors import WireError

RATE = 16_000
BLOCK_BYTES = 3_200
END_S = 600.0
"""For the last words, when everything was said."""


class BrokenError(Exception):
    """The conversation did not come to its end."""


class FullError(Exception):
    """The daemon has no room now."""


@dataclass(slots=True)
class Talk:
    """One recording on its way.

    Attributes:
        sound: 16 bits, 16 kHz, mono.
        pace: times the speed of speech; infinite for as fast as it is taken.
        block_bytes: of the recording that go into a message.
        heard: the words that are final.
        answers: messages that came back.
    """

    sound: bytes
    pace: float
    block_bytes: int = BLOCK_BYTES
    heard: list[str] = field(default_factory=list)
    answers: int = 0

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the recording, each block when it was spoken."""
        clock = asyncio.get_running_loop().time
        due_s = clock()
        for at in range(0, len(self.sound), self.block_bytes):
            yield self.sound[at : at + self.block_bytes]
            due_s += self.block_bytes / 2 / RATE / self.pace
            if due_s > clock():
                await asyncio.sleep(due_s - clock())


async def _end(socket: ClientConnection) -> None:
    """Wait for the daemon to close; last words may be those of a session that it ended early."""
    try:
        frame = await socket.recv()
    except ConnectionClosed as error:
        if error.rcvd is None or error.rcvd.code != CloseCode.NORMAL_CLOSURE:
            raise
    else:
        raise BrokenError(f"expected the end, found {frame!r}")


Speaker = Callable[[Talk, str], Awaitable[None]]
Said = dict[str, Any]


@asynccontextmanager
async def _websocket(url: str) -> AsyncIterator[ClientConnection]:
    """Connect; what breaks there breaks the conversation."""
    try:
        async with connect(
            url, ping_interval=None, open_timeout=END_S, close_timeout=END_S, proxy=None
        ) as socket:
            yield socket
    except InvalidStatus as error:
        if error.response.status_code == 503:
            raise FullError from error
        raise BrokenError(str(error)) from error
    except ConnectionClosed as error:
        if error.rcvd is not None and error.rcvd.code == CloseCode.TRY_AGAIN_LATER:
            raise FullError from error
        raise BrokenError(str(error)) from error
    except (InvalidHandshake, OSError, EOFError, TimeoutError) as error:
        raise BrokenError(str(error)) from error


@asynccontextmanager
async def _beside(speaking: Awaitable[None]) -> AsyncIterator[None]:
    """Speak while something is heard; who breaks off speaking breaks off both."""
    task = asyncio.ensure_future(speaking)
    try:
        yield
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def vosk(talk: Talk, url: str) -> None:
    """A frame, its reply, the next frame."""
    async with _websocket(url + PATHS["vosk"]) as socket:
        await socket.send('{"config": {"sample_rate": 16000, "words": 0}}')
        async for block in talk.blocks():
            await _vosk_reply(talk, socket, block)
        await _vosk_reply(talk, socket, '{"eof" : 1}')
        await _end(socket)


async def _vosk_reply(talk: Talk, socket: ClientConnection, frame: str | bytes) -> None:
    await socket.send(frame)
    reply = json.loads(await socket.recv())
    talk.answers += 1
    talk.heard += reply.get("text", "").split()


async def deepgram(talk: Talk, url: str) -> None:
    """Results that are final, to the last message."""

    async def speak(socket: ClientConnection) -> None:
        async for block in talk.blocks():
            await socket.send(block)
        await socket.send('{"type": "CloseStream"}')

    async with _websocket(url + PATHS["deepgram"]) as socket, _beside(speak(socket)):
        while (said := json.loads(await socket.recv()))["type"] != "Metadata":
            talk.answers += 1
            if said.get("is_final"):
                talk.heard += said["channel"]["alternatives"][0]["transcript"].split()
        await _end(socket)


SETTINGS = {
    "type": "session.update",
    "session": {
        "type": "transcription",
        "audio": {"input": {"format": {"type": "audio/pcm", "rate": RATE}}},
    },
}


async def openai(talk: Talk, url: str) -> None:
    """Items of the daemon, then two of the client: what is open, and a silence behind it."""

    async def speak(socket: ClientConnection) -> None:
        await socket.send(json.dumps(SETTINGS))
        async for block in talk.blocks():
            await append(socket, block)
        await socket.send('{"type": "input_audio_buffer.commit"}')
        await append(socket, bytes(2 * BLOCK_BYTES))
        await socket.send('{"type": "input_audio_buffer.commit"}')

    async def append(socket: ClientConnection, block: bytes) -> None:
        audio = base64.b64encode(block).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

    stopped: set[str] = set()
    left = 2
    async with _websocket(url + PATHS["openai"]) as socket, _beside(speak(socket)):
        while left:
            said = json.loads(await socket.recv())
            talk.answers += 1
            if said["type"].endswith("speech_stopped"):
                stopped.add(said["item_id"])
            elif said["type"].endswith("transcription.completed"):
                talk.heard += said["transcript"].split()
                left -= said["item_id"] not in stopped
            elif said["type"] == "error":
                left -= said["error"]["code"] == "input_audio_buffer_commit_empty"


async def sherpa(talk: Talk, url: str) -> None:
    """Results that are final, to `Done!`."""

    async def speak(socket: ClientConnection) -> None:
        async for block in talk.blocks():
            floats = np.frombuffer(block, "<i2") / np.float32(32768)
            await socket.send(floats.astype("<f4").tobytes())
        await socket.send("Done")

    async with _websocket(url + PATHS["sherpa"]) as socket, _beside(speak(socket)):
        while (frame := await socket.recv()) != "Done!":
            said = json.loads(frame)
            talk.answers += 1
            if said["is_final"]:
                talk.heard += said["text"].split()
        await _end(socket)


async def wyoming(talk: Talk, address: str) -> None:
    """Chunks of a transcript that grows, and the transcript; at HOST:PORT or a path."""
    host, _, port = address.rpartition(":")
    text = ""
    try:
        async with asyncio.timeout(END_S):
            reader, writer = await reach(host or address, int(port) if host else 0)
    except (OSError, TimeoutError) as error:
        raise BrokenError(str(error)) from error
    try:
        async with _beside(_say_events(talk, writer)):
            async for event in _events(reader):
                talk.answers += 1
                if event.type == "transcript-chunk":
                    text += str(event.data["text"])
                    talk.heard[:] = text.split()
                if event.type == "error":
                    full = event.data["code"] == "overloaded"
                    raise FullError if full else BrokenError(str(event.data["text"]))
                if event.type == "transcript":
                    break
            else:
                raise BrokenError("expected a transcript, found the end of the connection")
        if event.data["text"] != text:
            raise AssertionError(f"expected the chunks {text!r}, found {event.data['text']!r}")
    except (OSError, WireError) as error:
        raise BrokenError(str(error)) from error
    finally:
        writer.transport.abort()


async def _say_events(talk: Talk, writer: asyncio.StreamWriter) -> None:
    form: dict[str, object] = {"rate": RATE, "width": 2, "channels": 1}
    writer.write(pack(Event("transcribe")) + pack(Event("audio-start", form)))
    async for block in talk.blocks():
        writer.write(pack(Event("audio-chunk", form, block)))
        await writer.drain()
    writer.write(pack(Event("audio-stop")))
    await writer.drain()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[Event]:
    unpacker = Unpacker(1024 * 1024)
    while data := await reader.read(64 * 1024):
        for event in unpacker.receive(data):
            yield event


WEBSOCKETS: Mapping[str, Speaker] = {
    "vosk": vosk,
    "deepgram": deepgram,
    "openai": openai,
    "sherpa": sherpa,
}


def is_prefix(found: Sequence[str], whole: Sequence[str]) -> bool:
    """Return whether something is the beginning of something."""
    return list(found) == list(whole[: len(found)])
