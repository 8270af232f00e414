"""`steno watch` and `steno status`, as a person or a script runs them, against a real daemon."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.clients.running import start_steno
from tests.daemon.captioning import parse
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, serving

from steno_clients import __main__ as program
from steno_clients.command_line import read_arguments
from steno_clients.connection import Door
from steno_clients.errors import NotFoundError
from steno_clients.websocket import StenoClient
from steno_daemon.wire import Endpoint


@asynccontextmanager
async def speaking(served: Served, text: str, *, label: str) -> AsyncIterator[StenoClient]:
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
        async with speaking(served, "do mi", label="humming"):
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
        given = read_arguments(["watch", "nobody", "--url", served.url])
        with pytest.raises(NotFoundError, match="found none called nobody"):
            await program._watch(given)


async def test_steno_watch_writes_what_is_said_until_the_session_ends(
    tmp_path: Path,
) -> None:
    srt, vtt = tmp_path / "a.srt", tmp_path / "a.vtt"
    files = ("--srt", srt, "--vtt", vtt)
    async with serving(FakeRecogniser()) as served, asyncio.timeout(2 * PATIENCE_S):
        async with speaking(served, "do mi", label="humming") as client:
            running, output = await start_steno("watch", "--url", served.url, *files)
            assert (await output.readline()).decode() == "0:00:00  do mi\n"
            await client.send(pcm(speak("so")))
            await client.stop()
            async for _ in client:
                pass
        rest = await output.read()
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
        speaking(served, "do", label="humming"),
    ):
        running, output = await start_steno("watch", "--follow", "--events", "--url", served.url)
        lines = [json.loads(await output.readline()) for _ in range(4)]
        running.send_signal(signal.SIGINT)
        assert await running.wait() == 0
    assert lines[0]["type"] == "watching"
    assert lines[0]["label"] == "humming"
    assert [line["type"] for line in lines[1:]] == ["speech_started", "final", "endpoint"]


def test_the_token_comes_from_the_environment_and_is_in_no_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STENO_TOKEN", "do-not-show-me")
    given = read_arguments(["watch", "--ca", "ca.pem"])
    assert program._door(given) == Door(token="do-not-show-me", tls=Path("ca.pem"))  # noqa: S106
    assert program._session_options(read_arguments(["caption", "--token", "other"])) == {
        "token": "other",
        "tls": None,
    }
    with pytest.raises(SystemExit):
        program.main(["watch", "--help"])
    assert "do-not-show-me" not in capsys.readouterr().out
