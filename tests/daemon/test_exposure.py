"""What strangers get to see, and how much they may send."""

import asyncio
import socket

import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.mutant import upgrade
from tests.daemon.serving import PATIENCE_S, Served, serving, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from steno_daemon import wire
from steno_daemon.activation import host_of
from steno_daemon.auth import hash_token
from steno_daemon.config import Config, LimitsConfig, SecurityConfig, ServerConfig, TokenConfig
from steno_daemon.errors import ConfigError
from steno_daemon.exposure import Exposure
from steno_daemon.wire import CloseReason, ErrorCode

TOKEN = TokenConfig(name="stage", sha256=hash_token("a token of the stage"))
WITH_TOKEN = Config(security=SecurityConfig(tokens=(TOKEN,)))
START = wire.Start()


async def answer(served: Served, request: bytes, until: bytes = b"\r\n\r\n") -> bytes:
    """What comes back up to some bytes."""
    host, _, port = served.url.removeprefix("ws://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        found = await reader.readuntil(until)
    writer.close()
    await writer.wait_closed()
    return found


# Where it listens.


def test_a_socket_that_was_handed_over_counts_and_not_the_configured_host() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:  # noqa: S104 - what is refused
        hosts = [host_of(everywhere)]
    with pytest.raises(ConfigError, match="everybody who reaches"):
        Exposure(Config(), hosts)
    Exposure(WITH_TOKEN, hosts)
    Exposure(Config(server=ServerConfig(host="::")), ["127.0.0.1", "::1"])


def test_a_reload_that_would_open_the_daemon_to_everybody_changes_nothing() -> None:
    exposure = Exposure(WITH_TOKEN, ["127.0.0.1", "192.0.2.1"])
    with pytest.raises(ConfigError, match=r"everybody who reaches 192\.0\.2\.1"):
        exposure.reload(Config())
    assert "who has a token" in exposure.description


# What it says.


async def test_no_answer_tells_what_the_daemon_is_made_of() -> None:
    async with serving(FakeRecogniser()) as served:
        for request in (
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /watch/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            upgrade(),
        ):
            head = await answer(served, request)
            assert b"\r\nServer: stenod\r\n" in head
            assert b"aiohttp" not in head


async def test_a_named_page_may_read_a_stream_of_events_and_no_other_may() -> None:
    server = ServerConfig(origins=("https://stage.example",), resume_s=0)
    async with serving(FakeRecogniser(), server) as served:
        watch = b"GET /watch/live HTTP/1.1\r\nHost: localhost\r\nOrigin: %s\r\n\r\n"
        head = await answer(served, watch % b"https://stage.example")
        assert b"\r\nAccess-Control-Allow-Origin: https://stage.example\r\n" in head
        head = await answer(served, watch % b"https://evil.example")
        assert head.startswith(b"HTTP/1.1 403 ")
        assert b"Access-Control" not in head


async def test_a_key_that_is_no_text_is_the_fault_of_the_client() -> None:
    async with serving(FakeRecogniser()) as served:
        for path in ("/", "/watch/live"):
            head = await answer(served, upgrade(path, Sec_WebSocket_Key="ü"))
            assert head.startswith(b"HTTP/1.1 400 ")


# How much may be sent.


async def test_pings_are_answered_and_a_flood_of_them_ends_the_session_in_words() -> None:
    config = Config(server=ServerConfig(resume_s=0), limits=LimitsConfig(messages_per_s=5))
    async with serving(FakeRecogniser(), config=config) as served, talking(served.url) as talk:
        await talk.say(START, pcm(speak("do", tail_s=0.0)))
        async with asyncio.timeout(PATIENCE_S):
            await (await talk.connection.ping())
        for _ in range(60):
            await talk.connection.ping()
        events = await talk.rest()
        assert finals(events) == ["do"]
        [error] = [event for event in events if isinstance(event, wire.Error)]
        assert (error.code, error.fatal) == (ErrorCode.LIMIT_EXCEEDED, True)
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is CloseReason.LIMIT
        assert talk.connection.close_code == 1008


async def test_frames_without_audio_count_as_messages() -> None:
    config = Config(server=ServerConfig(resume_s=0), limits=LimitsConfig(messages_per_s=5))
    async with serving(FakeRecogniser(), config=config) as served, talking(served.url) as talk:
        await talk.say(START, *[b""] * 60)
        events = await talk.rest()
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is CloseReason.LIMIT


async def test_a_viewer_gets_its_pongs_and_is_let_go_when_it_talks_too_much() -> None:
    async with (
        serving(FakeRecogniser()) as served,
        connect(f"{served.url}/watch/live", proxy=None, ping_interval=None) as viewer,
    ):
        async with asyncio.timeout(PATIENCE_S):
            await (await viewer.ping())
            for _ in range(30):
                await viewer.send("what about me?")
            with pytest.raises(ConnectionClosed):
                await viewer.recv()
        assert viewer.close_code == 1008


async def test_who_floods_keeps_nobody_else_waiting() -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as flooding:
        await flooding.say(START, *[pcm(speak("do"))[:2]] * 5_000)
        async with talking(served.url) as talk:
            await talk.say(START, pcm(speak("do mi")), wire.Stop())
            assert finals(await talk.rest()) == ["do mi"]
