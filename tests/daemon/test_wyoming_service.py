"""Wyoming over real sockets, with its own client as it is published."""

import asyncio
import socket
import struct
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.daemon.brokers import free_port
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, serving, talking
from tests.daemon.test_real_bundle import CLIP

from steno_daemon import wire
from steno_daemon.check import Findings
from steno_daemon.check_neighbours import check_wyoming
from steno_daemon.config import Config, LimitsConfig, ServerConfig, WyomingConfig
from steno_daemon.errors import ConfigError
from steno_daemon.transports.tcp import open_sockets
from steno_models import bundle
from steno_models.audio import read_file
from steno_models.recogniser import Recogniser

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.11 says that audioop will go
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncClient
    from wyoming.event import Event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping


@asynccontextmanager
async def spoken(
    folder: Path,
    *,
    recogniser: Recogniser | None = None,
    config: Config | None = None,
    **place: object,
) -> AsyncIterator[tuple[Served, str]]:
    """A daemon that speaks Wyoming at a path, and its address."""
    path = folder / "wyoming.sock"
    options = {"port": 0, "path": path, **place}
    wyoming = WyomingConfig(enabled=True, **options)  # type: ignore[arg-type]
    base = config or Config()
    server = msgspec.structs.replace(base.server, resume_s=0)
    whole = Config(server=server, limits=base.limits, wyoming=wyoming)
    async with serving(recogniser or FakeRecogniser(), config=whole) as served:
        yield served, f"unix://{path}"


async def transcribed(client: AsyncClient, sound: bytes, **request: str) -> list[Event]:
    """Everything that the client hears of a transcription."""
    await client.write_event(Transcribe(**request).event())  # type: ignore[arg-type]
    await client.write_event(AudioStart(16_000, 2, 1).event())
    for at in range(0, len(sound), 2_048):
        await client.write_event(AudioChunk(16_000, 2, 1, sound[at : at + 2_048]).event())
    await client.write_event(AudioStop().event())
    return await heard(client)


async def heard(client: AsyncClient) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        while (event := await client.read_event()) is not None:
            events.append(event)
            if event.type in {"transcript-stop", "error"}:
                break
    return events


def text(events: list[Event]) -> str:
    [found] = [str(event.data["text"]) for event in events if event.type == "transcript"]
    return found


def joined(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.type == "transcript-chunk")


async def test_the_published_client_is_told_what_there_is_and_transcribes_again(
    tmp_path: Path,
) -> None:
    async with spoken(tmp_path) as (served, uri):
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(Describe().event())
            told = await client.read_event()
            assert told is not None
            assert [model.name for model in Info.from_event(told).asr[0].models] == ["general"]
            for note in ("do mi", "so"):
                events = await transcribed(client, pcm(speak(note)))
                assert text(events) == joined(events) == note
            await client.write_event(Ping("still there?").event())
            answer = await client.read_event()
            assert answer is not None
            assert answer.data == {"text": "still there?"}
        await served.nobody_is_left()
        assert (tmp_path / "wyoming.sock").stat().st_mode & 0o777 == 0o660


async def test_a_recording_has_the_same_words_as_over_the_websocket_by_tcp(
    tmp_path: Path,
) -> None:
    data = pcm(read_file(CLIP))
    recogniser = bundle.load("en").recogniser
    port = free_port()
    async with spoken(tmp_path, recogniser=recogniser, port=port) as (served, _):
        async with talking(served.url) as talk:
            await talk.say(wire.Start(), data, wire.Stop())
            native = [e.text for e in await talk.rest() if isinstance(e, wire.Final)]
        async with AsyncClient.from_uri(f"tcp://127.0.0.1:{port}") as client:
            events = await transcribed(client, data)
    assert native
    assert text(events) == joined(events) == " ".join(native)


async def test_two_clients_at_once_have_each_its_own_words(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (_, uri):
        async with AsyncClient.from_uri(uri) as one, AsyncClient.from_uri(uri) as other:
            found = await asyncio.gather(
                transcribed(one, pcm(speak("do mi"))), transcribed(other, pcm(speak("fa")))
            )
        assert [text(events) for events in found] == ["do mi", "fa"]


async def test_who_finds_no_seat_is_told_so_in_an_error_and_let_go(tmp_path: Path) -> None:
    async with spoken(tmp_path, max_sessions=1) as (served, uri):
        async with AsyncClient.from_uri(uri) as one, AsyncClient.from_uri(uri) as other:
            await one.write_event(AudioChunk(16_000, 2, 1, bytes(640)).event())
            await served.sessions_are(1)
            await other.write_event(AudioChunk(16_000, 2, 1, bytes(640)).event())
            [error] = await heard(other)
            assert error.data["code"] == "overloaded"
            assert "at most 1 sessions at once" in error.data["text"]
            assert await other.read_event() is None
            await one.write_event(AudioStop().event())
            assert text(await heard(one)) == ""
        await served.nobody_is_left()


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Transcribe(name="medicine").event(), "unknown_language_model"),
        (AudioChunk(96_000, 2, 1, bytes(640)).event(), "invalid_audio"),
        (Event("audio-chunk", {"rate": "fast"}, bytes(640)), "invalid_message"),
    ],
)
async def test_what_cannot_be_is_an_error_and_the_end(
    tmp_path: Path, event: Event, code: str
) -> None:
    async with spoken(tmp_path) as (served, uri):
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(event)
            told = await heard(client)
            assert told[0].type == "error"
            assert told[0].data["code"] == code
        await served.nobody_is_left()


async def test_bytes_that_are_no_events_get_an_error_and_harm_nobody(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (_, uri):
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", bytes(100_000), b"{}\n", b'{"type":'):
            reader, writer = await asyncio.open_unix_connection(uri.removeprefix("unix://"))
            writer.write(nonsense)
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read()
            assert (b'"error"' in answer) is (nonsense != b'{"type":')
            writer.close()
            await writer.wait_closed()
        async with AsyncClient.from_uri(uri) as client:
            assert text(await transcribed(client, pcm(speak("do")))) == "do"


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (served, uri):
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(AudioChunk(16_000, 2, 1, pcm(speak("do"))).event())
            await served.sessions_are(1)
        await served.nobody_is_left()
        assert len(served.daemon.streams) == 0


@pytest.mark.parametrize("events", [1, 2])
async def test_a_connection_that_breaks_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, events: int
) -> None:
    said = (AudioStart(16_000, 2, 1), AudioChunk(16_000, 2, 1, pcm(speak("do"))))
    port = free_port()
    async with spoken(tmp_path, port=port) as (served, _):
        for _ in range(3):
            async with AsyncClient.from_uri(f"tcp://127.0.0.1:{port}") as client:
                for one in said[:events]:
                    await client.write_event(one.event())
                await served.sessions_are(events - 1)
                at_once = struct.pack("ii", 1, 0)
                link = client._writer.get_extra_info("socket")
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                client._writer.transport.abort()
        await served.nobody_is_left()
        assert len(served.daemon.streams) == 0


async def test_a_client_that_is_gone_leaves_none_of_the_transcriptions_that_it_still_asked_for(
    tmp_path: Path,
) -> None:
    async with spoken(tmp_path) as (served, uri):
        for _ in range(5):
            _, writer = await asyncio.open_unix_connection(uri.removeprefix("unix://"))
            writer.write(b'{"type":"audio-stop"}\n' * 100)
            await writer.drain()
            writer.transport.abort()
        await served.nobody_is_left()
        assert len(served.daemon.streams) == 0


@pytest.mark.parametrize("opening", [b"", b'{"type":"audio-chunk","payload_length":640}\n'])
async def test_bytes_that_make_no_event_are_no_sign_of_life(tmp_path: Path, opening: bytes) -> None:
    config = Config(server=ServerConfig(idle_timeout_s=0.3))
    async with spoken(tmp_path, config=config) as (served, uri):
        reader, writer = await asyncio.open_unix_connection(uri.removeprefix("unix://"))
        writer.write(b'{"type":"ping"}\n' + opening)
        hearing = asyncio.create_task(reader.read())
        async with asyncio.timeout(PATIENCE_S):
            while not (await asyncio.wait([hearing], timeout=0.1))[0]:
                writer.write(b"x")
        assert b'"pong"' in hearing.result()
        writer.transport.abort()
        await served.nobody_is_left()


async def test_a_session_that_comes_to_its_limit_has_an_error_and_its_words(
    tmp_path: Path,
) -> None:
    config = Config(limits=LimitsConfig(session_s=3.0))
    async with spoken(tmp_path, config=config) as (_, uri), AsyncClient.from_uri(uri) as client:
        await client.write_event(AudioChunk(16_000, 2, 1, pcm(speak("do"))).event())
        await client.write_event(AudioChunk(16_000, 2, 1, bytes(64_000)).event())
        await client.write_event(AudioChunk(16_000, 2, 1, bytes(64_000)).event())
        events = await heard(client)
        assert events[-1].data["code"] == "limit_exceeded"
        assert text(await heard(client) or events) == "do"


async def test_a_daemon_that_goes_down_gives_the_transcript_first(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (served, uri), AsyncClient.from_uri(uri) as client:
        await client.write_event(AudioChunk(16_000, 2, 1, pcm(speak("do mi"))).event())
        await served.sessions_are(1)
        await served.stop()
        assert text(await heard(client)) == "do mi"


# Where it listens.


def test_an_address_that_others_reach_has_to_be_wanted() -> None:
    with pytest.raises(ConfigError, match="everybody who reaches its port may speak"):
        open_sockets(WyomingConfig(enabled=True, host="0.0.0.0", port=free_port()))  # noqa: S104
    place = WyomingConfig(host="0.0.0.0", port=free_port(), open_to_network=True)  # noqa: S104
    for bound in open_sockets(place):
        bound.close()
    with pytest.raises(ConfigError, match="expected a port or a path, found neither"):
        open_sockets(WyomingConfig(port=0))
    with pytest.raises(ConfigError, match=r"wyoming.announce: expected wyoming.host to be"):
        open_sockets(WyomingConfig(announce=True))


def test_a_path_is_taken_over_from_a_daemon_that_was_killed_and_from_no_other(
    tmp_path: Path,
) -> None:
    place = WyomingConfig(port=0, path=tmp_path / "s")
    [killed] = open_sockets(place)
    killed.close()
    [alive] = open_sockets(place)
    alive.listen()
    with pytest.raises(ConfigError, match="cannot listen: expected a free path"):
        open_sockets(place)
    alive.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot listen: expected a free path"):
        open_sockets(WyomingConfig(port=0, path=tmp_path / "file"))


def test_a_check_says_who_reaches_it(tmp_path: Path) -> None:
    found = Findings()
    check_wyoming(found, WyomingConfig())
    check_wyoming(found, WyomingConfig(enabled=True, path=tmp_path / "s"))
    check_wyoming(found, WyomingConfig(enabled=True, host="0.0.0.0"))  # noqa: S104
    told = [str(one) for one in found.all]
    assert "not spoken" in told[0]
    assert "tcp://127.0.0.1:10300, reached from this machine alone without a token" in told[1]
    assert "open_to_network = true" in told[2]
    assert found.faults == 1


async def test_the_service_is_announced_and_withdrawn_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    zeroconf = pytest.importorskip("zeroconf.asyncio")
    port = free_port()
    place: dict[str, Any] = {"port": port, "host": "0.0.0.0", "open_to_network": True}  # noqa: S104
    async with (
        zeroconf.AsyncZeroconf() as network,
        spoken(tmp_path, announce=True, name="steno test", **place),
    ):
        found = await network.async_get_service_info(
            "_wyoming._tcp.local.", "steno test._wyoming._tcp.local.", timeout=10_000
        )
        if found is None:
            pytest.skip("needs a network with multicast, found none that works")
        assert found.port == port
        assert all(socket.inet_pton(socket.AF_INET, one) for one in found.parsed_addresses())
