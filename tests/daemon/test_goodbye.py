"""The last thing that a client hears, while it is still talking itself."""

import asyncio
from contextlib import suppress

from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import PATIENCE_S, Talk, serving, talking
from websockets.exceptions import ConnectionClosed

from steno_daemon import wire
from steno_daemon.config import Config, LimitsConfig, ServerConfig
from steno_daemon.wire import CloseReason, ErrorCode

START = wire.Start()
SILENCE = bytes(3_200)


async def talks_on(talk: Talk) -> None:
    """Send audio for as long as anybody takes it."""
    with suppress(ConnectionClosed):
        while True:
            await talk.say(*[SILENCE] * 20)
            await asyncio.sleep(0)


async def heard_while_talking(talk: Talk) -> list[wire.ServerMessage]:
    """Everything that a client hears which does not stop talking."""
    mouth = asyncio.create_task(talks_on(talk))
    events = await talk.rest()
    mouth.cancel()
    await asyncio.wait([mouth])
    return events


async def test_who_is_refused_in_the_middle_of_its_audio_hears_why() -> None:
    async with (
        serving(FakeRecogniser(), max_sessions=1) as served,
        talking(served.url) as first,
    ):
        await first.say(START)
        await first.hear(wire.Ready)
        for _ in range(30):
            async with talking(served.url) as talk:
                await talk.say(START, *[SILENCE] * 100)
                events = await heard_while_talking(talk)
                errors = [e.code for e in events if isinstance(e, wire.Error)]
                assert errors[:1] == [ErrorCode.OVERLOADED]
                assert isinstance(events[-1], wire.Closed)
                assert talk.connection.close_code == 1013


async def test_who_comes_to_a_limit_in_the_middle_of_its_audio_hears_its_last_words() -> None:
    config = Config(server=ServerConfig(resume_s=0), limits=LimitsConfig(session_s=3.0))
    async with serving(FakeRecogniser(), config=config) as served:
        for _ in range(5):
            async with talking(served.url) as talk:
                await talk.say(START, pcm(speak("do mi")))
                events = await heard_while_talking(talk)
                assert finals(events) == ["do mi"]
                assert isinstance(events[-1], wire.Closed)
                assert events[-1].reason is CloseReason.LIMIT
                assert talk.connection.close_code == 1008


async def test_a_shutdown_in_the_middle_of_audio_brings_the_last_words() -> None:
    for _ in range(5):
        async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
            await talk.say(START, pcm(speak("do mi", tail_s=0.0)), wire.Ping(id=1))
            await talk.hear(wire.Pong)
            served.daemon.stop()
            events = await heard_while_talking(talk)
            assert finals(events) == ["do mi"]
            assert isinstance(events[-1], wire.Closed)
            assert events[-1].reason is CloseReason.SHUTDOWN
            async with asyncio.timeout(PATIENCE_S):
                await served.task
