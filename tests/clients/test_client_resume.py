"""Sessions that outlive their connections: nothing is lost, and nothing comes twice."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.clients.breaking import Break, Cut, DurableDaemon, breaking, error
from tests.clients.saying import (
    AT_ONCE,
    OPENING_BYTES,
    PATIENCE_S,
    collect,
    say,
    talking,
)

from steno_clients.errors import DeadlineError
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
    ServerMessage,
)


def once(said: Sequence[tuple[int, ClientMessage]]) -> list[tuple[int, ClientMessage]]:
    """What a daemon obeyed: the same again at the same place changes nothing."""
    return list(dict.fromkeys(said))


def kept(events: list[ServerMessage]) -> list[ServerMessage]:
    """Events that must not be lost; an answer that was given twice counts once."""
    durable = [event for event in events if isinstance(event, Final | Finalized | Closed)]
    seen: set[tuple[str, object]] = set()
    result: list[ServerMessage] = []
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
        assert answered == asked[: len(answered)]  # none is needed once the session is over
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


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_a_connection_that_is_closed_before_the_session_is_replaced(code: int) -> None:
    daemon = DurableDaemon()
    daemon.close_codes = [code, code]
    async with breaking(daemon) as wire:
        said = await say(wire.url, [100, Ping(id=1), 100, Ping(id=2), 100])
    assert said.client.resumptions == 2
    assert bytes(daemon.memory.audio) == said.audio


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
        StenoClient.connect(wire.url, resume=little, timeout_s=2.0) as client,
    ):
        await client.send(bytes(3_200))
        with pytest.raises(DeadlineError, match=r"an acknowledgement within 2 s, .* than 0\.1 s"):
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
