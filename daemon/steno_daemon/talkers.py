"""Clients that speak recordings in real time and note when their words come."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from steno_daemon import wire
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.metrics import AT_THE_CURSOR
from steno_models.types import FloatArray

BLOCK_MS = 40
"""What a client sends at a time, as a microphone does."""
PAUSE_S = 1.2
"""Between two recordings: long enough for an endpoint."""
PAUSE_LEVEL = 1e-3
"""Of the faint noise in a pause, as a microphone has it."""
STAGGER_S = 1.0
"""Clients begin at random within so long."""
PATIENCE_S = 60.0
"""Beyond the length of its speech a client waits so long for its last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """How clients speak.

    Attributes:
        recordings: each (N,) float32 at 16 kHz.
        audio_s: how long each client speaks.
        speed: 1 is that of speech.
    """

    recordings: Sequence[FloatArray]
    audio_s: float = 30.0
    speed: float = 1.0


@dataclass(slots=True)
class Listener:
    """What one client hears, and when."""

    speed: float
    refused_at_s: float | None = None
    degraded: bool = False
    word_delays_s: list[float] = field(default_factory=list)
    final_delays_s: list[float] = field(default_factory=list)
    _showing: list[tuple[str, float]] = field(default_factory=list)
    _final_at_s: float | None = None

    def hear(self, event: wire.ServerMessage, at_s: float) -> None:
        """Note an event that came `at_s` after the client began to speak."""
        match event:
            case wire.Partial():
                self._show(event, at_s)
            case wire.Final():
                self._show(event, at_s)
                ends = [word.end for word in event.words or ()]
                self.word_delays_s += [
                    came_s - end / self.speed
                    for (_, came_s), end in zip(self._showing, ends, strict=True)
                ]
                self._showing = []
                self._final_at_s = at_s
            case wire.Endpoint(time=time_s, reason=reason):
                if self._final_at_s is not None and reason in AT_THE_CURSOR:
                    self.final_delays_s.append(self._final_at_s - time_s / self.speed)
                self._final_at_s = None
            case wire.Load(degraded=level):
                self.degraded = self.degraded or level > 0
            case wire.Error(code=wire.ErrorCode.OVERLOADED):
                self.refused_at_s = at_s
            case _:
                pass

    def _show(self, event: wire.Partial | wire.Final, at_s: float) -> None:
        """Remember of each word since when it has stood there."""
        words = [word.text for word in event.words or ()]
        kept = 0
        for word, (text, _) in zip(words, self._showing, strict=False):
            if word != text:
                break
            kept += 1
        self._showing[kept:] = [(word, at_s) for word in words[kept:]]


@dataclass(frozen=True, slots=True)
class Cue:
    """When a client was answered for the first time, and when it has said enough."""

    enough: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


async def speak(url: str, talk: Talk, number: int, cue: Cue | None = None) -> Listener:
    """Speak as the client of that number until all is said, and return what it heard.

    A client with a `cue` begins at once, and ends when that says so.

    Raises:
        TimeoutError: the daemon does not answer.
    """
    listener = Listener(talk.speed)
    loop = asyncio.get_running_loop()
    if cue is None:
        cue = Cue()
        await asyncio.sleep(random.Random(number).uniform(0, STAGGER_S) / talk.speed)
    asked_s = loop.time()
    async with asyncio.timeout(talk.audio_s / talk.speed + PATIENCE_S):
        try:
            async with connect(
                url,
                compression=None,
                max_size=None,
                open_timeout=None,
                ping_interval=None,
                proxy=None,
            ) as socket:
                await _converse(socket, listener, _sound(talk, number), cue)
        except InvalidStatus:  # no more connections
            listener.refused_at_s = loop.time() - asked_s
            cue.answered.set()
    return listener


async def _converse(socket: ClientConnection, listener: Listener, sound: bytes, cue: Cue) -> None:
    """Begin a session, speak while listening, end it, and hear its last word."""
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    await socket.send(wire.encode(wire.Start(word_times=True)))
    first = wire.decode_server(await socket.recv())
    listener.hear(first, loop.time() - asked_s)
    cue.answered.set()
    if not isinstance(first, wire.Ready):
        return
    began_s = loop.time()
    blocks = _blocks(sound, began_s, listener.speed, cue.enough)
    mouth = asyncio.create_task(_send(socket, blocks))
    try:
        async for message in socket:
            listener.hear(wire.decode_server(message), loop.time() - began_s)
    finally:
        mouth.cancel()
        await asyncio.wait([mouth])


async def _send(socket: ClientConnection, blocks: AsyncIterator[bytes]) -> None:
    """Send blocks as they come, and that there are no more."""
    try:
        async for block in blocks:
            await socket.send(block)
        await socket.send(wire.encode(wire.Stop()))
    except ConnectionClosed:
        return


async def _blocks(
    sound: bytes, began_s: float, speed: float, enough: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield each block at the moment when a microphone would have its last sample."""
    loop = asyncio.get_running_loop()
    size = 2 * SAMPLE_RATE * BLOCK_MS // 1000
    for begin in range(0, len(sound), size):
        block = sound[begin : begin + size]
        spoken_s = (begin + len(block)) / (2 * SAMPLE_RATE)
        await asyncio.sleep(began_s + spoken_s / speed - loop.time())
        if enough.is_set():
            return
        yield block


def _sound(talk: Talk, number: int) -> bytes:
    """Return what the client of that number says: recordings in turn, with pauses, in 16 bits."""
    rng = np.random.default_rng(number)
    wanted = round(talk.audio_s * SAMPLE_RATE)
    parts: list[FloatArray] = []
    while sum(map(len, parts)) < wanted:
        parts.append(talk.recordings[(number + len(parts) // 2) % len(talk.recordings)])
        pause = rng.standard_normal(round(PAUSE_S * SAMPLE_RATE)) * PAUSE_LEVEL
        parts.append(pause.astype(np.float32))
    samples = np.concatenate(parts)[:wanted]
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
