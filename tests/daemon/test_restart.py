"""A daemon that goes down in good order leaves its sessions to the next one: no word is lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from tests.clients.breaking import Wire, entrance
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.program import Program
from tests.daemon.serving import PATIENCE_S, Served, Talk, serving, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from steno_clients.file import read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon import wire
from steno_daemon.config import Config, ServerConfig
from steno_daemon.journal import Journal
from steno_daemon.wire import CloseReason, ErrorCode
from steno_models.recogniser import State, Update
from steno_models.recogniser import Work as Chunk
from steno_models.types import FloatArray

TEXT = "do re mi fa so"
SOUND = pcm(speak(TEXT, gap_s=1.0))
RESTARTS = 1012


def kept_in(directory: Path, *, shares_port: bool = False) -> Config:
    return Config(
        server=ServerConfig(resume_s=PATIENCE_S, state_directory=directory, reuse_port=shares_port)
    )


class Held(FakeRecogniser):
    """Hears nothing before its gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        self.gate.wait()
        return super().step(work)


async def begin(talk: Talk, sound: bytes) -> str:
    """Open a session, send some of its audio, and return what it is resumed with."""
    await talk.say(wire.Start())
    ready = await talk.hear(wire.Ready)
    assert isinstance(ready, wire.Ready)
    await talk.say(sound, wire.Ping(id=1))
    await talk.hear(wire.Pong)
    return ready.token or ""


async def until_closed(talk: Talk) -> list[wire.ServerMessage]:
    """Everything until the daemon closes, whatever the numbers."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                talk.events.append(wire.decode_server(await talk.connection.recv()))
    return talk.events


async def resume(talk: Talk, token: str, seq: int) -> wire.Resumed:
    await talk.say(wire.Resume(token=token, seq=seq))
    event = await talk.hear(wire.Resumed)
    assert isinstance(event, wire.Resumed)
    return event


@pytest.mark.parametrize("cut", [30_000, 70_002, len(SOUND) - 4_000])
async def test_a_session_goes_on_at_the_next_daemon(cut: int, tmp_path: Path) -> None:
    async with (
        serving(FakeRecogniser(), config=kept_in(tmp_path)) as served,
        talking(served.url) as first,
    ):
        token = await begin(first, SOUND[:cut])
        await served.stop()
        before = await until_closed(first)
        assert first.connection.close_code == RESTARTS
        assert not [event for event in before if isinstance(event, wire.Closed)]
    async with (
        serving(FakeRecogniser(), config=kept_in(tmp_path)) as served,
        talking(served.url) as second,
    ):
        back = await resume(second, token, before[-1].seq)
        await second.say(SOUND[back.bytes :], wire.Stop())
        events = before + await until_closed(second)
        assert finals(events) == TEXT.split()
        assert second.connection.close_code == 1000


async def test_who_has_said_stop_hears_its_last_words_from_the_daemon_that_goes(
    tmp_path: Path,
) -> None:
    recogniser = Held()
    async with (
        serving(recogniser, config=kept_in(tmp_path)) as served,
        talking(served.url) as talk,
    ):
        await talk.say(wire.Start(), SOUND, wire.Stop(), wire.Ping(id=1))
        await talk.hear(wire.Pong)
        served.daemon.stop()
        while not served.daemon.streams.is_going_down:
            await talk.say(wire.Ping(id=2))
            await talk.hear(wire.Pong)
        recogniser.gate.set()
        events = await talk.rest()
        assert finals(events) == TEXT.split()
        closed = events[-1]
        assert isinstance(closed, wire.Closed)
        assert closed.reason is CloseReason.STOPPED
        assert talk.connection.close_code == 1000


async def test_a_viewer_is_told_that_the_daemon_goes_down(tmp_path: Path) -> None:
    async with (
        serving(FakeRecogniser(), config=kept_in(tmp_path)) as served,
        talking(served.url) as talk,
        connect(f"{served.url}/watch/live", proxy=None) as viewer,
    ):
        await begin(talk, SOUND[:40_000])
        await served.stop()
        seen = []
        with suppress(ConnectionClosed):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    seen.append(await viewer.recv())
        assert '"type":"closed"' in str(seen[-1])
        assert '"reason":"shutdown"' in str(seen[-1])


@asynccontextmanager
async def two(directory: Path) -> AsyncIterator[tuple[Served, Served]]:
    """Two daemons as on one port: what one has kept, the other can take up."""
    shared = kept_in(directory, shares_port=True)
    async with (
        serving(FakeRecogniser(), config=shared) as one,
        serving(FakeRecogniser(), config=shared) as other,
    ):
        yield one, other


async def test_of_daemons_that_share_a_port_any_takes_a_session_up(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        async with talking(one.url) as first:
            token = await begin(first, SOUND[:70_002])
            first.connection.transport.abort()
        await one.nobody_is_left()
        async with talking(other.url) as second:
            back = await resume(second, token, first.events[-1].seq)
            await second.say(SOUND[back.bytes :], wire.Stop())
            assert finals(first.events + await until_closed(second)) == TEXT.split()
        await other.nobody_is_left()
        assert not list((tmp_path / "sessions").iterdir())


async def test_a_session_that_another_daemon_has_is_not_taken_from_it(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other), talking(one.url) as first:
        token = await begin(first, SOUND[:40_000])
        async with talking(other.url) as second:
            await second.say(wire.Resume(token=token))
            error, closed = await second.rest()
            assert isinstance(error, wire.Error)
            assert (error.code, error.fatal) == (ErrorCode.NOT_RESUMABLE, True)
            assert "another daemon" in error.message
            assert error.retry_after_s is not None
            assert isinstance(closed, wire.Closed)
        await first.say(SOUND[40_000:], wire.Stop())
        assert finals(await first.rest()) == TEXT.split()


async def test_a_client_tries_until_it_reaches_the_daemon_that_can_go_on(tmp_path: Path) -> None:
    sound = speak(TEXT, gap_s=1.0)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(PATIENCE_S))
        one, other = await stack.enter_async_context(two(tmp_path))
        wire_to = await stack.enter_async_context(entrance(Wire(_port(one))))
        client = await stack.enter_async_context(StenoClient.connect(wire_to.url, rate=16_000))
        await client.send(sound[:40_000])
        wire_to.tear(port=None)
        await one.nobody_is_left()
        held = Journal(tmp_path, keep_s=60).take(client.ready.session)
        assert held is not None  # as by a daemon that has not noticed yet
        tries, wire_to.port = wire_to.opened, _port(other)
        while wire_to.opened < tries + 3:
            await one.health()
        held.page.close()
        await client.send(sound[40_000:])
        await client.stop()
        found = [event async for event in client]
        assert finals(found) == TEXT.split()
        assert client.resumptions == 1


def _port(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


async def test_a_restart_of_the_program_costs_a_client_no_word_and_repeats_none(
    clips: Path, tmp_path: Path
) -> None:
    path = min((clips / "librivox").glob("*.flac"))
    blocks = [*read_blocks(path, block_ms=100), *[np.zeros(1_600, np.float32)] * 10]
    daemon = Program(tmp_path, max_sessions=2)
    await daemon.start()
    try:
        expected = await _said(daemon, blocks, restarts=False)
        assert expected
        assert await _said(daemon, blocks, restarts=True) == expected
    finally:
        await daemon.kill()


async def _said(
    daemon: Program, blocks: list[FloatArray], *, restarts: bool
) -> list[tuple[str, float, float]]:
    """The finals of a recording, with a restart of the daemon in the middle of an utterance."""
    found: list[wire.ServerMessage] = []
    async with StenoClient.connect(daemon.url, rate=16_000, timeout_s=600) as client:
        for block in blocks[: len(blocks) // 2]:
            await client.send(block)
        if restarts:
            while not isinstance(found[-1] if found else None, wire.Partial):
                found.append(await anext(client))
            assert await daemon.stop() == 0
            await daemon.start()
        for block in blocks[len(blocks) // 2 :]:
            await client.send(block)
        await client.stop()
        found += [event async for event in client]
        assert client.resumptions == restarts
    return [
        (event.text, event.start, event.end) for event in found if isinstance(event, wire.Final)
    ]
