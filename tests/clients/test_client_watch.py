"""Watching a session: captions come once each, over as many connections as it takes."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest
from tests.daemon.captioning import parse
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import Served, serving
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as open_server
from websockets.http11 import Request, Response

from steno_clients import __main__ as program
from steno_clients.connection import Door
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    NotFoundError,
    ProtocolError,
)
from steno_clients.fetch import SessionInfo, health, sessions
from steno_clients.report import session_lines, status_lines
from steno_clients.resumption import Resumption
from steno_clients.watch import Message, Watch, Watching, show
from steno_clients.websocket import StenoClient
from steno_daemon.wire import (
    Closed,
    CloseReason,
    Endpoint,
    EndpointReason,
    Final,
    Partial,
    ServerMessage,
    SpeechStarted,
    encode,
)

PATIENCE_S = 60

Act = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Theatre:
    """A daemon that plays one act for each connection, and keeps what it was asked for."""

    acts: list[Act | HTTPStatus]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def door(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        self.tokens.append(request.headers.get("Authorization"))
        act = self.acts[0]
        if isinstance(act, HTTPStatus):
            self.acts.pop(0)
            return connection.respond(act, "no\n")
        return None

    async def play(self, connection: ServerConnection) -> None:
        act = self.acts.pop(0)
        assert not isinstance(act, HTTPStatus)
        await act(connection)


@asynccontextmanager
async def theatre(*acts: Act | HTTPStatus) -> AsyncIterator[Theatre]:
    found = Theatre(list(acts))
    async with open_server(
        found.play, "127.0.0.1", 0, process_request=found.door, close_timeout=0.1
    ) as server:
        found.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


def _watching(session: str = "s", *, channels: int = 1) -> str:
    return json.dumps(
        {
            "type": "watching",
            "session": session,
            "label": f"talk {session}",
            "language_model": "general",
            "channels": channels,
        }
    )


def _final(seq: int, text: str, *, channel: int = 0) -> str:
    return encode(
        Final(
            seq=seq,
            segment=seq,
            channel=channel,
            text=text,
            start=float(seq),
            end=seq + 0.5,
            confidence=1.0,
        )
    )


def _closed(seq: int) -> str:
    return encode(Closed(seq=seq, reason=CloseReason.STOPPED))


def says(*frames: str) -> Act:
    """Says all this and closes as it should."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)

    return act


def breaks(*frames: str) -> Act:
    """Says all this, and the connection is gone."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await (await connection.ping())  # what was said has arrived
        connection.transport.abort()

    return act


def closes(code: int, *frames: str) -> Act:
    """Says all this and closes with a code."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await connection.close(code)

    return act


@dataclass
class Pauses:
    """Waits for nothing, and counts."""

    taken: int = 0

    async def __call__(self, _: float) -> None:
        self.taken += 1


@dataclass
class Witness:
    """Keeps what it is shown."""

    begun: list[Watching] = field(default_factory=list)
    events: list[ServerMessage] = field(default_factory=list)

    def begin(self, about: Watching) -> None:
        self.begun.append(about)

    def show(self, event: ServerMessage) -> None:
        self.events.append(event)


async def _see(watch: Watch, *, count: int | None = None) -> list[str]:
    """Everything that is said until it ends, or so many messages."""
    seen: list[str] = []

    def brief(message: Message) -> str:
        match message:
            case Watching():
                return f"watching {message.session}"
            case Final():
                return message.text
            case _:
                return type(message).__name__

    async with asyncio.timeout(PATIENCE_S):
        async for message in watch.messages():
            seen.append(brief(message))
            if len(seen) == count:
                break
    return seen


async def test_a_session_is_watched_until_it_ends() -> None:
    partial = encode(Partial(seq=0, segment=0, text="a", stable_chars=0, start=0.0))
    started = encode(SpeechStarted(seq=0, segment=0, time=0.0))
    end = encode(Endpoint(seq=2, segment=0, time=1.0, reason=EndpointReason.STOP))
    said = (_watching(), started, partial, _final(1, "a b"), end, _closed(3))
    async with theatre(says(*said)) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), "s/.."))
        assert daemon.asked == ["/watch/s%2F.."]
    assert seen == ["watching s", "SpeechStarted", "Partial", "a b", "Endpoint", "Closed"]


async def test_a_broken_connection_is_replaced_and_nothing_comes_twice() -> None:
    notices: list[str] = []
    pauses = Pauses()
    acts: list[Act | HTTPStatus] = [
        breaks(_watching(), _final(0, "a"), _final(1, "b")),
        HTTPStatus.SERVICE_UNAVAILABLE,
        says(_watching()),  # closed too early, as by a proxy
        breaks(_watching(), _final(2, "c")),
        says(_watching(), _final(3, "d"), _closed(4)),
    ]
    async with theatre(*acts) as daemon:
        watch = Watch(Door(url=daemon.url + "/steno/"), "s", pause=pauses, notice=notices.append)
        assert await _see(watch) == ["watching s", "a", "b", "c", "d", "Closed"]
        after = ["", "?after=1", "?after=1", "?after=1", "?after=2"]
        assert daemon.asked == [f"/steno/watch/s{query}" for query in after]
    assert pauses.taken == 4
    assert [text for text in notices if text] == ["the connection broke; trying again"] * 2
    assert notices[-1] == ""


async def test_of_live_sessions_one_follows_the_other() -> None:
    acts = [
        breaks(_watching("a"), _final(0, "one")),
        says(_watching("a"), _final(1, "two"), _closed(2)),
        says(_watching("b"), _final(0, "three"), _closed(1), _watching("c"), _final(0, "four")),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), pause=Pauses()), count=9)
        assert daemon.asked == ["/watch/live", "/watch/a?after=0", "/watch/live"]
    assert seen == [
        *("watching a", "one", "two", "Closed", "watching b", "three", "Closed"),
        *("watching c", "four"),
    ]


async def test_a_live_session_that_a_new_daemon_does_not_know_is_left_for_the_next() -> None:
    acts: list[Act | HTTPStatus] = [
        breaks(_watching("a"), _final(7, "one")),
        HTTPStatus.NOT_FOUND,
        says(_watching("b"), _final(0, "two"), _closed(1)),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), pause=Pauses()), count=5)
        assert daemon.asked == ["/watch/live", "/watch/a?after=7", "/watch/live"]
    assert seen == ["watching a", "one", "watching b", "two", "Closed"]


async def test_events_that_start_anew_are_shown_again() -> None:
    acts = [
        breaks(_watching(), _final(7, "one")),
        says(_watching(), _final(0, "two"), _closed(1)),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), "s", pause=Pauses()))
    assert seen == ["watching s", "one", "two", "Closed"]


async def test_a_viewer_that_was_too_slow_goes_on_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    acts = [
        closes(1013, _watching(), _final(4, "old")),
        says(_watching(), _final(3, "older"), _final(4, "old"), _final(9, "new"), _closed(10)),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), "s", pause=Pauses()))
        assert daemon.asked == ["/watch/s", "/watch/s"]
    assert seen == ["watching s", "old", "new", "Closed"]
    assert "some captions are missing here" in caplog.text


async def test_an_interruption_that_lasts_too_long_is_an_error() -> None:
    async with theatre(breaks(_watching(), _final(0, "a"))) as daemon:
        watch = Watch(Door(url=daemon.url), "s", resumption=Resumption(resume_s=0.0))
        with pytest.raises(ConnectionLostError, match="expected captions until the session ends"):
            await _see(watch)


async def test_what_cannot_be_watched_is_an_error_at_once() -> None:
    secret = "do-not-show-me"  # noqa: S105
    acts: list[Act | HTTPStatus] = [
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.BAD_GATEWAY,
        says("{}"),
    ]
    async with theatre(*acts) as daemon:
        door = Door(url=daemon.url, token=secret)
        with pytest.raises(NotFoundError, match="found none called s; `steno watch --list`"):
            await _see(Watch(door, "s"))
        with pytest.raises(AccessDeniedError, match="expected a token that") as caught:
            await _see(Watch(door, "s"))
        assert secret not in str(caught.value)
        with pytest.raises(ConnectionFailedError, match="expected a daemon at"):
            await _see(Watch(door, "s"))
        with pytest.raises(ProtocolError, match="expected a message of a daemon"):
            await _see(Watch(door, "s"))
        assert daemon.tokens == [f"Bearer {secret}"] * 4


async def test_everybody_is_shown_the_same_until_so_many_sessions_have_ended() -> None:
    act = says(_watching("a"), _final(0, "one"), _closed(1), _watching("b"), _closed(0))
    async with theatre(act) as daemon:
        first, second = Witness(), Witness()
        async with asyncio.timeout(PATIENCE_S):
            await show(Watch(Door(url=daemon.url)), [first, second], sessions=2)
    assert first == second
    assert [about.label for about in first.begun] == ["talk a", "talk b"]
    assert [type(event).__name__ for event in first.events] == ["Final", "Closed", "Closed"]


@asynccontextmanager
async def _speaking(served: Served, text: str, *, label: str) -> AsyncIterator[StenoClient]:
    """A session that has said something and goes on."""
    async with StenoClient.connect(served.url, label=label, word_times=True) as client:
        await client.send(pcm(speak(text)))
        async with asyncio.timeout(PATIENCE_S):
            async for event in client:
                if isinstance(event, Endpoint):
                    break
        yield client


async def _steno(*words: str | Path) -> int:
    """Runs a command of `steno` that has its own loop or none."""
    return await asyncio.to_thread(program.main, [str(word) for word in words])


async def test_a_daemon_is_watched_listed_and_asked_how_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with serving(FakeRecogniser()) as served:
        assert await _steno("watch", "--list", "--url", served.url) == 1
        assert capsys.readouterr().err == "steno: expected a session, found none\n"
        async with _speaking(served, "do mi", label="humming"):
            assert await _steno("watch", "--list", "--url", served.url) == 0
            (line,) = capsys.readouterr().out.splitlines()
            assert "  live   began 0:0" in line
            assert line.endswith("ago  humming, general")
            assert await _steno("status", "--url", served.url) == 0
            shown = capsys.readouterr().out.splitlines()
            assert shown[0].split() == ["status", "ok"]
            assert "1 of 10" in next(line for line in shown if line.startswith("sessions  "))
            assert await _steno("status", "--json", "--url", served.url) == 0
            facts = json.loads(capsys.readouterr().out)
            assert (facts["status"], facts["sessions"]) == ("ok", 1)
        given = program._parser().parse_args(["watch", "nobody", "--url", served.url])
        with pytest.raises(NotFoundError, match="found none called nobody"):
            await program._watch(given)


async def test_steno_watch_writes_what_is_said_until_the_session_ends(
    tmp_path: Path,
) -> None:
    srt, vtt = tmp_path / "a.srt", tmp_path / "a.vtt"
    files = ("--srt", srt, "--vtt", vtt)
    async with serving(FakeRecogniser()) as served, asyncio.timeout(2 * PATIENCE_S):
        async with _speaking(served, "do mi", label="humming") as client:
            running = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "steno_clients", "watch", "--url", served.url, *files),
                stdout=asyncio.subprocess.PIPE,
            )
            assert running.stdout is not None
            assert (await running.stdout.readline()).decode() == "0:00:00  do mi\n"
            await client.send(pcm(speak("so")))
            await client.stop()
            async for _ in client:
                pass
        rest = await running.stdout.read()
        assert await running.wait() == 0
    assert rest.decode().endswith("  so\n")
    for text in await asyncio.to_thread(lambda: [srt.read_text(), vtt.read_text()]):
        first, second = parse(text)
        assert (first.lines, second.lines) == (("do mi",), ("so",))
        assert first.start_ms == pytest.approx(600, abs=100)


async def test_ctrl_c_ends_watching_with_0_and_events_are_json() -> None:
    async with (
        serving(FakeRecogniser()) as served,
        asyncio.timeout(2 * PATIENCE_S),
        _speaking(served, "do", label="humming"),
    ):
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno_clients", "watch", "--follow", "--events"),
            *("--url", served.url),
            stdout=asyncio.subprocess.PIPE,
        )
        assert running.stdout is not None
        lines = [json.loads(await running.stdout.readline()) for _ in range(4)]
        running.send_signal(signal.SIGINT)
        assert await running.wait() == 0
    assert lines[0]["type"] == "watching"
    assert lines[0]["label"] == "humming"
    assert [line["type"] for line in lines[1:]] == ["speech_started", "final", "endpoint"]


async def test_plain_requests_fail_with_a_reason() -> None:
    with pytest.raises(ConnectionFailedError, match=r"no daemon at ws://127\.0\.0\.1:9;"):
        await asyncio.to_thread(health, Door(url="ws://127.0.0.1:9"))
    with pytest.raises(ConnectionFailedError, match="expected an address such as ws://"):
        await asyncio.to_thread(health, Door(url="file:///etc"))
    acts = [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.FOUND]
    kinds = [AccessDeniedError, AccessDeniedError, NotFoundError, ConnectionFailedError]
    async with theatre(*acts, HTTPStatus.OK) as daemon:
        door = Door(url=daemon.url, token="do-not-show-me")  # noqa: S106
        for kind in kinds:
            with pytest.raises(kind, match=r"expected") as caught:
                await asyncio.to_thread(sessions, door)
            assert "do-not-show-me" not in str(caught.value)
        with pytest.raises(ProtocolError, match="expected an answer of a daemon"):
            await asyncio.to_thread(sessions, door)
        assert set(daemon.asked) == {"/sessions"}
        assert daemon.tokens == ["Bearer do-not-show-me"] * 5


def test_sessions_are_listed_with_what_is_known_of_them() -> None:
    listed = [
        SessionInfo(session="b", label="talk", channels=2, live=True, started_s_ago=61.0),
        SessionInfo(session="a"),
    ]
    assert list(session_lines(listed)) == [
        "b  live   began 0:01:01 ago  talk, 2 channels",
        "a  ended  began 0:00:00 ago  ",
    ]


def test_the_state_of_a_daemon_is_told_in_lines() -> None:
    facts = {
        "viewers": 3,
        "status": "ok",
        "models": ["general", "law"],
        "sessions": 2,
        "max_sessions": 8,
        "real_time_factor": 0.123456,
        "outlives_the_daemon": False,
        "microphone": {"label": None, "channels": []},
    }
    assert list(status_lines(facts)) == [
        "status               ok",
        "models               general, law",
        "sessions             2 of 8",
        "viewers              3",
        "real time factor     0.1235",
        "outlives the daemon  no",
        "microphone label     none",
        "microphone channels  none",
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["watch", "s", "--follow"], "--follow: expected it without a session, found one"),
        (["watch", "--follow", "--srt", "a.srt"], "--follow: expected no --srt or --vtt"),
    ],
)
def test_what_would_spoil_captions_is_a_usage_error(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(words)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_token_comes_from_the_environment_and_is_in_no_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STENO_TOKEN", "do-not-show-me")
    given = program._parser().parse_args(["watch", "--ca", "ca.pem"])
    assert program._door(given) == Door(token="do-not-show-me", tls=Path("ca.pem"))  # noqa: S106
    assert program._session_options(
        program._parser().parse_args(["caption", "--token", "other"])
    ) == {"token": "other", "tls": None}
    with pytest.raises(SystemExit):
        program.main(["watch", "--help"])
    assert "do-not-show-me" not in capsys.readouterr().out
