"""The client and the daemon as they are, with a recogniser that hears hummed notes."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from tests.clients.breaking import Break, Cut, Wire, entrance
from tests.clients.saying import AT_ONCE, collect, talking, until
from tests.daemon.fakes import RATE, FakeRecogniser, speak
from tests.daemon.serving import PATIENCE_S, serving
from tests.recordings import encoded

from steno_clients import __main__ as program
from steno_clients.command_line import read_arguments
from steno_clients.errors import ServerError
from steno_clients.file import FloatArray
from steno_clients.transcribe import transcribe_file
from steno_clients.websocket import StenoClient, transcribe
from steno_daemon.config import Config, ServerConfig
from steno_daemon.wire import (
    Encoding,
    Error,
    ErrorCode,
    Final,
    Finalized,
    Partial,
    Pong,
    ServerMessage,
    SpeechStarted,
)
from steno_models.audio import resample
from steno_models.recogniser import State, Update, Work


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The address of a daemon for two sessions."""
    async with serving(FakeRecogniser(), max_sessions=2) as served:
        yield served.url


async def test_hummed_notes_come_back_as_words_with_their_times(url: str) -> None:
    audio = speak("do mi so")
    finals = await asyncio.to_thread(transcribe, audio, url, word_times=True)
    assert [final.text for final in finals] == ["do mi so"]
    words = finals[0].words
    assert words is not None
    for word, start_s in zip(words, (0.6, 1.1, 1.6), strict=True):
        assert word.start == pytest.approx(start_s, abs=0.1)
        assert word.end == pytest.approx(start_s + 0.3, abs=0.1)


async def test_hypotheses_grow_and_their_stable_part_is_never_rewritten(url: str) -> None:
    async with StenoClient.connect(url, chunk_ms=160) as client:
        await client.send(speak("do re mi fa so do re mi"))
        await client.stop()
        events = [event async for event in client if isinstance(event, Partial | Final)]
    stable = ""
    for event in events:
        assert event.text.startswith(stable)
        stable = event.text[: event.stable_chars] if isinstance(event, Partial) else event.text
    assert stable == "do re mi fa so do re mi"
    assert client.samples_acknowledged == client.samples_sent


async def test_a_third_stream_waits_for_its_place(url: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.flac" for name in ("do", "re", "mi", "fa", "so")]
    for path in paths:
        soundfile.write(path, speak(path.stem), RATE)
    async with asyncio.timeout(120):
        transcripts = await asyncio.gather(
            *(transcribe_file(path, url, advance=lambda _: None) for path in paths)
        )
    assert [t.finals[0].text for t in transcripts] == ["do", "re", "mi", "fa", "so"]


async def test_an_unknown_language_model_is_refused_by_name(url: str) -> None:
    with pytest.raises(ServerError, match="martian") as caught:
        async with StenoClient.connect(url, language_model="martian"):
            pass
    assert caught.value.error.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL


async def test_progress_reaches_the_end_of_the_audio(url: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    soundfile.write(path, np.tile(speak("do re mi"), 5), RATE)
    told: list[float] = []
    transcript = await transcribe_file(path, url, advance=told.append)
    assert [final.text for final in transcript.finals] == ["do re mi"] * 5
    assert len(told) > 5
    assert sum(told) == pytest.approx(soundfile.info(path).duration)


async def test_the_program_transcribes_through_the_daemon(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.wav"
    soundfile.write(path, speak("so mi"), RATE)
    given = read_arguments(["transcribe", str(path), "--url", url, "--format", "srt"])
    assert await program._transcribe(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2]) == ("1", "so mi")


SOUND = speak("do re mi fa so", gap_s=1.0)
WORDS = ["do", "re", "mi", "fa", "so"]


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def broken_somewhere(seed: int) -> list[Cut]:
    """Cuts that are a matter of chance, the first one behind the opening."""
    chance = random.Random(seed)
    how = [Break.RESET, Break.EOF]
    return [
        Cut(
            chance.choice(how),
            upward=chance.randrange(900, 60_000),
            downward=chance.choice([None, chance.randrange(900, 4_000)]),
        )
        for _ in range(5)
    ]


async def talk(client: StenoClient, samples: FloatArray) -> list[ServerMessage]:
    """Send in pieces, stop, and return every event."""

    async def send() -> None:
        for begin in range(0, len(samples), 1_600):
            await client.send(samples[begin : begin + 1_600])
        await client.stop()

    sending = asyncio.create_task(send())
    events = [event async for event in client]
    await sending
    return events


def numbers_rise(events: list[ServerMessage]) -> bool:
    numbers = [event.seq for event in events]
    return numbers == sorted(set(numbers))


@pytest.mark.parametrize("seed", range(4))
async def test_a_connection_that_breaks_costs_no_word(seed: int) -> None:
    config = Config(server=ServerConfig(resume_s=PATIENCE_S))
    async with serving(FakeRecogniser(), config=config) as served:
        async with (
            entrance(Wire(port_of(served.url), broken_somewhere(seed))) as wire,
            asyncio.timeout(PATIENCE_S),
            StenoClient.connect(wire.url, resume=AT_ONCE) as client,
        ):
            events = await talk(client, SOUND)
        assert [event.text for event in events if isinstance(event, Final)] == WORDS
        assert numbers_rise(events)
        assert not any(isinstance(event, Error) for event in events)
        assert client.resumptions > 0
        await served.nobody_is_left()


async def test_requests_around_a_break_are_answered_once() -> None:
    config = Config(server=ServerConfig(resume_s=PATIENCE_S))
    sound = speak("do re", tail_s=0.0)
    async with (
        serving(FakeRecogniser(), config=config) as served,
        entrance(Wire(port_of(served.url))) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, resume=AT_ONCE, rate=RATE) as client,
    ):
        for _ in range(3):
            await client.send(sound)
            await client.finalize()
            wire.tear(port=wire.port)
            await client.ping(7)
        await client.stop()
        events = [event async for event in client]
    assert [event.text for event in events if isinstance(event, Final)] == 3 * ["do re"]
    places = [event.samples for event in events if isinstance(event, Finalized)]
    assert places == [len(sound), 2 * len(sound), 3 * len(sound)]
    assert [event.id for event in events if isinstance(event, Pong)] == 3 * [7]
    assert not any(isinstance(event, Error) for event in events)


class Gated(FakeRecogniser):
    """Decodes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def step(self, work: Sequence[Work]) -> Sequence[tuple[Update, State]]:
        assert self.gate.wait(PATIENCE_S)
        return super().step(work)


async def test_a_break_behind_the_stop_is_no_mistake_of_the_client() -> None:
    config = Config(server=ServerConfig(resume_s=PATIENCE_S))
    recogniser = Gated()
    broken = asyncio.Event()
    async with (
        serving(recogniser, config=config) as served,
        entrance(Wire(port_of(served.url))) as wire,
        talking(wire.url, broken=broken) as client,
    ):
        recogniser.gate.clear()
        await client.send(speak("do re"))
        await client.finalize()
        await client.stop()
        await client.ping(1)
        events = await until(client, Pong)
        wire.tear(port=wire.port)
        await broken.wait()
        await client.ping(2)
        events += await until(client, Pong)
        recogniser.gate.set()
        events += await collect(client)
    assert not any(isinstance(event, Error) for event in events)
    assert [event.text for event in events if isinstance(event, Final)] == ["do re"]
    assert sum(isinstance(event, Finalized) for event in events) == 1


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_file_that_a_browser_records_goes_on_behind_a_break(
    tmp_path: Path, *, is_killed: bool
) -> None:
    config = Config(server=ServerConfig(resume_s=PATIENCE_S, state_directory=tmp_path))
    webm = encoded("webm", resample(SOUND, RATE, 48_000)[:, None])
    half = len(webm) // 2
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(2 * PATIENCE_S))
        first = await stack.enter_async_context(serving(FakeRecogniser(), config=config))
        wire = await stack.enter_async_context(entrance(Wire(port_of(first.url))))
        client = await stack.enter_async_context(
            StenoClient.connect(wire.url, encoding=Encoding.WEBM_OPUS, resume=AT_ONCE)
        )
        await client.send(webm[:half])
        events = await until(client, Final)
        wire.tear(port=wire.port)
        if is_killed:
            wire.tear(port=None)
            await first.daemon.streams.nobody_connected()
            await first.stop()
            second = await stack.enter_async_context(serving(FakeRecogniser(), config=config))
            wire.port = port_of(second.url)
        await client.send(webm[half:])
        await client.stop()
        events += await collect(client)
    assert [event.text for event in events if isinstance(event, Final)] == WORDS
    assert numbers_rise(events)
    assert client.resumptions > 0


@pytest.mark.parametrize("words", [1, 3])
async def test_a_daemon_that_is_killed_costs_no_word(words: int, tmp_path: Path) -> None:
    config = Config(server=ServerConfig(resume_s=PATIENCE_S, state_directory=tmp_path))
    events: list[ServerMessage] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(2 * PATIENCE_S))
        async with serving(FakeRecogniser(), config=config) as served:
            wire = await stack.enter_async_context(entrance(Wire(port_of(served.url))))
            client = await stack.enter_async_context(StenoClient.connect(wire.url, resume=AT_ONCE))
            await client.send(SOUND[: len(SOUND) * 3 // 4])
            while sum(isinstance(event, Final) for event in events) < words:
                events.append(await anext(client))
            wire.tear(port=None)  # and it goes down without a word to this client
            await served.daemon.streams.nobody_connected()
        served = await stack.enter_async_context(serving(FakeRecogniser(), config=config))
        wire.port = port_of(served.url)
        await client.send(SOUND[len(SOUND) * 3 // 4 :])
        await client.stop()
        events += [event async for event in client]
        assert [event.text for event in events if isinstance(event, Final)] == WORDS
        assert numbers_rise(events)
        started = [event.segment for event in events if isinstance(event, SpeechStarted)]
        assert started == sorted(set(started))
        assert not any(isinstance(event, Error) for event in events)
        assert client.resumptions == 1
