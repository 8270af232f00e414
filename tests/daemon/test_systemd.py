"""The program as systemd starts, watches, reloads and stops it."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.daemon.fakes import finals, pcm, speak
from tests.daemon.notified import listening_as_systemd
from tests.daemon.serving import talking

from steno_daemon import wire

PATIENCE_S = 300
"""A program that starts imports much, and machines that test do other work beside it."""
ROOT = Path(__file__).resolve().parents[2]
# `stenod` with a recogniser that needs no weights; GATE makes it hang in its first real step.
PROGRAM = """
import sys, threading
from steno_daemon import __main__ as stenod
from steno_daemon.server import Model
from tests.daemon.fakes import FakeRecogniser

class Recogniser(FakeRecogniser):
    def step(self, work):
        if "GATE" in sys.argv and threading.current_thread().name == "engine":
            threading.Event().wait()
        return super().step(work)

stenod._load = lambda engine: Model(engine.bundle, "1", ("general",), Recogniser())
sys.exit(stenod.main([argument for argument in sys.argv[1:] if argument != "GATE"]))
"""

needs_socket_activate = pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None,
    reason="needs systemd-socket-activate, of Debian's systemd",
)


@asynccontextmanager
async def running(*command: str, **variables: str) -> AsyncIterator[Process]:
    """A process, killed in the end if it did not leave before."""
    paths = os.pathsep.join([str(ROOT), *sys.path])
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONPATH": paths, **variables}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def stenod(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *arguments]


async def readiness(process: Process) -> str:
    """The address in the line "ready:"."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        word, url, *_ = (await process.stdout.readline()).decode().split()
    assert word == "ready:"
    return url


async def left(process: Process) -> int:
    """The exit status."""
    async with asyncio.timeout(PATIENCE_S):
        return await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert isinstance(port, int)
        return port


async def test_systemd_hears_of_a_whole_life(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    variables = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
    with listening_as_systemd(path) as systemd:
        async with running(*stenod("--port", "0"), **variables) as process:
            url = await readiness(process)
            ready = await asyncio.to_thread(systemd.hears_until, "READY")
            assert url in ready["STATUS"]
            for _ in range(3):
                fed = await asyncio.to_thread(systemd.hears_until, "WATCHDOG")
                assert fed["WATCHDOG"] == "1"
                assert "0 of " in fed["STATUS"]
            process.send_signal(signal.SIGHUP)
            reloading = await asyncio.to_thread(systemd.hears_until, "RELOADING")
            assert int(reloading["MONOTONIC_USEC"]) > 0
            await asyncio.to_thread(systemd.hears_until, "READY")
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(systemd.hears_until, "STOPPING")
            assert await left(process) == 0


async def test_a_hanging_engine_starves_the_watchdog(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    variables = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"}
    with listening_as_systemd(path) as systemd:
        async with running(*stenod("--port", "0", "GATE"), **variables) as process:
            url = await readiness(process)
            async with talking(url) as talk:
                await talk.say(wire.Start(), pcm(speak("do mi")))
                heard = {"WATCHDOG": "1"}
                while not heard.get("STATUS", "").startswith("the engine hangs; 1 of "):
                    heard = await asyncio.to_thread(systemd.hears)
                assert "WATCHDOG" not in heard
                assert "WATCHDOG" not in await asyncio.to_thread(systemd.hears)


@asynccontextmanager
async def activated(*listeners: str) -> AsyncIterator[Process]:
    """The program behind sockets that systemd opens; it starts with the first connection."""
    options = [option for listener in listeners for option in ("--listen", listener)]
    command = ["systemd-socket-activate", *options, "--setenv=PYTHONPATH", *stenod()]
    async with running(*command) as process:
        assert process.stderr is not None
        for listener in listeners:
            line = (await process.stderr.readline()).decode()
            assert line.startswith(f"Listening on {listener} as ")
        yield process


async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What /healthz answers, over a connection that is closed then."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@needs_socket_activate
async def test_the_first_connection_starts_the_daemon_behind_systemds_socket() -> None:
    port = free_port()
    async with activated(f"127.0.0.1:{port}") as process:
        first = await asyncio.open_connection("127.0.0.1", port)
        assert await readiness(process) == f"ws://127.0.0.1:{port}"
        assert (await health(*first)).startswith(b"HTTP/1.1 200 OK")
        async with talking(f"ws://127.0.0.1:{port}") as talk:
            await talk.say(wire.Start(), pcm(speak("do mi")), wire.Stop())
            assert finals(await talk.rest()) == ["do mi"]
        process.send_signal(signal.SIGTERM)
        assert await left(process) == 0


@needs_socket_activate
async def test_the_daemon_serves_every_socket_that_systemd_hands_over(tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "socket"
    async with activated(f"127.0.0.1:{port}", str(path)) as process:
        first = await asyncio.open_unix_connection(path)
        await readiness(process)
        assert (await health(*first)).startswith(b"HTTP/1.1 200 OK")
        second = await asyncio.open_connection("127.0.0.1", port)
        assert (await health(*second)).startswith(b"HTTP/1.1 200 OK")


async def test_instances_share_a_port_and_one_goes_on_when_another_leaves(tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "stenod.toml"
    configuration.write_text(f"[server]\nport = {port}\nreuse_port = true\n")
    command = stenod("--config", str(configuration))
    async with running(*command) as one, running(*command) as other:
        for process in (one, other):
            assert await readiness(process) == f"ws://127.0.0.1:{port}"
        one.send_signal(signal.SIGTERM)
        assert await left(one) == 0
        connection = await asyncio.open_connection("127.0.0.1", port)
        assert (await health(*connection)).startswith(b"HTTP/1.1 200 OK")
