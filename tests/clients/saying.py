"""A client that says what a test wants, and comes back at once when its connection breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from steno_clients.link import LinkState
from steno_clients.resumption import Resumption
from steno_clients.websocket import StenoClient
from steno_daemon.wire import (
    ClientMessage,
    Configure,
    Finalize,
    Ping,
    ServerMessage,
    Stop,
)

PATIENCE_S = 60
AT_ONCE = Resumption(first_delay_s=0.0, delay_s_max=0.0)
OPENING_BYTES = 700
"""No cut is earlier than that, lest the session never begins."""


@dataclass(frozen=True)
class Said:
    """What a client said and where, and what it heard."""

    audio: bytes
    messages: list[tuple[int, ClientMessage]]
    events: list[ServerMessage]
    client: StenoClient


async def say(url: str, script: "list[int | ClientMessage]") -> Said:
    """Send a script, audio as a number of samples, and listen meanwhile."""
    audio, messages = bytearray(), []
    async with talking(url) as client:
        listening = asyncio.create_task(collect(client))
        for step in script:
            if isinstance(step, int):
                first = len(audio) // 2
                piece = np.arange(first, first + step).astype("<i2").tobytes()
                await client.send(piece)
                audio += piece
                continue
            messages.append((len(audio), step))
            match step:
                case Configure(endpointing=endpointing):
                    await client.configure(endpointing)
                case Finalize():
                    await client.finalize()
                case Ping(id=number):
                    await client.ping(number)
        await client.stop()
        messages.append((len(audio), Stop()))
        return Said(bytes(audio), messages, await listening, client)


@contextlib.asynccontextmanager
async def talking(
    url: str, resume: Resumption = AT_ONCE, broken: asyncio.Event | None = None
) -> AsyncIterator[StenoClient]:
    """A client that comes back at once; an event that says when it has to."""

    def notice(state: LinkState) -> None:
        if state is LinkState.RECONNECTING and broken is not None:
            broken.set()

    async with (
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(url, resume=resume, notice=notice) as client,
    ):
        yield client


async def collect(client: StenoClient) -> list[ServerMessage]:
    """Every event until the end."""
    return [event async for event in client]


async def until(client: StenoClient, kind: type[ServerMessage]) -> list[ServerMessage]:
    """Every event up to the next one of a kind."""
    events = [await anext(client)]
    while not isinstance(events[-1], kind):
        events.append(await anext(client))
    return events
