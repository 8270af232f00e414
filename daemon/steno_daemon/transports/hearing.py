"""An open microphone, as the daemon sees it: a process that listens, its sound through a pipe."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from steno_daemon.errors import MicrophoneError
from steno_daemon.transports.ear import HEAD, SAMPLE_BYTES, Failed, Opened

OPEN_S = 30.0
"""How long a device may take until it is open."""
STALL_S = 10.0
"""A device that gives nothing for so long, not even silence, is gone."""
LEAVE_S = 5.0
"""How long the process may take to end; then it is killed."""
PIPE_BYTES = 64 * 1024
"""What may wait on our side of the pipe; more waits in the process, and some of that is lost."""


class Ear(Protocol):
    """An open microphone."""

    @property
    def form(self) -> Opened:
        """What it is."""

    @property
    def lost_samples(self) -> int:
        """How many of each channel were thrown away because nobody took them in time."""

    async def next(self) -> bytes:
        """Wait for the next samples, 16 bits each, channels interleaved.

        Raises:
            MicrophoneError: the device is gone.
        """


OpenEar = Callable[[str], AbstractAsyncContextManager[Ear]]


class ProcessEar:
    """A microphone that another process listens to, see `ear`.

    Attributes:
        form: what it is.
        lost_samples: how many were thrown away; silence stands for them.
    """

    def __init__(self, form: Opened, sound: asyncio.StreamReader, stall_s: float) -> None:
        self.form = form
        self.lost_samples = 0
        self._sound = sound
        self._stall_s = stall_s
        self._silent_samples = 0
        self._block = b""

    async def next(self) -> bytes:
        """Wait for the next samples.

        Raises:
            MicrophoneError: the device is gone.
        """
        if not self._block:
            self._block = await self._read()
        if self._silent_samples:
            samples = min(self._silent_samples, self.form.rate)
            self._silent_samples -= samples
            return bytes(samples * self.form.channels * SAMPLE_BYTES)
        block, self._block = self._block, b""
        return block

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._stall_s):
                lost_samples, size = HEAD.unpack(await self._sound.readexactly(HEAD.size))
                block = await self._sound.readexactly(size)
        except TimeoutError:
            raise MicrophoneError(
                f"expected sound from {self.form.device}, found none for {self._stall_s:g} s"
            ) from None
        except asyncio.IncompleteReadError:
            raise MicrophoneError(
                f"expected {self.form.device} to go on, found that it stopped"
            ) from None
        self.lost_samples += lost_samples
        self._silent_samples = lost_samples
        return block


@contextlib.asynccontextmanager
async def open_ear(device: str, *, stall_s: float = STALL_S) -> AsyncIterator[ProcessEar]:
    """Listen to a device for the length of an `async with` block.

    Args:
        device: number or part of the name; empty is the system's default.
        stall_s: after so long without sound the device counts as gone.

    Raises:
        MicrophoneError: it cannot be opened.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno_daemon.transports.ear", device),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # PortAudio's, which may be without end
        start_new_session=True,  # an interruption on the terminal is for the daemon alone
        limit=PIPE_BYTES,
    )
    try:
        assert process.stdout is not None  # noqa: S101 — it is a pipe
        yield ProcessEar(await _first_line(process.stdout), process.stdout, stall_s)
    finally:
        await _dismiss(process)


async def _dismiss(process: asyncio.subprocess.Process) -> None:
    """End the process: it leaves when its standard input ends, whatever PortAudio does."""
    assert process.stdin is not None  # noqa: S101 — it is a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _first_line(sound: asyncio.StreamReader) -> Opened:
    """Return what the process says of the device."""
    try:
        async with asyncio.timeout(OPEN_S):
            line = await sound.readline()
        said = msgspec.json.decode(line, type=Opened | Failed)
    except TimeoutError:
        raise MicrophoneError(f"expected a microphone within {OPEN_S:g} s, found none") from None
    except (ValueError, msgspec.DecodeError):
        raise MicrophoneError("expected a microphone, found that PortAudio broke down") from None
    if isinstance(said, Failed):
        raise MicrophoneError(said.message, is_lasting=said.is_lasting)
    return said
