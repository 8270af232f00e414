"""The client class against a daemon in the same loop, and against peers that fail in every way."""

import asyncio
import socket as sockets
from typing import TYPE_CHECKING

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from steno_clients.connection import Door, ask, is_local, open_connection
from steno_clients.errors import (
    AudioError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineError,
    ProtocolError,
    ServerError,
    SessionEndedError,
)
from steno_clients.inbox import Inbox
from steno_clients.websocket import Samples, StartOptions, StenoClient, transcribe
from steno_daemon.wire import (
    Acknowledged,
    Closed,
    CloseReason,
    Configure,
    Encoding,
    Endpointing,
    Error,
    ErrorCode,
    Final,
    Finalize,
    Partial,
    Ping,
    Pong,
    Ready,
    Start,
    Stop,
    encode,
)

if TYPE_CHECKING:
    from tests.clients.conftest import CountingDaemon, Serve

REFUSAL = Error(
    seq=0,
    code=ErrorCode.UNKNOWN_LANGUAGE_MODEL,
    message="no such language model",
    fatal=True,
    expected="general",
    found="medical",
)
READY = Ready(
    seq=0, session="s", version="1", models=("general",), chunk_ms=160, sample_rate=16_000
)
FINAL = Final(seq=2, segment=0, text="a word", start=0.0, end=1.0, confidence=1.0)


async def test_every_event_of_a_stream_arrives_in_order(daemon: "CountingDaemon") -> None:
    async with StenoClient.connect(daemon.url, rate=8_000) as client:
        await client.send(np.zeros(8_000 * 4, np.float32))
        await client.stop()
        events = [event async for event in client]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [e.text for e in events if isinstance(e, Final)] == [
        "number0 number1 number2",
        "number3",
    ]
    assert isinstance(events[-1], Closed)
    assert client.samples_sent == client.samples_acknowledged == 32_000


async def test_the_options_are_those_of_start(daemon: "CountingDaemon") -> None:
    assert set(StartOptions.__annotations__) == set(Start.__struct_fields__)
    async with StenoClient.connect(daemon.url, rate=48_000, language_model="x", n_best=3):
        pass
    assert daemon.starts == [Start(rate=48_000, language_model="x", n_best=3)]


@pytest.mark.parametrize(
    ("encoding", "dtype", "scale"), [("pcm_s16le", "<i2", 32768), ("pcm_f32le", "<f4", 1)]
)
async def test_floats_arrive_as_they_were(
    daemon: "CountingDaemon", encoding: str, dtype: str, scale: int
) -> None:
    audio = np.array([0.0, 0.5, -0.25, 1.5 if scale == 1 else 0.75, -1.0])
    async with StenoClient.connect(daemon.url, encoding=Encoding(encoding)) as client:
        await client.send(audio)
        await client.stop()
        assert [event async for event in client]
    np.testing.assert_allclose(np.frombuffer(daemon.audio[0], dtype) / scale, audio)


async def test_loud_floats_are_clipped_and_integers_kept(daemon: "CountingDaemon") -> None:
    async with StenoClient.connect(daemon.url, channels=2) as client:
        await client.send(np.array([[2.0, -2.0]]))
        await client.send(np.array([[1, -2], [3, -4]], np.int16))
        await client.send(b"\x05\x00\x06\x00")
        assert client.samples_sent == 4
        await client.stop()
        assert [event async for event in client]
    assert np.frombuffer(daemon.audio[0], "<i2").tolist() == [32767, -32768, 1, -2, 3, -4, 5, 6]


async def test_long_audio_goes_in_frames_that_end_between_samples(daemon: "CountingDaemon") -> None:
    audio = np.arange(200_001, dtype=np.int64).astype(np.int16)
    async with StenoClient.connect(daemon.url, rate=48_000) as client:
        await client.send(audio)
        await client.stop()
        acknowledged = [e.samples async for e in client if isinstance(e, Acknowledged)]
    assert acknowledged == [*range(16_384, 200_001, 16_384), 200_001]
    assert bytes(daemon.audio[0]) == audio.tobytes()


@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        (b"\x00", "whole samples of 2 bytes, found 1 bytes"),
        (np.array([np.nan]), "finite floats"),
        (np.zeros((3, 2)), r"1 channel\(s\), found the shape \(3, 2\)"),
        (np.zeros(3, np.int64), "found int64"),
    ],
)
async def test_what_is_no_audio_is_not_sent(
    daemon: "CountingDaemon", audio: "bytes | Samples", complaint: str
) -> None:
    async with StenoClient.connect(daemon.url) as client:
        with pytest.raises(AudioError, match=complaint):
            await client.send(audio)
    assert daemon.audio == [b""]


async def test_an_array_cannot_be_sent_in_a_telephone_encoding(daemon: "CountingDaemon") -> None:
    async with StenoClient.connect(daemon.url, encoding=Encoding.MULAW) as client:
        with pytest.raises(AudioError, match="expected bytes for a session in mulaw"):
            await client.send(np.zeros(8))


async def test_requests_reach_the_daemon_and_stop_goes_once(daemon: "CountingDaemon") -> None:
    silence = Endpointing(trailing_silence_ms=300)
    async with StenoClient.connect(daemon.url) as client:
        await client.send(np.zeros(16_000))
        await client.finalize()
        await client.configure(silence)
        await client.ping(7)
        await client.stop()
        await client.stop()
        events = [event async for event in client]
    assert daemon.others == [Finalize(), Configure(endpointing=silence), Ping(id=7), Stop()]
    assert [e.id for e in events if isinstance(e, Pong)] == [7]
    assert [e.text for e in events if isinstance(e, Final)] == ["number0"]


async def test_audio_after_stop_is_a_mistake(daemon: "CountingDaemon") -> None:
    async with StenoClient.connect(daemon.url) as client:
        await client.stop()
        with pytest.raises(ProtocolError, match="no audio after stop, found 4 bytes"):
            await client.send(b"\0\0\0\0")


async def test_no_daemon_says_how_to_start_one() -> None:
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionFailedError, match=f"no daemon at {url}; start one with `stenod`"):
        async with StenoClient.connect(url):
            pass


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense"])
async def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConnectionFailedError, match="expected an address such as ws://"):
        async with StenoClient.connect(url):
            pass


async def test_a_web_server_is_no_daemon() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailedError, match=r"found another: .*404"):
            async with StenoClient.connect(f"ws://127.0.0.1:{port}"):
                pass


async def test_a_server_that_never_answers_is_a_deadline() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as listening:
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(DeadlineError, match=rf"a connection to {url} within 0\.05 s"):
            async with StenoClient.connect(url, timeout_s=0.05):
                pass


async def test_a_connection_that_ends_before_ready_says_what_was_awaited(serve: "Serve") -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    async with await open_connection(Door(url=await serve(leave))) as socket:
        with pytest.raises(ConnectionLostError, match=r"expected `ready` .*, found the connection"):
            await ask(socket, Start(), Ready, 5.0)


async def test_silence_instead_of_ready_is_a_deadline(serve: "Serve") -> None:
    async def silent(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with await open_connection(Door(url=await serve(silent))) as socket:
        with pytest.raises(DeadlineError, match=r"expected `ready` .* within 0\.05 s"):
            await ask(socket, Start(), Ready, 0.05)


async def test_a_refused_session_says_why(serve: "Serve") -> None:
    async def refuse(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(REFUSAL))
        await socket.send(encode(Closed(seq=1, reason=CloseReason.REFUSED)))

    with pytest.raises(ServerError, match="expected general, found medical") as caught:
        async with StenoClient.connect(await serve(refuse), language_model="medical"):
            pass
    assert caught.value.error == REFUSAL


async def test_a_session_that_ends_before_it_begins_says_so(serve: "Serve") -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(Closed(seq=0, reason=CloseReason.SHUTDOWN)))

    with pytest.raises(SessionEndedError, match="shutdown"):
        async with StenoClient.connect(await serve(close)):
            pass


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (encode(FINAL), "expected `ready`, found `final`"),
        (b"\0\0", "expected a text message, found 2 bytes of binary"),
        ("hello", "not JSON"),
        ('{"type": "greeting", "seq": 0}', "greeting"),
    ],
)
async def test_another_protocol_is_recognised(
    serve: "Serve", frame: bytes | str, complaint: str
) -> None:
    async def chatter(socket: ServerConnection) -> None:
        await socket.send(frame)
        await socket.wait_closed()

    with pytest.raises(ProtocolError, match=complaint):
        async with StenoClient.connect(await serve(chatter)):
            pass


async def test_a_daemon_that_dies_loses_no_final_that_it_sent(serve: "Serve") -> None:
    async def die(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await socket.send(encode(FINAL))
        socket.transport.abort()

    async with StenoClient.connect(await serve(die)) as client:
        assert await anext(client) == FINAL
        with pytest.raises(ConnectionLostError, match="found the connection lost"):
            await anext(client)
        with pytest.raises(ConnectionLostError):
            await client.send(b"\0\0")


async def test_a_session_that_fails_gives_its_last_words_first(
    serve: "Serve",
) -> None:
    broken = Error(seq=1, code=ErrorCode.RECOGNISER_FAILED, message="out of memory", fatal=True)

    async def fail(socket: ServerConnection) -> None:
        await socket.recv()
        for event in (READY, broken, FINAL, Closed(seq=3, reason=CloseReason.FAILED)):
            await socket.send(encode(event))

    async with StenoClient.connect(await serve(fail)) as client:
        seen = [await anext(client) for _ in range(3)]
        assert seen == [broken, FINAL, Closed(seq=3, reason=CloseReason.FAILED)]
        with pytest.raises(ServerError, match="out of memory"):
            await anext(client)


async def test_a_daemon_that_goes_down_is_not_the_end_that_was_asked_for(serve: "Serve") -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await socket.send(encode(Closed(seq=1, reason=CloseReason.SHUTDOWN)))

    async with StenoClient.connect(await serve(leave)) as client:
        with pytest.raises(SessionEndedError) as caught:
            assert [event async for event in client]
    assert caught.value.reason is CloseReason.SHUTDOWN


async def test_silence_after_stop_is_a_deadline(serve: "Serve") -> None:
    async def stall(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await socket.wait_closed()

    async with StenoClient.connect(await serve(stall), timeout_s=2.0) as client:
        await client.stop()
        with pytest.raises(DeadlineError, match=r"the end of the stream within 2 s"):
            await anext(client)


async def test_sending_waits_while_the_daemon_takes_nothing(serve: "Serve") -> None:
    open_gate = asyncio.Event()

    async def hesitate(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await open_gate.wait()
        heard = seq = 0
        async for frame in socket:
            seq += 1
            if isinstance(frame, str):
                await socket.send(encode(Closed(seq=seq, reason=CloseReason.STOPPED)))
                return
            heard += len(frame) // 2
            await socket.send(encode(Acknowledged(seq=seq, samples=heard)))

    minutes = bytes(2 * 16_000 * 60 * 20)
    async with StenoClient.connect(await serve(hesitate)) as client:
        sending = asyncio.create_task(client.send(minutes))
        before = -1
        while before != client.samples_sent:  # until it has come to a halt
            before = client.samples_sent
            await asyncio.wait((sending,), timeout=0.2)
        assert not sending.done()
        assert client.samples_sent < len(minutes) // 4
        open_gate.set()
        await sending
        await client.stop()
        assert [event async for event in client]
    assert client.samples_acknowledged == len(minutes) // 2


async def test_a_daemon_that_never_takes_audio_again_is_a_deadline(serve: "Serve") -> None:
    done = asyncio.Event()

    async def freeze(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await done.wait()

    async with StenoClient.connect(await serve(freeze), timeout_s=2.0) as client:
        with pytest.raises(DeadlineError, match=r"take what is sent within 2 s"):
            await client.send(bytes(64 << 20))
        done.set()


async def test_a_reader_that_falls_behind_loses_hypotheses_but_no_final() -> None:
    inbox = Inbox(seq=-1)
    for segment in range(3):
        for number in range(1_000):
            inbox.put(Partial(seq=0, segment=segment, text=f"{number}", stable_chars=0, start=0.0))
            inbox.put(Acknowledged(seq=0, samples=number))
        inbox.put(Final(seq=0, segment=segment, text="end", start=0.0, end=1.0, confidence=1.0))
    inbox.end(None)
    events = []
    while (event := await inbox.get()) is not None:
        events.append(event)
    assert [e.segment for e in events if isinstance(e, Final)] == [0, 1, 2]
    assert len(events) < 400
    assert [e.samples for e in events if isinstance(e, Acknowledged)][-1] == 999


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("ws://localhost:1", True),
        ("ws://[::1]:1", True),
        ("ws://127.1.2.3", True),
        ("ws://10.0.0.1:1", False),
        ("wss://example.org", False),
        ("ws://", False),
    ],
)
def test_only_other_machines_are_reached_through_proxies(url: str, *, local: bool) -> None:
    assert is_local(url) is local


async def test_one_call_transcribes_a_recording(daemon: "CountingDaemon") -> None:
    finals = await asyncio.to_thread(
        transcribe, np.zeros(8_000 * 4), daemon.url, rate=8_000, word_times=True
    )
    assert [final.text for final in finals] == ["number0 number1 number2", "number3"]
    assert finals[1].words is not None
    assert [word.text for word in finals[1].words] == ["number3"]
