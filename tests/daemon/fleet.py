"""Several daemons that work side by side, and what many sessions say to them."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from tests.daemon.fakes import NOTES, RATE, hum, silence

from steno_models.types import FloatArray

WAIT_S = 600.0
ROOT = Path(__file__).resolve().parents[2]
GAP_S = 1.0
"""Between two notes: long enough to end an utterance, so that each note is a final."""
NOTE_S = 0.4
SLACK_S = 0.35
"""How far from a note the times of its word may be: they are those of steps of 40 ms, about."""


@dataclass
class Member:
    """A daemon that is a process of its own.

    Attributes:
        folder: of its configuration.
        config: the TOML, but for the port.
        port: chosen by the system.
        pid: of the process.
    """

    folder: Path
    config: str
    port: int = 0
    pid: int = 0
    _process: Process | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where it listens, as proxies write it."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "stenod.toml"
        file.write_text(self.config)
        command = (sys.executable, "-m", "tests.daemon.humming", "--config", file)
        self._process = await asyncio.create_subprocess_exec(
            *(*command, "--port", str(self.port), "--log-level", "error"),
            stdout=PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().split()
        assert line[:1] == ["ready:"], f"expected a daemon that gets ready, found {line}"
        self.port = urlsplit(line[1]).port or 0

    async def stop(self) -> int:
        """End it as systemd does, and return its exit status."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """End it as a machine that fails does."""
        return await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


@asynccontextmanager
async def fleet(folder: Path, configs: Sequence[str]) -> AsyncIterator[list[Member]]:
    """Run a daemon with each of the configurations, for the length of an `async with` block."""
    members = [Member(folder / f"daemon-{n}", config) for n, config in enumerate(configs)]
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as starting:
            for member in members:
                starting.create_task(member.start())
                stack.push_async_callback(_put_away, member)
        yield members


async def _put_away(member: Member) -> None:
    if member.pid:
        await member.kill()


@dataclass(frozen=True, slots=True)
class Speech:
    """What one session says.

    Attributes:
        notes: one after the other.
        sound: (N,) samples at 16 kHz.
        starts_s: when each note begins.
    """

    notes: tuple[str, ...]
    sound: FloatArray
    starts_s: tuple[float, ...]

    def fault(self, heard: Sequence[tuple[str, float]]) -> str | None:
        """Return in words what is wrong with the finals that were heard, None if nothing is.

        Args:
            heard: the text of each and when it begins, in the order of their coming.
        """
        if tuple(text for text, _ in heard) != self.notes:
            return f"expected {' '.join(self.notes)}, found {' '.join(text for text, _ in heard)}"
        for (text, start_s), true_s in zip(heard, self.starts_s, strict=True):
            if abs(start_s - true_s) > SLACK_S:
                return f"expected {text} at {true_s:.2f} s, found it at {start_s:.2f} s"
        return None


def speeches(count: int, *, notes: int, seed: int = 1) -> list[Speech]:
    """Return what so many sessions say, each something else where that is possible."""
    rng = random.Random(seed)
    return [_speech(tuple(rng.choices(sorted(NOTES), k=notes)), seed=n) for n in range(count)]


def _speech(notes: tuple[str, ...], *, seed: int) -> Speech:
    parts, starts_s, length = [silence(GAP_S)], [], round(GAP_S * RATE)
    for note in notes:
        starts_s.append(length / RATE)
        parts += [hum(note, NOTE_S), silence(GAP_S)]
        length += sum(len(part) for part in parts[-2:])
    sound = np.concatenate(parts)
    return Speech(notes, sound + silence(len(sound) / RATE, seed=seed), tuple(starts_s))


def cpu_s(pid: int) -> float:
    """Return how long a process has worked, itself and for the system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
