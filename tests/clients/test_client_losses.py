"""Connections that break for good: what is lost is said, and what was heard is not lost."""

import asyncio

import msgspec
import pytest
from tests.clients.breaking import READY, Break, Cut, DurableDaemon, breaking, error
from tests.clients.saying import OPENING_BYTES, PATIENCE_S, collect, say, talking, until

from steno_clients import link
from steno_clients.errors import ConnectionLostError, ServerError
from steno_clients.link import LinkState
from steno_clients.resumption import Outage, Resumption
from steno_clients.websocket import StenoClient
from steno_daemon.wire import (
    Closed,
    CloseReason,
    ErrorCode,
    Final,
    Pong,
    Resumed,
    ServerMessage,
)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (error(ErrorCode.NOT_RESUMABLE, "forgotten"), r"it cannot be resumed: forgotten \(not_re"),
        (Closed(seq=0, reason=CloseReason.IDLE), "it cannot be resumed: .* closed: idle"),
        (READY, "it cannot be resumed: expected `resumed`, found `ready`"),
        (
            Resumed(seq=0, session="s", samples=9_000, bytes=18_000),
            "expected to go on from between byte 4000 and 6000 .* wants byte 18000",
        ),
        (
            Resumed(seq=0, session="s", samples=0, bytes=0),
            "expected to go on from between byte 4000 and 6000 .* wants byte 0",
        ),
    ],
)
async def test_a_session_that_cannot_be_resumed_is_lost_after_its_last_event(
    answer: ServerMessage, complaint: str
) -> None:
    daemon = DurableDaemon()
    daemon.refusals = [answer]
    async with breaking(daemon) as wire, talking(wire.url) as client:
        for _ in range(3):
            await client.send(bytes(2_000))
        await client.ping()
        assert await until(client, Pong)
        assert client.samples_acknowledged == 2_000
        daemon.kill()
        with pytest.raises(ConnectionLostError, match="`closed` first, found .*" + complaint):
            await collect(client)
        with pytest.raises(ConnectionLostError, match="it cannot be resumed"):
            await client.send(bytes(2))
    assert client.state is LinkState.ENDED


async def test_every_event_before_a_loss_is_returned() -> None:
    daemon = DurableDaemon()
    daemon.refusals = [error(ErrorCode.NOT_RESUMABLE, "forgotten")]
    daemon.close_codes = [1001]
    broken = asyncio.Event()
    async with breaking(daemon) as wire, talking(wire.url, broken=broken) as client:
        await client.send(bytes(8_000))
        await client.ping()
        await broken.wait()
        heard = await until(client, Pong)
        with pytest.raises(ConnectionLostError, match="forgotten"):
            await collect(client)
    texts = [event.text for event in heard if isinstance(event, Final)]
    assert texts == ["0-4000", "4000-8000"]


@pytest.mark.parametrize("code", [1008, 1009, 4001])
async def test_a_connection_that_is_closed_for_what_was_sent_is_not(code: int) -> None:
    daemon = DurableDaemon()
    daemon.close_codes = [code]
    async with breaking(daemon) as wire, talking(wire.url) as client:
        await client.ping()
        with pytest.raises(ConnectionLostError, match=f"received {code}"):
            await collect(client)
    assert wire.opened == 1


async def test_a_daemon_that_stays_away_is_given_up() -> None:
    daemon = DurableDaemon()
    daemon.refusals = [error(ErrorCode.OVERLOADED, "no room")] * 1_000_000
    soon = Resumption(resume_s=0.05, first_delay_s=0.001)
    async with breaking(daemon) as wire, talking(wire.url, soon) as client:
        daemon.kill()
        with pytest.raises(ConnectionLostError, match=r"not be resumed within 0\.05 s: no room"):
            await collect(client)


async def test_a_link_that_breaks_before_every_event_is_given_up() -> None:
    soon = Resumption(resume_s=0.2, first_delay_s=0.0, delay_s_max=0.0)
    cuts = [Cut(Break.RESET, upward=OPENING_BYTES)] + 1_000_000 * [Cut(Break.EOF, upward=400)]
    async with breaking(DurableDaemon(), cuts) as wire, talking(wire.url, soon) as client:
        await client.send(bytes(1_000))
        with pytest.raises(ConnectionLostError, match=r"not be resumed within 0\.2 s"):
            await collect(client)


async def test_whoever_wants_no_resumption_gets_none() -> None:
    daemon = DurableDaemon()
    async with (
        breaking(daemon) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, resume=False) as client,
    ):
        await client.send(bytes(2_000))
        daemon.kill()
        with pytest.raises(ConnectionLostError, match="found the connection lost"):
            await collect(client)
    assert wire.opened == 1


async def test_a_daemon_that_offers_no_time_is_not_asked() -> None:
    daemon = DurableDaemon(msgspec.structs.replace(READY, resume_s=0.0))
    async with breaking(daemon) as wire, talking(wire.url) as client:
        daemon.kill()
        with pytest.raises(ConnectionLostError, match="found the connection lost"):
            await collect(client)
    assert wire.opened == 1


async def test_a_fatal_error_is_what_ended_a_session_that_is_lost_behind_it() -> None:
    class Failing(DurableDaemon):
        def _listen(self) -> list[ServerMessage]:
            return [self._keep(error(ErrorCode.LIMIT_EXCEEDED, "too long"))]

    daemon = Failing()
    daemon.refusals = [error(ErrorCode.NOT_RESUMABLE, "forgotten")]
    async with breaking(daemon) as wire, talking(wire.url) as client:
        await client.send(bytes(2))
        assert await anext(client)
        daemon.kill()
        with pytest.raises(ServerError, match="too long"):
            await collect(client)


async def test_who_leaves_while_the_connection_is_broken_leaves_at_once() -> None:
    daemon = DurableDaemon()
    later = Resumption(first_delay_s=1e9, delay_s_max=1e9)
    async with breaking(daemon) as wire:
        broken = asyncio.Event()
        async with talking(wire.url, later, broken) as client:
            daemon.kill()
            await broken.wait()
        with pytest.raises(ConnectionLostError, match="found it left"):
            await anext(client)


async def test_a_fault_of_whoever_is_told_reaches_the_reader() -> None:
    def refuse(state: LinkState) -> None:
        if state is LinkState.RECONNECTING:
            raise RuntimeError("no screen")

    daemon = DurableDaemon()
    async with (
        breaking(daemon) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, notice=refuse) as client,
    ):
        daemon.kill()
        with pytest.raises(RuntimeError, match="no screen"):
            await anext(client)


async def test_a_connection_that_held_for_a_while_begins_the_count_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[float] = []

    class Counted(Outage):
        def __init__(self, policy: Resumption, ends_s: float) -> None:
            super().__init__(policy, ends_s)
            counted.append(ends_s)

    monkeypatch.setattr(link, "Outage", Counted)
    cuts = [Cut(Break.EOF, upward=OPENING_BYTES)] + 3 * [Cut(Break.EOF, upward=400)]
    async with breaking(DurableDaemon(), cuts) as wire:
        await say(wire.url, [1_000])
        assert len(counted) == 1  # no event came between the breaks
        monkeypatch.setattr(link, "_SOUND_S", -1.0)
    async with breaking(DurableDaemon(), cuts) as wire:
        await say(wire.url, [1_000])
    assert len(counted) > 2
