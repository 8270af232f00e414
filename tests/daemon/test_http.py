"""The one port: pages, sessions, viewers, captions as files, tokens, origins, and slow clients."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, serving, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from steno_daemon import wire
from steno_daemon.auth import hash_token
from steno_daemon.config import (
    Config,
    LimitsConfig,
    SecurityConfig,
    ServerConfig,
    TokenConfig,
    VoskConfig,
)
from steno_daemon.limits import Deadlines

START = wire.Start(label="a <b>talk</b>")
SOUND = pcm(speak("do re"))
ADMIN, SPEAKER, WATCHER = (f"steno_test_token_of_{who}" for who in ("admin", "speaker", "watcher"))


def token(name: str, plain: str, *scopes: str, most: int | None = None) -> TokenConfig:
    return TokenConfig(
        name=name,
        sha256=hash_token(plain),
        scopes=scopes,  # type: ignore[arg-type]
        max_sessions=most,
    )


GUARDED = Config(
    server=ServerConfig(resume_s=0),
    security=SecurityConfig(
        tokens=(
            token("boss", ADMIN, "admin"),
            token("stage", SPEAKER, "recognise", most=1),
            token("hall", WATCHER, "watch"),
        )
    ),
)


@asynccontextmanager
async def one_session(served: Served) -> AsyncIterator[str]:
    """A session that has said its words and goes on."""
    async with talking(served.url) as talk:
        await talk.say(START, SOUND, wire.Finalize())
        ready = await talk.hear(wire.Ready)
        assert isinstance(ready, wire.Ready)
        await talk.hear(wire.Finalized)
        yield ready.session


async def viewed(url: str) -> list[dict[str, object]]:
    """What a viewer over a WebSocket sees until the session ends."""
    seen: list[dict[str, object]] = []
    async with asyncio.timeout(PATIENCE_S), connect(url, proxy=None) as socket:
        try:
            while True:
                seen.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            return seen


async def test_the_pages_are_served_and_nothing_beside_them() -> None:
    async with serving(FakeRecogniser()) as served:
        for path in ("/", "/overlay", "/web/captions.css"):
            status, body = await served.get(path)
            assert (path, status) == (path, "HTTP/1.1 200 OK")
            assert body
        for path in (
            "/web/../hub.py",
            "/web/%2e%2e/hub.py",
            "/web/..%2fhub.py",
            "/web/hub.py",
            "/web/",
            "/web/%00",
            "//etc/passwd",
        ):
            status, _ = await served.get(path)
            assert (path, status) == (path, "HTTP/1.1 404 Not Found")


async def test_sessions_are_listed_and_their_captions_can_be_fetched() -> None:
    async with serving(FakeRecogniser()) as served, one_session(served) as name:
        _, body = await served.get("/sessions")
        [entry] = json.loads(body)
        assert (entry["session"], entry["label"], entry["live"]) == (name, START.label, True)
        for who in (name, "live"):
            _, vtt = await served.get(f"/captions/{who}.vtt")
            assert vtt.startswith(b"WEBVTT\n")
            assert b"do re" in vtt
        _, srt = await served.get(f"/captions/{name}.srt?delay_ms=60000")
        assert srt.startswith(b"1\n00:01:00,")
        _, playlist = await served.get(f"/captions/{name}/index.m3u8")
        assert playlist.startswith(b"#EXTM3U")
        status, _ = await served.get("/captions/live/index.m3u8?delay_ms=10")
        assert " 307 " in status


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/captions/nobody.vtt", 404),
        ("/captions/live/segment-99999999999999999999.vtt", 404),
        ("/captions/live.vtt?delay_ms=soon", 400),
        ("/watch/live?after=soon", 400),
        ("/watch/live?last=few", 400),
        ("/watch/nobody", 404),
        ("/captions/live.txt", 404),
    ],
)
async def test_what_is_not_there_is_told_in_words(path: str, code: int) -> None:
    async with serving(FakeRecogniser()) as served, one_session(served):
        status, body = await served.get(path)
        assert f" {code} " in status
        assert b"expected " in body


async def test_any_number_of_viewers_see_the_same() -> None:
    async with serving(FakeRecogniser()) as served:
        async with talking(served.url) as talk:
            await talk.say(START)
            ready = await talk.hear(wire.Ready)
            assert isinstance(ready, wire.Ready)
            watch = f"{served.url}/watch/{ready.session}"
            early = [asyncio.create_task(viewed(watch)) for _ in range(5)]
            await talk.say(SOUND, wire.Stop())
            await talk.rest()
        late = await viewed(watch)
        kinds = [message["type"] for message in late]
        assert kinds == ["watching", "speech_started", "final", "endpoint", "closed"]
        assert late[2]["text"] == "do re"
        assert late[0]["seq"] == 3
        for seen in await asyncio.gather(*early):
            assert [message for message in seen[1:] if message["type"] != "partial"] == late[1:]
        after = await viewed(f"{watch}?after=1")
        assert [message["type"] for message in after] == ["watching", "endpoint", "closed"]


async def test_a_viewer_may_ask_for_the_last_words_alone() -> None:
    async with serving(FakeRecogniser()) as served:
        async with talking(served.url) as talk:
            await talk.say(START)
            ready = await talk.hear(wire.Ready)
            assert isinstance(ready, wire.Ready)
            for text in ("do", "re", "mi"):
                await talk.say(pcm(speak(text)), wire.Finalize())
                await talk.hear(wire.Final)
            await talk.say(wire.Stop())
            await talk.rest()
        watch = f"{served.url}/watch/{ready.session}"
        for query, texts in (
            ("last=2", ["re", "mi"]),
            ("last=0", []),
            ("last=9", ["do", "re", "mi"]),
            ("last=1&after=1", ["re", "mi"]),  # who comes back wants all that it missed
        ):
            seen = await viewed(f"{watch}?{query}")
            assert [event["text"] for event in seen if event["type"] == "final"] == texts


async def test_server_sent_events_say_the_same_with_numbers_to_come_back_with() -> None:
    async with serving(FakeRecogniser()) as served:
        async with talking(served.url) as talk:
            await talk.say(START, SOUND, wire.Stop())
            [ready, *_] = await talk.rest()
            assert isinstance(ready, wire.Ready)
        status, body = await served.get(f"/watch/{ready.session}")
        assert status.endswith("200 OK")
        text = body.decode()
        assert "id: 1\r\n" in text or "id: 1\n" in text
        assert '"text":"do re"' in text
        assert "event: end" in text


async def test_who_watches_live_goes_on_with_the_next_session() -> None:
    async with (
        serving(FakeRecogniser()) as served,
        connect(f"{served.url}/watch/live", proxy=None) as viewer,
    ):
        for _ in range(2):
            async with talking(served.url) as talk:
                await talk.say(START, SOUND, wire.Stop())
                await talk.rest()
            kinds: list[str] = []
            async with asyncio.timeout(PATIENCE_S):
                while not kinds or kinds[-1] != "closed":
                    kinds.append(json.loads(await viewer.recv())["type"])
            assert kinds[0] == "watching"
            assert "final" in kinds


async def test_figures_are_told_for_prometheus_and_for_people() -> None:
    async with serving(FakeRecogniser(), max_sessions=3) as served, one_session(served):
        _, body = await served.get("/metrics")
        assert b"steno_sessions 1.0" in body
        assert b"steno_finals_total 1.0" in body
        _, body = await served.get("/status")
        status = json.loads(body)
        assert (status["sessions"], status["sessions_at_each_effort"]) == (1, [3, 3, 3])
        ready, _ = await served.get("/readyz")
        assert ready.endswith("200 OK")


@pytest.mark.parametrize(
    ("path", "plain", "code"),
    [
        ("/healthz", None, 200),
        ("/", None, 200),
        ("/sessions", None, 401),
        ("/sessions", "steno_another_token_altogether", 401),
        ("/sessions", SPEAKER, 403),
        ("/sessions", WATCHER, 200),
        ("/metrics", WATCHER, 403),
        ("/metrics", ADMIN, 200),
        ("/status", ADMIN, 200),
        ("/watch/live", SPEAKER, 403),
        ("/captions/x.vtt", WATCHER, 404),
    ],
)
async def test_a_token_opens_what_it_is_for(path: str, plain: str | None, code: int) -> None:
    async with serving(FakeRecogniser(), config=GUARDED) as served:
        query = f"?token={plain}" if plain else ""
        status, body = await served.get(path + query)
        assert f" {code} " in status
        assert (plain or "no token").encode() not in body


async def test_a_session_needs_its_token_and_gets_as_many_as_that_allows() -> None:
    async with serving(FakeRecogniser(), config=GUARDED) as served:
        for plain in ("", f"?token={WATCHER}"):
            with pytest.raises(InvalidStatus):
                await connect(f"{served.url}/{plain}", proxy=None)
        async with talking(f"{served.url}/?token={SPEAKER}") as first:
            await first.say(wire.Start())
            await first.hear(wire.Ready)
            async with talking(f"{served.url}/?token={SPEAKER}") as second:
                await second.say(wire.Start())
                error, _ = await second.rest()
                assert isinstance(error, wire.Error)
                assert "max_sessions" in error.message
            await first.say(SOUND, wire.Stop())
            await first.rest()
        await served.nobody_is_left()


async def test_a_client_that_chatters_is_ended_with_its_words() -> None:
    config = Config(server=ServerConfig(resume_s=0), limits=LimitsConfig(messages_per_s=1))
    async with serving(FakeRecogniser(), config=config) as served, talking(served.url) as talk:
        await talk.say(wire.Start(), SOUND, *[wire.Ping(id=i) for i in range(30)])
        events = await talk.rest()
        assert [event.text for event in events if isinstance(event, wire.Final)] == ["do re"]
        errors = [event for event in events if isinstance(event, wire.Error)]
        assert [error.code for error in errors] == [wire.ErrorCode.LIMIT_EXCEEDED]
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is wire.CloseReason.LIMIT


async def test_a_session_longer_than_allowed_is_ended_with_its_words() -> None:
    config = Config(server=ServerConfig(resume_s=0), limits=LimitsConfig(session_s=2.0))
    async with serving(FakeRecogniser(), config=config) as served, talking(served.url) as talk:
        await talk.say(wire.Start(), SOUND, SOUND, SOUND)
        events = await talk.rest()
        assert any(isinstance(event, wire.Final) for event in events)
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is wire.CloseReason.LIMIT


async def test_a_connection_that_does_not_come_to_the_point_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steno_daemon.transports.http.Deadlines", lambda: Deadlines(request_s=0.2))
    async with serving(FakeRecogniser()) as served:
        host, port = served.url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: loc")
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
        assert (await served.health())["status"] == "ok"


ADMIN_CALL = b'{"type": "list_domains"}'


@pytest.mark.parametrize(
    ("request_line", "expected", "codes"),
    [
        (b"POST /admin", b"100-continue", [100, 200]),
        (b"POST /admin", b"\xed\xa0\x80", [417]),
        (b"GET /overlay", b"\xc2\x80 \xff", [417]),
        (b"PUT /nowhere", b"\xff", [417]),
        (b"PUT /nowhere", b"100-Continue", [100, 404]),
    ],
)
async def test_whatever_a_client_expects_is_answered_in_words(
    request_line: bytes, expected: bytes, codes: list[int]
) -> None:
    async with serving(FakeRecogniser()) as served:
        assert await expecting(served.url, request_line, expected) == codes


@pytest.mark.parametrize(
    ("method", "expected", "codes"),
    [
        (b"GET", b"\xff", [417]),
        (b"POST", b"\xff", [417]),
        (b"POST", b"100-continue", [100, 405]),
        (b"GET", b"100-continue", [100, 426]),
    ],
)
async def test_so_it_is_where_one_dialect_alone_is_spoken(
    method: bytes, expected: bytes, codes: list[int]
) -> None:
    config = Config(vosk=VoskConfig(enabled=True))
    async with serving(FakeRecogniser(), config=config) as served:
        assert await expecting(served.own["vosk"], method + b" /", expected) == codes


async def expecting(url: str, request_line: bytes, expected: bytes) -> list[int]:
    """The statuses with which a request is answered that has an `Expect`."""
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = (
        request_line + b" HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        b"Content-Length: %d" % len(ADMIN_CALL),
        b"Expect: " + expected,
    )
    writer.write(b"\r\n".join([*lines, b"", ADMIN_CALL]))
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", answer)]


async def test_browsers_are_told_to_trust_nothing_but_this_page() -> None:
    async with serving(FakeRecogniser()) as served:
        host, port = served.url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.read()).partition(b"\r\n\r\n")[0].decode().lower()
        writer.close()
        assert "content-security-policy: default-src 'none'; script-src 'self'" in head
        assert "x-content-type-options: nosniff" in head
        assert "unsafe-inline" not in head
