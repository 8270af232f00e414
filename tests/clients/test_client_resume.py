"""Sessions that outlive their connections: nothing is lost, and nothing comes twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.clients.breaking import READY, Break, Cut, DurableDaemon, breaking, error

from steno_clients.errors import ConnectionLostError, DeadlineError, ServerError
from steno_clients.link import LinkState
from steno_clients.resumption import Resumption
from steno_clients.websocket import StenoClient
from steno_daemon.wire import (
    ClientMessage,
    Closed,
    CloseReason,
    Configure,
    Encoding,
    Endpointing,
    ErrorCode,
    Final,
    Finalize,
    Finalized,
    Ping,
    Pong,
    Resumed,
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


def once(said: list[tuple[int, ClientMessage]]) -> list[tuple[int, ClientMessage]]:
    """What a daemon obeyed: the same again at the same place changes nothing."""
    return list(dict.fromkeys(said))


def kept(events: list[ServerMessage]) -> list[ServerMessage]:
    """Events that must not be lost; an answer that was given twice counts once."""
    durable = [event for event in events if isinstance(event, Final | Finalized | Closed)]
    seen: set[tuple[str, object]] = set()
    result = []
    for event in durable:
        key = (type(event).__name__, getattr(event, "samples", event.seq))
        if key not in seen:
            result.append(event)
        seen.add(key)
    return result


configures = st.integers(100, 103).map(
    lambda ms: Configure(endpointing=Endpointing(trailing_silence_ms=ms))
)
scripts = st.lists(
    st.one_of(
        st.integers(1, 2_000),
        st.integers(1, 2_000),
        configures,
        st.just(Finalize()),
        st.integers(0, 3).map(lambda number: Ping(id=number)),
    ),
    min_size=1,
    max_size=14,
)
cuts = st.lists(
    st.builds(
        Cut,
        how=st.sampled_from([Break.RESET, Break.EOF, Break.KILL]),
        upward=st.none() | st.integers(0, 12_000),
        downward=st.none() | st.integers(0, 4_000),
    ),
    max_size=6,
)


def spare_the_opening(wanted: list[Cut]) -> list[Cut]:
    """Let the first connection live until the session has begun."""
    first = wanted[:1]
    return [
        Cut(
            cut.how,
            None if cut.upward is None else cut.upward + OPENING_BYTES,
            None if cut.downward is None else cut.downward + OPENING_BYTES,
        )
        for cut in first
    ] + wanted[1:]


@settings(max_examples=40, deadline=None)
@given(script=scripts, wanted=cuts)
def test_wherever_connections_break_the_daemon_gets_all_and_the_client_hears_all_once(
    script: "list[int | ClientMessage]", wanted: list[Cut]
) -> None:
    async def converse() -> None:
        daemon = DurableDaemon()
        async with breaking(daemon, spare_the_opening(wanted)) as wire:
            said = await say(wire.url, script)
        assert bytes(daemon.memory.audio) == said.audio
        told = [(place, what) for place, what in said.messages if not isinstance(what, Ping)]
        assert once(daemon.memory.said) == once(told)
        assert kept(said.events) == kept(daemon.memory.events)
        assert sum(isinstance(event, Finalized) for event in said.events) == len(
            [what for _, what in told if isinstance(what, Finalize)]
        )
        numbers = [event.seq for event in said.events]
        assert numbers == sorted(set(numbers))
        asked = [what.id for _, what in said.messages if isinstance(what, Ping)]
        answered = [event.id for event in said.events if isinstance(event, Pong)]
        assert answered == asked
        assert said.client.state is LinkState.ENDED

    asyncio.run(converse())


async def test_a_broken_connection_is_seen_and_counted() -> None:
    states: list[LinkState] = []
    cuts = [Cut(Break.RESET, upward=3_000), Cut(Break.EOF, downward=200)]
    async with (
        breaking(DurableDaemon(), cuts) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, resume=AT_ONCE, notice=states.append) as client,
    ):
        for _ in range(4):
            await client.send(bytes(4_000))
        await client.stop()
        assert [event.text for event in await collect(client) if isinstance(event, Final)] == [
            "0-4000",
            "4000-8000",
            "8000-12000",
            "12000-16000",
        ]
    assert client.resumptions == 1
    assert wire.opened == 3
    assert states == [LinkState.RECONNECTING, LinkState.OPEN, LinkState.ENDED]


async def test_what_is_sent_while_nobody_is_there_is_kept() -> None:
    daemon = DurableDaemon()
    away = error(ErrorCode.OVERLOADED, "no room yet", retry_after_s=0.0)
    broken = asyncio.Event()
    async with (
        breaking(daemon, [Cut(Break.RESET, upward=2_000)]) as wire,
        talking(wire.url, broken=broken) as c,
    ):
        listening = asyncio.create_task(collect(c))
        daemon.refusals = [away] * 1_000_000
        await c.send(bytes(2_000))
        await broken.wait()
        for _ in range(20):
            await c.send(bytes(2_000))
        await c.finalize()
        await c.stop()
        assert len(daemon.memory.audio) <= 2_000
        daemon.refusals.clear()
        events = await listening
    assert len(daemon.memory.audio) == 42_000
    assert [type(event) for event in kept(events)][-3:] == [Final, Finalized, Closed]


@pytest.mark.parametrize(
    "answer",
    [
        error(ErrorCode.OVERLOADED, "no room yet", retry_after_s=0.01),
        Closed(seq=0, reason=CloseReason.SHUTDOWN),
    ],
)
async def test_a_daemon_that_has_no_room_or_goes_down_is_asked_again(
    answer: ServerMessage,
) -> None:
    daemon = DurableDaemon()
    daemon.refusals = [answer] * 3
    async with breaking(daemon, [Cut(Break.RESET, upward=2_000)]) as wire:
        said = await say(wire.url, [1_000, 2_000])
    assert bytes(daemon.memory.audio) == said.audio
    assert len(daemon.resumes) == 4


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


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_a_connection_that_is_closed_before_the_session_is_replaced(code: int) -> None:
    daemon = DurableDaemon()
    daemon.close_codes = [code, code]
    async with breaking(daemon) as wire:
        said = await say(wire.url, [100, Ping(id=1), 100, Ping(id=2), 100])
    assert said.client.resumptions == 2
    assert bytes(daemon.memory.audio) == said.audio


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


class Forgetful(DurableDaemon):
    """Writes nothing down, which is quicker."""

    def _write_down(self, end: int) -> None:
        pass


async def test_a_connection_that_silently_takes_nothing_is_replaced() -> None:
    daemon = Forgetful()
    hour = bytes(6 << 20)  # more than all buffers on the way
    policy = Resumption(first_delay_s=0.0, unacknowledged_s_max=3_600.0)
    async with (
        breaking(daemon, [Cut(Break.SILENCE, upward=10_000)]) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, resume=policy, timeout_s=3.0) as client,
    ):
        listening = asyncio.create_task(collect(client))
        await client.send(hour)
        await client.stop()
        await listening
    assert client.resumptions == 1
    assert len(daemon.memory.audio) == len(hour)


async def test_sending_waits_for_an_acknowledgement_when_too_much_is_kept() -> None:
    little = Resumption(first_delay_s=0.0, unacknowledged_s_max=0.1)
    daemon = DurableDaemon()
    async with (
        breaking(daemon) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, resume=little, timeout_s=0.2) as client,
    ):
        await client.send(bytes(3_200))
        with pytest.raises(
            DeadlineError, match=r"an acknowledgement within 0\.2 s, .* than 0\.1 s"
        ):
            await client.send(bytes(2))
        await client.finalize()
        await client.send(bytes(2_000))
        assert client.samples_sent == 2_600


async def test_a_container_goes_on_at_a_byte() -> None:
    daemon = DurableDaemon()
    audio = bytes(range(256)) * 40
    async with (
        breaking(daemon, [Cut(Break.RESET, upward=5_000)]) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, encoding=Encoding.WEBM_OPUS, resume=AT_ONCE) as client,
    ):
        for place in range(0, len(audio), 301):
            await client.send(audio[place : place + 301])
        await client.stop()
        await collect(client)
    assert client.resumptions == 1
    assert bytes(daemon.memory.audio) == audio
    assert (client.bytes_sent, client.samples_sent) == (len(audio), 0)


async def test_answers_that_nobody_waits_for_are_dropped() -> None:
    class Talkative(DurableDaemon):
        def _listen(self) -> list[ServerMessage]:
            return [self._keep(Pong(seq=0, id=1)), self._keep(Finalized(seq=0, samples=1))]

    async with breaking(Talkative()) as wire:
        said = await say(wire.url, [1, Ping(id=1), 1])
    assert sum(isinstance(event, Pong) for event in said.events) == 1
    assert not any(isinstance(event, Finalized) for event in said.events)


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
