"""The program `stenod` as a process of its own, which can be killed and comes back."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

WAIT_S = 600.0
CONFIG = """
[server]
port = {port}
resume_s = {waits.resume_s}
idle_timeout_s = {waits.idle_s}
state_directory = "{directory}"
[engine]
max_sessions = {sessions}
degrade = false
batch_wait_ms = {waits.batch_ms}
[limits]
messages_per_s = 1000
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the daemon waits for whom.

    Attributes:
        resume_s: a session for its client.
        idle_s: a connection for a message.
        batch_ms: a chunk for those of other sessions; with 0 what a session hears does not hang on
            when it began, beside whom.
    """

    resume_s: float = WAIT_S
    idle_s: float = 300.0
    batch_ms: int = 200


WAITS = Waits()


class Program:
    """Runs `stenod` with the bundle that is shipped, always on the same port.

    Args:
        directory: where its configuration, its sessions and its log are kept.
        max_sessions: at once.
        module: what is run; `tests.daemon.humming` hears notes instead, and costs next to nothing.
        more: further sections of the configuration.
        waits: how long it waits for whom.

    Attributes:
        port: chosen by the system at the first start.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_sessions: int,
        module: str = "steno_daemon",
        more: str = "",
        waits: Waits = WAITS,
    ) -> None:
        self._directory = directory
        self._sessions = max_sessions
        self._module = module
        self._more = more
        self._waits = waits
        self._process: Process | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it complained of, in all its lives."""
        return self._directory / "stenod.log"

    @property
    def complaints(self) -> str:
        """The same as text."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        config = self._directory / "stenod.toml"
        config.write_text(
            CONFIG.format(
                port=self.port,
                waits=self._waits,
                directory=self._directory,
                sessions=self._sessions,
            )
            + self._more
        )
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module, "--config", config, "--log-level", "error"),
                stdout=PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().split()
        if line[:1] != ["ready:"]:
            said = self.complaints[-2_000:]
            raise RuntimeError(f"expected the daemon to get ready, found {line}: {said}")
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
    def is_running(self) -> bool:
        """Whether it is there now."""
        return self._process is not None and self._process.returncode is None

    @property
    def resident_mb(self) -> float:
        """How much memory it takes."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
