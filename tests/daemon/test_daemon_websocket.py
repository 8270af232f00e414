"""The whole daemon over real sockets on loopback, with a recogniser that hears notes."""

import asyncio
import struct
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import cast

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import PATIENCE_S, serving, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from steno_daemon import wire
from steno_daemon.config import ServerConfig
from steno_daemon.server import SPARE_CONNECTIONS
from steno_daemon.wire import CloseReason, ErrorCode
from steno_models.audio import resample
from steno_models.recogniser import State, Update
from steno_models.recogniser import Work as Chunk

START = wire.Start()
STOP = wire.Stop()


class Stalling(FakeRecogniser):
    """Blocks the engine's thread while it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        if not self.go_on.is_set():
            self.stalled.set()
            assert self.go_on.wait(PATIENCE_S)
        return super().step(work)


async def stalled(recogniser: Stalling) -> None:
    assert await asyncio.to_thread(recogniser.stalled.wait, PATIENCE_S)


async def test_a_client_gets_every_word_and_a_normal_close() -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        sound = pcm(speak("do mi re"))
        await talk.say(START, *(sound[i : i + 640] for i in range(0, len(sound), 640)), STOP)
        events = await talk.rest()
        assert finals(events) == ["do mi re"]
        assert isinstance(events[0], wire.Ready)
        assert events[-1] == wire.Closed(seq=events[-1].seq, reason=CloseReason.STOPPED)
        assert (talk.connection.close_code, talk.connection.close_reason) == (1000, "stopped")


async def test_one_large_frame_is_heard_as_well_as_many_small_ones() -> None:
    start = wire.Start(rate=48_000, channels=2, encoding=wire.Encoding.PCM_F32LE)
    sound = resample(speak("do mi re", gap_s=1.0), 16_000, 48_000)
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        data = np.repeat(sound, 2).astype("<f4").tobytes()
        assert len(data) > 1_500_000
        await talk.say(start, data, STOP)
        assert finals(await talk.rest()) == ["do", "mi", "re"]


async def test_partials_come_while_the_client_still_speaks() -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(START, pcm(speak("do mi re", tail_s=0.0)))
        partial = await talk.hear(wire.Partial)
        assert isinstance(partial, wire.Partial)
        assert partial.text in {"do", "do mi"}
        await talk.say(STOP)
        assert finals(await talk.rest()) == ["do mi re"]


async def test_two_sessions_never_see_each_others_words() -> None:
    texts = ["do do do", "mi re", "fa so fa", "so"]
    async with serving(FakeRecogniser()) as served, asyncio.TaskGroup() as tasks:

        async def speaker(text: str) -> None:
            sound = pcm(speak(text))
            async with talking(served.url) as talk:
                await talk.say(START)
                for begin in range(0, len(sound), 3_200):
                    await talk.say(sound[begin : begin + 3_200])
                    await asyncio.sleep(0)
                await talk.say(STOP)
                events = await talk.rest()
            assert finals(events) == [text]
            heard = {
                word
                for event in events
                if isinstance(event, wire.Partial)
                for word in event.text.split()
            }
            assert heard <= set(text.split())

        for text in texts:
            tasks.create_task(speaker(text))


# What goes wrong.


@pytest.mark.parametrize(
    ("message", "code", "found"),
    [
        ("{not json", ErrorCode.INVALID_JSON, "{not json"),
        ('{"type": "start", "tempo": 3}', ErrorCode.INVALID_MESSAGE, "a field tempo"),
        ('{"type": "start", "rate": 3}', ErrorCode.INVALID_MESSAGE, "3"),
        ('{"type": "finalize"}', ErrorCode.UNEXPECTED_MESSAGE, "finalize"),
        ('{"type": "start", "language_model": "x"}', ErrorCode.UNKNOWN_LANGUAGE_MODEL, "x"),
        (b"\0\0", ErrorCode.UNEXPECTED_MESSAGE, "audio"),
        ('{"type": "' + "x" * 70_000, ErrorCode.TOO_LARGE, "70010"),
    ],
)
async def test_a_wrong_message_is_answered_and_the_session_goes_on(
    message: str | bytes, code: ErrorCode, found: str
) -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(message, START, pcm(speak("do")), STOP)
        events = await talk.rest()
        error = events[0]
        assert isinstance(error, wire.Error)
        assert (error.code, error.fatal) == (code, False)
        assert found in str(error.found)
        assert error.expected
        assert finals(events) == ["do"]


async def test_a_frame_of_a_gigabyte_is_refused_by_its_header() -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(START)
        await talk.hear(wire.Ready)
        # A masked binary frame whose header announces a gigabyte; not one byte of it follows.
        talk.connection.transport.write(b"\x82\xff" + struct.pack(">Q", 10**9) + b"mask")
        with pytest.raises(ConnectionClosed) as caught:
            await talk.connection.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
        await served.sessions_are(0)


SCRIPT: list[wire.ClientMessage | bytes] = [
    START,
    pcm(speak("do", tail_s=0.0)),
    wire.Configure(endpointing=wire.Endpointing(trailing_silence_ms=500)),
    wire.Finalize(),
    wire.Ping(id=1),
    pcm(speak("mi", tail_s=0.1)),
    STOP,
]


async def test_a_client_that_vanishes_at_any_message_leaves_nothing_behind() -> None:
    async with serving(FakeRecogniser(), max_sessions=1) as served:
        for length in range(len(SCRIPT) + 1):
            async with talking(served.url) as talk:
                await talk.say(*SCRIPT[:length])
                talk.connection.transport.abort()
            await served.nobody_is_left()
        async with talking(served.url) as talk:
            await talk.say(*SCRIPT)
            assert finals(await talk.rest()) == ["do", "mi"]
        await served.nobody_is_left()


async def test_a_client_that_vanishes_while_its_work_is_out_leaves_nothing_behind() -> None:
    recogniser = Stalling()
    async with serving(recogniser, max_sessions=1) as served:
        recogniser.go_on.clear()
        async with talking(served.url) as talk:
            await talk.say(START, pcm(speak("do mi")))
            await stalled(recogniser)
            talk.connection.transport.abort()
        await served.nobody_is_left()
        recogniser.go_on.set()
        async with talking(served.url) as talk:
            await talk.say(START, pcm(speak("re")), STOP)
            assert finals(await talk.rest()) == ["re"]


async def test_a_failing_recogniser_ends_its_own_session_and_no_other() -> None:
    class Allergic(FakeRecogniser):
        def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
            results = super().step(work)
            if any("so" in [word.text for word in update.words] for update, _ in results):
                raise RuntimeError("it heard so")
            return results

    async with (
        serving(Allergic()) as served,
        talking(served.url) as ill,
        talking(served.url) as well,
    ):
        await well.say(START, pcm(speak("do", tail_s=0.0)))
        await ill.say(START, pcm(speak("mi mi so so")), STOP)
        events = await ill.rest()
        assert finals(events) == ["mi mi"]
        assert isinstance(events[-2], wire.Error)
        assert (events[-2].code, events[-2].fatal) == (ErrorCode.RECOGNISER_FAILED, True)
        assert ill.connection.close_code == 1011
        await well.say(pcm(speak("re", lead_s=1.0)), STOP)
        assert finals(await well.rest()) == ["do", "re"]


async def test_a_silent_client_is_let_go_with_its_words() -> None:
    async with (
        serving(FakeRecogniser(), ServerConfig(idle_timeout_s=0.5, resume_s=0)) as served,
        talking(served.url) as talk,
    ):
        await talk.say(START, pcm(speak("do", tail_s=0.0)))
        events = await talk.rest()
        assert finals(events) == ["do"]
        assert events[-1] == wire.Closed(seq=events[-1].seq, reason=CloseReason.IDLE)


# Load.


async def test_a_full_daemon_refuses_and_admits_again_when_somebody_leaves() -> None:
    async with serving(FakeRecogniser(), max_sessions=1) as served:
        async with talking(served.url) as first:
            await first.say(START)
            await first.hear(wire.Ready)
            async with talking(served.url) as second:
                await second.say(START)
                error, closed = await second.rest()
                assert isinstance(error, wire.Error)
                assert (error.code, error.fatal) == (ErrorCode.OVERLOADED, True)
                assert error.retry_after_s
                assert isinstance(closed, wire.Closed)
                assert closed.reason is CloseReason.REFUSED
                assert second.connection.close_code == 1013
            await first.say(pcm(speak("do")), STOP)
            assert finals(await first.rest()) == ["do"]
        await served.sessions_are(0)
        async with talking(served.url) as third:
            await third.say(START)
            await third.hear(wire.Ready)


async def test_more_connections_than_any_session_needs_are_turned_away() -> None:
    async with serving(FakeRecogniser(), max_sessions=1) as served, AsyncExitStack() as open_ones:
        for _ in range(2 + SPARE_CONNECTIONS):
            await open_ones.enter_async_context(talking(served.url))
        with pytest.raises(InvalidStatus) as caught:
            await connect(served.url, proxy=None)
        assert caught.value.response.status_code == 503


async def test_a_fault_of_the_daemon_ends_the_session_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Confused(FakeRecogniser):
        def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
            return [(cast("Update", None), state) for _, state in super().step(work)]

    recogniser = FakeRecogniser()
    async with serving(recogniser) as served, talking(served.url) as talk:
        recogniser.step = Confused().step  # type: ignore[method-assign]
        await talk.say(START, pcm(speak("do")))
        events = await talk.rest()
        assert isinstance(events[-2], wire.Error)
        assert (events[-2].code, events[-2].fatal) == (ErrorCode.INTERNAL, True)
        assert "a fault of the daemon" in caplog.text
        await served.nobody_is_left()


async def test_while_the_engine_stalls_everybody_is_still_answered() -> None:
    recogniser = Stalling()
    async with (
        serving(recogniser) as served,
        talking(served.url) as waiting,
        talking(served.url) as other,
    ):
        recogniser.go_on.clear()
        await waiting.say(START, pcm(speak("do mi")))
        await stalled(recogniser)
        async with asyncio.timeout(PATIENCE_S):
            await (await waiting.connection.ping())
        await waiting.say(wire.Ping(id=7))
        assert await waiting.hear(wire.Pong)
        await other.say(START)
        assert await other.hear(wire.Ready)
        assert (await served.health())["sessions"] == 2
        recogniser.go_on.set()
        await waiting.say(STOP)
        assert finals(await waiting.rest()) == ["do mi"]


async def test_a_fast_client_has_to_wait_and_loses_nothing() -> None:
    recogniser = Stalling()
    text = " ".join(["do mi re"] * 10)
    async with (
        serving(recogniser, ServerConfig(backlog_s=2.0, resume_s=0)) as served,
        talking(served.url) as talk,
    ):
        recogniser.go_on.clear()
        await talk.say(START, pcm(speak(text)), wire.Ping(id=1))
        await stalled(recogniser)
        [stream] = served.daemon.streams.connected
        async with talking(served.url) as other:  # some turns of the event loop later
            await other.say(START)
            await other.hear(wire.Ready)
        assert stream.session.undecoded_s < 2.0 + 1.1
        recogniser.go_on.set()
        await talk.say(STOP)
        assert " ".join(finals(await talk.rest())) == text


# Going down.


async def test_a_shutdown_brings_the_last_words_and_says_goodbye() -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(START, pcm(speak("do mi", tail_s=0.0)), wire.Ping(id=1))
        await talk.hear(wire.Pong)
        async with talking(served.url) as idle:
            served.daemon.stop()
            events = await talk.rest()
            assert finals(events) == ["do mi"]
            assert isinstance(events[-1], wire.Closed)
            assert events[-1].reason is CloseReason.SHUTDOWN
            assert talk.connection.close_code == 1001
            assert [type(event) for event in await idle.rest()] == [wire.Closed]
        async with asyncio.timeout(PATIENCE_S):
            await served.task
        with pytest.raises(OSError, match="Connect"):
            await connect(served.url, proxy=None)


async def test_a_shutdown_does_not_wait_for_ever() -> None:
    recogniser = Stalling()
    async with (
        serving(recogniser, ServerConfig(drain_timeout_s=0.2, resume_s=0)) as served,
        talking(served.url) as talk,
    ):
        recogniser.go_on.clear()
        await talk.say(START, pcm(speak("do mi")))
        await stalled(recogniser)
        served.daemon.stop()
        await talk.rest()
        assert talk.connection.close_code == 1006
        recogniser.go_on.set()


@pytest.mark.parametrize("encoding", [wire.Encoding.WEBM_OPUS, wire.Encoding.OGG_OPUS])
async def test_broken_opus_is_closed_as_data_that_is_not_what_it_should_be(
    encoding: wire.Encoding,
) -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(wire.Start(encoding=encoding), b"no such file" * 100)
        events = await talk.rest()
        [error] = [event for event in events if isinstance(event, wire.Error)]
        assert (error.code, error.fatal) == (ErrorCode.INVALID_AUDIO, True)
        assert talk.connection.close_code == 1007
        assert talk.connection.close_reason == f"invalid_audio: {error.message}"


# Plain HTTP.


async def test_health_is_told_on_the_same_port() -> None:
    async with serving(FakeRecogniser(), max_sessions=3) as served, talking(served.url) as talk:
        await talk.say(START)
        await talk.hear(wire.Ready)
        status, _ = await served.get("/healthz?verbose")
        assert status == "HTTP/1.1 200 OK"
        health = await served.health()
        assert health["status"] == "ok"
        assert (health["sessions"], health["max_sessions"]) == (1, 3)
        assert health["models"] == ["general"]
        assert health["bundle"] == "notes 1"
        assert health["version"]


async def test_another_path_is_told_where_to_go() -> None:
    async with serving(FakeRecogniser()) as served:
        status, body = await served.get("/v1/listen")
        assert status == "HTTP/1.1 404 Not Found"
        assert b"expected /, " in body
        assert b"/healthz, found another path" in body


async def test_a_foreign_web_page_may_not_listen_in() -> None:
    server = ServerConfig(origins=("https://captions.example",), resume_s=0)
    async with serving(FakeRecogniser(), server) as served:
        for origin in ("http://localhost:3000", "https://captions.example"):
            async with connect(served.url, origin=Origin(origin), proxy=None):
                pass
        with pytest.raises(InvalidStatus) as caught:
            await connect(served.url, origin=Origin("https://evil.example"), proxy=None)
        assert caught.value.response.status_code == 403
