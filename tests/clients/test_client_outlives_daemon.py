"""`kill -9` of the program itself, with the bundle that is shipped, while somebody speaks."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from tests.clients.breaking import Wire, entrance

from steno_clients.file import FloatArray, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.wire import Endpoint, Error, Final, Partial, ServerMessage, SpeechStarted

PATIENCE_S = 600
CONFIG = """
[server]
port = 0
resume_s = 600
state_directory = "{directory}"
[engine]
max_sessions = 4
degrade = false
"""


@asynccontextmanager
async def stenod(config: Path) -> AsyncIterator[tuple[Process, int]]:
    """The program, once it is ready, and its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno_daemon", "--config", config),
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        word, url, *_ = (await process.stdout.readline()).decode().split()
        assert word == "ready:"
        port = urlsplit(url).port
        assert port is not None
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def recording(clips: Path) -> list[FloatArray]:
    """Two sentences and a pause between them, as blocks of a tenth of a second."""
    paths = sorted((clips / "librivox").glob("*.flac"))[:2]
    pause = [np.zeros(1_600, np.float32)] * 15
    first, second = ([*read_blocks(path, block_ms=100)] for path in paths)
    return [*first, *pause, *second]


async def speak(client: StenoClient, blocks: list[FloatArray]) -> None:
    for block in blocks:
        await client.send(block)
    await client.stop()


def finals(events: list[ServerMessage]) -> list[tuple[str, float, float]]:
    return [(event.text, event.start, event.end) for event in events if isinstance(event, Final)]


async def test_a_daemon_killed_in_mid_utterance_costs_no_word_and_repeats_none(
    clips: Path, tmp_path: Path
) -> None:
    blocks = recording(clips)
    config = tmp_path / "stenod.toml"
    config.write_text(CONFIG.format(directory=tmp_path))
    heard: list[ServerMessage] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(PATIENCE_S))
        process, port = await stack.enter_async_context(stenod(config))
        wire = await stack.enter_async_context(entrance(Wire(port)))
        client = await stack.enter_async_context(StenoClient.connect(wire.url, rate=16_000))
        speaking = asyncio.create_task(speak(client, blocks))
        while not (finals(heard) and isinstance(heard[-1], Partial)):
            heard.append(await anext(client))
        process.send_signal(signal.SIGKILL)
        wire.port = None
        await process.wait()
        _, wire.port = await stack.enter_async_context(stenod(config))
        heard += [event async for event in client]
        await speaking
        assert client.resumptions == 1
        async with StenoClient.connect(wire.url, rate=16_000) as undisturbed:
            await speak(undisturbed, blocks)
            expected = [event async for event in undisturbed]
    assert len(finals(heard)) > 1
    assert finals(heard) == finals(expected)
    numbers = [event.seq for event in heard]
    assert numbers == sorted(set(numbers))
    for kind in (SpeechStarted, Final, Endpoint):
        segments = [event.segment for event in heard if isinstance(event, kind)]
        assert segments == sorted(set(segments))
    assert not any(isinstance(event, Error) for event in heard)
