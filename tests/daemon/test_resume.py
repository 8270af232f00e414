"""A client whose connection breaks finds its session again, even after the daemon was killed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, Talk, serving, talking
from websockets.exceptions import ConnectionClosed

from steno_daemon import wire
from steno_daemon.auth import hash_token
from steno_daemon.config import Config, LimitsConfig, SecurityConfig, ServerConfig, TokenConfig
from steno_daemon.journal import Journal
from steno_daemon.stream import EVENTS_MAX
from steno_daemon.wire import CloseReason, ErrorCode

START = wire.Start()
TEXT = "do re mi fa so"
SOUND = pcm(speak(TEXT, gap_s=1.0))
RESUMABLE = Config(server=ServerConfig(resume_s=PATIENCE_S))


def kept_in(directory: Path) -> Config:
    return Config(server=ServerConfig(resume_s=PATIENCE_S, state_directory=directory))


async def started(talk: Talk) -> wire.Ready:
    await talk.say(START)
    ready = await talk.hear(wire.Ready)
    assert isinstance(ready, wire.Ready)
    assert ready.token
    assert ready.resume_s == PATIENCE_S
    return ready


async def resumed(talk: Talk, token: str, seq: int) -> wire.Resumed:
    await talk.say(wire.Resume(token=token, seq=seq))
    event = await talk.hear(wire.Resumed)
    assert isinstance(event, wire.Resumed)
    return event


async def nobody_connected(served: Served) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await served.daemon.streams.nobody_connected()


def durable(events: list[wire.ServerMessage]) -> Iterator[tuple[str, str]]:
    for event in events:
        if isinstance(event, wire.Final | wire.Endpoint | wire.SpeechStarted):
            yield type(event).__name__, getattr(event, "text", str(event.segment))


@pytest.mark.parametrize("cut", range(2_000, len(SOUND), 28_001))
async def test_a_broken_connection_loses_and_repeats_nothing(cut: int) -> None:
    async with serving(FakeRecogniser(), config=RESUMABLE) as served:
        async with talking(served.url) as first:
            token = (await started(first)).token or ""
            await first.say(SOUND[:cut], wire.Ping(id=1))
            await first.hear(wire.Pong)
            first.connection.transport.abort()
        await nobody_connected(served)
        seen = first.events[-1].seq
        async with talking(served.url) as second:
            back = await resumed(second, token, seen)
            assert back.seq == seen
            assert back.bytes == 2 * back.samples <= cut
            await second.say(SOUND[back.bytes :], wire.Stop())
            events = first.events + await missed_and_new(second)
        assert finals(events) == TEXT.split()
        assert len(list(durable(events))) == len(set(durable(events)))
        assert served.daemon.engine.sessions == 0


async def missed_and_new(talk: Talk) -> list[wire.ServerMessage]:
    """Everything until the end; numbers rise, and the first event is `resumed`."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                talk.events.append(wire.decode_server(await talk.connection.recv()))
    except ConnectionClosed:
        pass
    resumed_event, *rest = talk.events
    numbers = [event.seq for event in rest]
    assert numbers == sorted(set(numbers))
    assert all(number > resumed_event.seq for number in numbers)
    return rest


async def test_events_that_were_lost_on_the_way_come_again() -> None:
    async with serving(FakeRecogniser(), config=RESUMABLE) as served:
        async with talking(served.url) as first:
            token = (await started(first)).token or ""
            await first.say(SOUND, wire.Stop())
            async with asyncio.timeout(PATIENCE_S):
                while len(finals(first.events)) < 3:
                    await first.hear(wire.Final)
            first.connection.transport.abort()
        await nobody_connected(served)
        async with talking(served.url) as second:  # which says that it saw only `ready`
            await resumed(second, token, 0)
            events = await missed_and_new(second)
        assert finals(events) == TEXT.split()
        assert isinstance(events[-1], wire.Closed)


async def test_a_second_connection_takes_the_session_from_one_that_hangs() -> None:
    async with serving(FakeRecogniser(), config=RESUMABLE) as served, talking(served.url) as first:
        token = (await started(first)).token or ""
        await first.say(SOUND[:40_000])
        async with talking(served.url) as second:
            back = await resumed(second, token, 0)
            await first.connection.wait_closed()
            await second.say(SOUND[back.bytes :], wire.Stop())
            assert finals(await missed_and_new(second)) == TEXT.split()


async def test_a_client_that_closes_properly_frees_its_seat_at_once() -> None:
    async with serving(FakeRecogniser(), config=RESUMABLE, max_sessions=1) as served:
        async with talking(served.url) as talk:
            await started(talk)
        await served.nobody_is_left()
        async with talking(served.url) as next_one:
            await next_one.say(START)
            assert isinstance(await next_one.hear(wire.Ready), wire.Ready)


async def test_a_session_that_nobody_comes_back_to_is_given_up() -> None:
    config = Config(server=ServerConfig(resume_s=0.2))
    async with serving(FakeRecogniser(), config=config, max_sessions=1) as served:
        async with talking(served.url) as talk:
            await talk.say(START)
            ready = await talk.hear(wire.Ready)
            talk.connection.transport.abort()
        await served.nobody_is_left()
        assert isinstance(ready, wire.Ready)
        async with talking(served.url) as late:
            await late.say(wire.Resume(token=ready.token or "", seq=0))
            error, closed = await late.rest()
            assert isinstance(error, wire.Error)
            assert (error.code, error.fatal) == (ErrorCode.NOT_RESUMABLE, True)
            assert isinstance(closed, wire.Closed)
            assert closed.reason is CloseReason.REFUSED


@pytest.mark.parametrize("token", ["", "x", "../../etc/passwd.x", "0123456789abcdef.wrong", "é.é"])
async def test_a_wrong_token_gets_no_session(token: str, tmp_path: Path) -> None:
    async with (
        serving(FakeRecogniser(), config=kept_in(tmp_path)) as served,
        talking(served.url) as talk,
    ):
        await talk.say(wire.Resume(token=token))
        error, _ = await talk.rest()
        assert isinstance(error, wire.Error)
        assert error.code is ErrorCode.NOT_RESUMABLE


async def test_a_session_is_resumed_under_its_own_token_alone(tmp_path: Path) -> None:
    plain = {name: f"steno_test_token_of_the_{name}" for name in ("stage", "hall")}
    tokens = tuple(TokenConfig(name=n, sha256=hash_token(p)) for n, p in plain.items())
    config = Config(
        server=ServerConfig(resume_s=PATIENCE_S, state_directory=tmp_path),
        security=SecurityConfig(tokens=tokens),
    )
    async with serving(FakeRecogniser(), config=config) as served:
        async with talking(f"{served.url}/?token={plain['stage']}") as talk:
            secret = (await started(talk)).token or ""
            talk.connection.transport.abort()
        async with talking(f"{served.url}/?token={plain['hall']}") as thief:
            await thief.say(wire.Resume(token=secret))
            error, _ = await thief.rest()
            assert isinstance(error, wire.Error)
            assert error.code is ErrorCode.NOT_RESUMABLE
        async with talking(f"{served.url}/?token={plain['stage']}") as back:
            assert (await resumed(back, secret, 0)).samples == 0


async def test_resume_within_a_session_is_told_to_be_too_late() -> None:
    async with serving(FakeRecogniser(), config=RESUMABLE) as served, talking(served.url) as talk:
        ready = await started(talk)
        await talk.say(wire.Resume(token=ready.token or "", seq=0), pcm(speak("do")), wire.Stop())
        events = await talk.rest()
        [error] = [event for event in events if isinstance(event, wire.Error)]
        assert (error.code, error.fatal) == (ErrorCode.UNEXPECTED_MESSAGE, False)
        assert finals(events) == ["do"]


@pytest.mark.parametrize("cut", range(30_000, len(SOUND), 40_001))
async def test_a_daemon_that_was_killed_loses_and_repeats_nothing(cut: int, tmp_path: Path) -> None:
    async with serving(FakeRecogniser(), config=kept_in(tmp_path)) as served:
        async with talking(served.url) as first:
            token = (await started(first)).token or ""
            await first.say(SOUND[:cut], wire.Ping(id=1))
            await first.hear(wire.Pong)
            first.connection.transport.abort()
        await nobody_connected(served)
    # It went down without a word to this client, as a killed one does; another one starts.
    async with (
        serving(FakeRecogniser(), config=kept_in(tmp_path)) as served,
        talking(served.url) as second,
    ):
        back = await resumed(second, token, first.events[-1].seq)
        acknowledged = [e.samples for e in first.events if isinstance(e, wire.Acknowledged)]
        assert back.samples >= (acknowledged[-1] if acknowledged else 0)
        await second.say(SOUND[back.bytes :], wire.Stop())
        events = first.events + await missed_and_new(second)
        assert finals(events) == TEXT.split()
        told = [entry for entry in durable(events) if entry[0] != "SpeechStarted"]
        assert len(told) == len(set(told))
        await served.nobody_is_left()
        assert not list((tmp_path / "sessions").iterdir())


async def test_a_file_of_a_session_that_is_damaged_costs_that_session_alone(tmp_path: Path) -> None:
    async with serving(FakeRecogniser(), config=kept_in(tmp_path)) as served:
        async with talking(served.url) as talk:
            token = (await started(talk)).token or ""
            talk.connection.transport.abort()
        await nobody_connected(served)
    [file] = (tmp_path / "sessions").iterdir()
    assert token.partition(".")[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b'{"start": 1}\n' + file.read_bytes())
    async with serving(FakeRecogniser(), config=kept_in(tmp_path)) as served:
        async with talking(served.url) as talk:
            await talk.say(wire.Resume(token=token))
            error, _ = await talk.rest()
            assert isinstance(error, wire.Error)
            assert error.code is ErrorCode.NOT_RESUMABLE
        async with talking(served.url) as talk:
            await talk.say(START, pcm(speak("do")), wire.Stop())
            assert finals(await talk.rest()) == ["do"]


def test_a_last_line_that_was_cut_off_is_as_if_it_had_not_been_sent(tmp_path: Path) -> None:
    journal = Journal(tmp_path, keep_s=60)
    name = "0123456789abcdef"
    page = journal.page(name)
    from steno_daemon.checkpoint import Checkpoint
    from steno_daemon.journal import Opening

    page.begin(Opening(start=START, token_sha256="0" * 64, grant="everybody"))
    first = wire.SpeechStarted(seq=1, segment=0, time=0.5)
    page.write([first], (Checkpoint(),))
    page.write([wire.Pong(seq=2, id=1)], (Checkpoint(position=160),))
    page.close()
    [file] = (tmp_path / "sessions").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    kept = journal.read(name)
    assert kept is not None
    assert kept[1].events == (first,)
    assert kept[1].checkpoints == (Checkpoint(),)
    assert journal.read("../0123456789abcd") is None


async def test_a_client_that_asks_much_and_vanishes_leaves_no_session_behind() -> None:
    limits = LimitsConfig(messages_per_s=100_000)
    config = Config(server=ServerConfig(resume_s=0.05), limits=limits)
    async with serving(FakeRecogniser(), config=config) as served:
        async with talking(served.url) as talk:
            await talk.say(START)
            await talk.hear(wire.Ready)
            talk.connection.transport.pause_reading()
            for number in range(10 * EVENTS_MAX):
                await talk.connection.send(wire.encode(wire.Ping(id=number)))
            talk.connection.transport.abort()
        await nobody_connected(served)
        assert not served.daemon.streams.connected
