"""Clients of each dialect over real sockets, written from what the dialects say, for any sound."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from tests.daemon.fakes import pcm
from tests.daemon.serving import PATIENCE_S, Served, talking
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from steno_daemon import wire
from steno_daemon.config import (
    Config,
    DeepgramConfig,
    OpenAIConfig,
    SecurityConfig,
    ServerConfig,
    SherpaConfig,
    TokenConfig,
    VoskConfig,
)
from steno_models.audio import resample
from steno_models.types import FloatArray

FRAME_BYTES = 6_400
EVERY_DIALECT = "vosk", "deepgram", "openai", "sherpa"
LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
PATHS = {
    "vosk": "/vosk",
    "deepgram": LISTEN,
    "openai": "/v1/realtime?intent=transcription",
    "sherpa": "/sherpa",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A word and where it begins, None where the dialect does not say."""

    text: str
    start: float | None


def everything(*tokens: TokenConfig) -> Config:
    """A daemon that speaks every dialect; ports of their own are tried out one by one."""
    return Config(
        server=ServerConfig(resume_s=0),
        vosk=VoskConfig(enabled=True),
        deepgram=DeepgramConfig(enabled=True),
        openai=OpenAIConfig(enabled=True),
        sherpa=SherpaConfig(enabled=True),
        security=SecurityConfig(tokens=tokens),
    )


@asynccontextmanager
async def connected(
    url: str, *offers: str, headers: dict[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    async with connect(
        url,
        ping_interval=None,
        open_timeout=PATIENCE_S,
        close_timeout=PATIENCE_S,
        proxy=None,
        subprotocols=[Subprotocol(offer) for offer in offers] or None,
        additional_headers=headers,
    ) as socket:
        yield socket


def cut(data: bytes, size: int = FRAME_BYTES) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def rest(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything until the daemon closes."""
    found = []
    try:
        while True:
            frame = await socket.recv()
            if frame != "Done!":
                found.append(json.loads(frame))
    except ConnectionClosed:
        return found


async def native(served: Served, sound: FloatArray) -> list[Heard]:
    async with talking(served.url) as talk:
        await talk.say(wire.Start(word_times=True), *cut(pcm(sound)), wire.Stop())
        finals = [event for event in await talk.rest() if isinstance(event, wire.Final)]
    return [Heard(word.text, word.start) for final in finals for word in final.words or ()]


async def vosk(url: str, sound: FloatArray) -> list[Heard]:
    """Send a frame, wait for its reply, send the next."""
    replies = []
    async with connected(url) as socket:
        await socket.send('{ "config" : { "sample_rate" : 16000.000000 } }')
        frames: list[bytes | str] = [*cut(pcm(sound)), '{"eof" : 1}']
        for frame in frames:
            await socket.send(frame)
            replies.append(json.loads(await socket.recv()))
        assert await rest(socket) == []
        assert socket.close_code == 1000
    return [Heard(w["word"], w["start"]) for one in replies for w in one.get("result", ())]


async def deepgram(url: str, sound: FloatArray) -> list[Heard]:
    async with connected(url) as socket:
        frames: list[bytes | str] = [*cut(pcm(sound)), '{"type": "CloseStream"}']
        for frame in frames:
            await socket.send(frame)
        messages = await rest(socket)
        assert socket.close_code == 1000
    assert messages[-1]["type"] == "Metadata"
    finals = [one for one in messages if one.get("is_final")]
    words = [word for one in finals for word in one["channel"]["alternatives"][0]["words"]]
    return [Heard(word["word"], word["start"]) for word in words]


async def openai(url: str, sound: FloatArray) -> list[Heard]:
    """Send everything, with silence behind it, and read until that is an item without words."""
    data = pcm(resample(sound, 16_000, 24_000)) + bytes(2 * 24_000)
    texts: list[str] = []
    async with connected(url) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"
        for frame in cut(data):
            audio = base64.b64encode(frame).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await socket.send('{"type": "input_audio_buffer.commit"}')  # what is open is an item
        await socket.send(
            json.dumps(
                {
                    "type": "input_audio_buffer.append",
                    "audio": base64.b64encode(bytes(9_600)).decode(),
                }
            )
        )
        await socket.send('{"type": "input_audio_buffer.commit"}')  # and this one is empty
        empty = 0
        while empty < 1 or not texts:
            event = json.loads(await socket.recv())
            if event["type"].endswith(".completed"):
                texts.append(event["transcript"])
                empty += not event["transcript"]
    return [Heard(word, None) for text in texts for word in text.split()]


async def sherpa(url: str, sound: FloatArray) -> list[Heard]:
    floats = (np.frombuffer(pcm(sound), "<i2") / np.float32(32768)).astype("<f4")
    async with connected(url) as socket:
        frames: list[bytes | str] = [*cut(floats.tobytes(), 2 * FRAME_BYTES), "Done"]
        for frame in frames:
            await socket.send(frame)
        results = await rest(socket)
        assert socket.close_code == 1000
    assert results[-1]["is_eof"]
    return [
        Heard(token.strip(), one["start_time"] + at)
        for one in results
        if one["is_final"]
        for token, at in zip(one["tokens"], one["timestamps"], strict=True)
    ]


CLIENTS: dict[str, Callable[[str, FloatArray], Awaitable[list[Heard]]]] = {
    "vosk": vosk,
    "deepgram": deepgram,
    "openai": openai,
    "sherpa": sherpa,
}
