"""A full daemon: sessions whose clients are away give their seats to those who are there."""

import asyncio
from pathlib import Path

from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, Talk, serving, talking

from steno_daemon import wire
from steno_daemon.auth import hash_token
from steno_daemon.config import Config, SecurityConfig, ServerConfig, TokenConfig
from steno_daemon.wire import ErrorCode

SOUND = pcm(speak("do re mi", gap_s=1.0))
TOKEN = "steno_test_token_of_a_stage"  # noqa: S105 - of no real daemon
AWAY = Config(server=ServerConfig(resume_s=PATIENCE_S))


async def start(talk: Talk, opening: wire.Start | None = None) -> str:
    await talk.say(opening or wire.Start())
    ready = await talk.hear(wire.Ready)
    assert isinstance(ready, wire.Ready)
    return ready.token or ""


async def leave(served: Served, opening: wire.Start | None = None, query: str = "") -> str:
    """Begin a session, vanish, and return what it is resumed with."""
    waiting = served.daemon.streams.waiting
    async with talking(served.url + query) as talk:
        token = await start(talk, opening)
        await talk.say(SOUND[:20_000], wire.Ping(id=1))
        await talk.hear(wire.Pong)
        talk.connection.transport.abort()
    async with asyncio.timeout(PATIENCE_S):
        while served.daemon.streams.waiting == waiting:
            await served.health()
    return token


async def refusal(served: Served, message: wire.ClientMessage, query: str = "") -> wire.Error:
    async with talking(served.url + query) as talk:
        await talk.say(message)
        error, _ = await talk.rest()
        assert isinstance(error, wire.Error)
        return error


async def test_the_one_that_waits_longest_gives_its_seat_to_a_newcomer() -> None:
    async with serving(FakeRecogniser(), config=AWAY, max_sessions=2) as served:
        first = await leave(served)
        second = await leave(served)
        async with talking(served.url) as newcomer, talking(served.url) as back:
            await start(newcomer)
            error = await refusal(served, wire.Resume(token=first))
            assert error.code is ErrorCode.NOT_RESUMABLE
            assert "the daemon was full" in error.message
            await back.say(wire.Resume(token=second))
            assert isinstance(await back.hear(wire.Resumed), wire.Resumed)


async def test_one_whose_client_is_there_keeps_its_seat() -> None:
    async with (
        serving(FakeRecogniser(), config=AWAY, max_sessions=1) as served,
        talking(served.url) as there,
    ):
        await start(there)
        assert (await refusal(served, wire.Start())).code is ErrorCode.OVERLOADED
        await there.say(pcm(speak("do")), wire.Stop())
        assert finals(await there.rest()) == ["do"]


async def test_nobody_is_given_up_for_one_who_has_no_room_even_so() -> None:
    async with (
        serving(FakeRecogniser(), config=AWAY, max_sessions=2) as served,
        talking(served.url) as there,
        talking(served.url) as back,
    ):
        await start(there)
        token = await leave(served)
        pair = wire.Start(channels=2, separate_channels=True)
        assert (await refusal(served, pair)).code is ErrorCode.OVERLOADED
        await back.say(wire.Resume(token=token))
        assert isinstance(await back.hear(wire.Resumed), wire.Resumed)


async def test_as_many_as_it_takes_leave_for_a_session_of_two_channels() -> None:
    async with serving(FakeRecogniser(), config=AWAY, max_sessions=2) as served:
        tokens = [await leave(served), await leave(served)]
        async with talking(served.url) as pair:
            await start(pair, wire.Start(channels=2, separate_channels=True))
            for token in tokens:
                error = await refusal(served, wire.Resume(token=token))
                assert error.code is ErrorCode.NOT_RESUMABLE


async def test_a_session_on_disk_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    config = Config(server=ServerConfig(resume_s=PATIENCE_S, state_directory=tmp_path))
    async with serving(FakeRecogniser(), config=config, max_sessions=1) as served:
        token = await leave(served)
        async with talking(served.url) as newcomer:
            await start(newcomer)
            error = await refusal(served, wire.Resume(token=token, seq=0))
            assert error.code is ErrorCode.OVERLOADED
            await newcomer.say(pcm(speak("so")), wire.Stop())
            assert finals(await newcomer.rest()) == ["so"]
        async with talking(served.url) as back:
            await back.say(wire.Resume(token=token, seq=0))
            resumed = await back.hear(wire.Resumed)
            assert isinstance(resumed, wire.Resumed)
            await back.say(SOUND[resumed.bytes :], wire.Stop())
            await back.hear(wire.Closed)
            assert finals(back.events) == ["do", "re", "mi"]


async def test_a_token_with_all_its_sessions_loses_the_one_whose_client_is_away() -> None:
    known = TokenConfig(name="stage", sha256=hash_token(TOKEN), max_sessions=1)
    config = Config(
        server=ServerConfig(resume_s=PATIENCE_S), security=SecurityConfig(tokens=(known,))
    )
    query = f"/?token={TOKEN}"
    async with serving(FakeRecogniser(), config=config) as served:
        token = await leave(served, query=query)
        async with talking(served.url + query) as newcomer:
            await start(newcomer)
            error = await refusal(served, wire.Resume(token=token), query)
            assert error.code is ErrorCode.NOT_RESUMABLE
            assert (await refusal(served, wire.Start(), query)).code is ErrorCode.OVERLOADED
