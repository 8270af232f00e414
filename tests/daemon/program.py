"""The program `stenod` as a process of its own, which can be killed and comes back."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from urllib.parse import urlsplit

WAIT_S = 600.0
CONFIG = """
[server]
port = {port}
resume_s = {wait_s}
state_directory = "{directory}"
[engine]
max_sessions = {sessions}
degrade = false
[limits]
messages_per_s = 1000
"""


class Program:
    """Runs `stenod` with the bundle that is shipped, always on the same port.

    Args:
        directory: where its configuration and its sessions are kept.
        max_sessions: at once.

    Attributes:
        port: chosen by the system at the first start.
    """

    def __init__(self, directory: Path, *, max_sessions: int) -> None:
        self._directory = directory
        self._sessions = max_sessions
        self._process: Process | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        config = self._directory / "stenod.toml"
        config.write_text(
            CONFIG.format(
                port=self.port, wait_s=WAIT_S, directory=self._directory, sessions=self._sessions
            )
        )
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno_daemon", "--config", config, "--log-level", "error"),
            stdout=PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().split()
        if line[:1] != ["ready:"]:
            raise RuntimeError(f"expected the daemon to get ready, found {line}")
        self.port = urlsplit(line[1]).port or 0

    async def stop(self) -> int:
        """End it as systemd does, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

    async def kill(self) -> None:
        """End it without a word."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    @property
    def resident_mb(self) -> float:
        """How much memory it takes."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
