"""The program itself, as systemd starts it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import PATIENCE_S, talking

from steno_daemon import wire
from steno_daemon.__main__ import main
from steno_daemon.server import Model
from steno_daemon.wire import CloseReason

ROOT = Path(__file__).resolve().parents[2]
# `stenod` with a recogniser that needs no weights; GATE makes it hang in its first real step.
PROGRAM = """
import sys, threading
from steno_daemon import __main__ as stenod
from steno_daemon.server import Model
from tests.daemon.fakes import FakeRecogniser

class Recogniser(FakeRecogniser):
    def step(self, work):
        if threading.current_thread().name == "engine" and "GATE" in sys.argv:
            print("in the gate", flush=True)
            threading.Event().wait()
        return super().step(work)

stenod._load = lambda engine: Model(engine.bundle, "1", ("general",), Recogniser())
sys.exit(stenod.main([argument for argument in sys.argv[1:] if argument != "GATE"]))
"""


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """The program, once it said that it is ready, and its address."""
    paths = os.pathsep.join([str(ROOT), *sys.path])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "--port", "0", *arguments),
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            word, url, *_ = (await process.stdout.readline()).decode().split()
        assert word == "ready:"
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def left(process: Process) -> int:
    """The exit status."""
    async with asyncio.timeout(PATIENCE_S):
        return await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_sessions_have_their_last_words(number: signal.Signals) -> None:
    async with started() as (process, url), talking(url) as talk:
        await talk.say(wire.Start(), pcm(speak("do mi", tail_s=0.0)), wire.Ping(id=1))
        await talk.hear(wire.Pong)
        process.send_signal(number)
        events = await talk.rest()
        assert finals(events) == ["do mi"]
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is CloseReason.SHUTDOWN
        assert await left(process) == 0


async def test_a_second_signal_leaves_at_once_even_if_the_engine_hangs() -> None:
    async with started("GATE") as (process, url), talking(url) as talk:
        await talk.say(wire.Start(), pcm(speak("do mi")))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"in the gate\n"
        process.send_signal(signal.SIGTERM)
        await talk.say(wire.Ping(id=1))
        await talk.hear(wire.Pong)
        process.send_signal(signal.SIGTERM)
        assert await left(process) == 130


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for part in ("--bundle", "--max-sessions", "examples:", "healthz", "SIGTERM", "Exit status"):
        assert part in text


def test_the_help_needs_no_torch() -> None:
    program = (
        "import sys; from steno_daemon.__main__ import _parser; _parser().format_help(); "
        "print([m for m in ('numpy', 'torch', 'websockets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.strip() == "[]"


def test_a_check_loads_and_measures_and_leaves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model("notes", "1", ("general",), FakeRecogniser())
    monkeypatch.setattr("steno_daemon.__main__._load", lambda *_: model)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # a daemon may well be running
        port = str(taken.getsockname()[1])
        assert main(["--check", "--max-sessions", "3", "--port", port]) == 0
    told = capsys.readouterr().out
    assert "bundle         notes 1, language models: general" in told
    assert "up to 3 sessions at once" in told
    assert told.endswith("\nall is well\n")


def test_the_protocol_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out)["asyncapi"] == "3.0.0"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "70000"], "server.port: expected int <= 65535, found 70000"),
        (["--max-sessions", "0"], "engine.max_sessions: expected int >= 1, found 0"),
        (["--config", "/nowhere.toml"], "expected a file at /nowhere.toml"),
        (["--port", "0", "--bundle", "/nowhere"], "found /nowhere"),
        (["--port", "0", "--host", "127.0.0.1.5"], "expected"),
        (["--port", "0", "--host", "0.0.0.0"], "expected tokens"),  # noqa: S104
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_the_status_is_two(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("stenod: ")
    assert complaint in told
    assert told.count("\n") == 1


def test_a_second_daemon_on_the_same_port_fails_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert f"found 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err
