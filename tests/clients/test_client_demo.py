"""The demonstration, with another program in the daemon's place."""

import asyncio
import os
import pty
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_clients import demo

STENOD = """
import asyncio, signal, sys
sys.path.insert(0, {tests!r})
from conftest import CountingDaemon
from websockets.asyncio.server import serve

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serve(CountingDaemon(), "127.0.0.1", int(sys.argv[-1])) as server:
        print("ready: ws://127.0.0.1:%d en 1" % server.sockets[0].getsockname()[1], flush=True)
        await stop.wait()
    print("gone", file=sys.stderr)

asyncio.run(main())
"""


@pytest.fixture
def stenod(tmp_path: Path) -> Path:
    """A program that takes the place of the daemon."""
    path = tmp_path / "stenod.py"
    path.write_text(STENOD.format(tests=str(Path(__file__).parent)))
    return path


async def test_the_demonstration_captions_serves_and_ends_with_its_daemon(
    stenod: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, np.zeros(16_000), 16_000)
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno_clients.demo", clip, "--port", "0"),
        *("--daemon", f"{sys.executable} {stenod}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # without the terminal of whoever runs the tests
    )
    assert running.stdout is not None
    assert running.stderr is not None
    lines = []
    async with asyncio.timeout(120):
        async for line in running.stdout:
            lines.append(line.decode().strip())
            if lines[-1].startswith("captions in a browser: "):
                running.send_signal(signal.SIGINT)
        assert (await running.stderr.read()).decode() == "gone\n"
        assert await running.wait() == 0
    assert "0:00:00  number0" in lines
    [socket] = [line.split()[2].rstrip(",") for line in lines if line.startswith("listening on ")]
    page = socket.replace("ws://", "http://") + "/"
    assert f"captions in a browser: {page}" in lines


def test_a_demonstration_whose_daemon_fails_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, np.zeros(16_000), 16_000)
    failing = f"{sys.executable} -c 'raise SystemExit(2)'"
    assert demo.main([str(clip), "--daemon", failing]) == 1
    assert capsys.readouterr().err == (
        "steno: expected the daemon to get ready, found it gone with status 2\n"
    )


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid of util-linux")
async def test_ctrl_c_on_a_terminal_ends_the_demonstration_and_not_what_started_it(
    stenod: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, np.zeros(16_000), 16_000)
    words = f"-m steno_clients.demo {clip} --port 0 --daemon '{sys.executable} {stenod}'"
    ours, theirs = pty.openpty()
    parent = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", "sh", "-c", f"{sys.executable} {words}; echo status $?"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = ""
    async with asyncio.timeout(120):
        while "steno transcribe" not in shown:
            shown += (await asyncio.to_thread(os.read, ours, 4096)).decode()
        os.write(ours, b"\x03")
        while "status" not in shown:
            shown += (await asyncio.to_thread(os.read, ours, 4096)).decode()
        assert await parent.wait() == 0
    os.close(ours)
    assert "\x1b[1mnumber0" in shown
    assert "gone\r\n" in shown
    assert shown.endswith("status 0\r\n")
