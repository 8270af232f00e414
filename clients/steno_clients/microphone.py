"""The microphone as blocks of speech, through PortAudio.

The package sounddevice fails at import where the PortAudio library is missing, so it is imported
when a microphone is wanted and not before.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from types import ModuleType

import numpy as np

from steno_clients.errors import MicrophoneError
from steno_clients.file import SAMPLE_RATE, FloatArray, Resampler

_BLOCK_MS = 40
_WAITING_BLOCKS_MAX = 30_000 // _BLOCK_MS
"""Half a minute may wait while the daemon takes nothing; what is older is lost, and said so."""
_WARN_EVERY_BLOCKS = 10_000 // _BLOCK_MS

_log = logging.getLogger(__name__)


def list_devices() -> list[str]:
    """Return a line for every device that records: number, name, channels, rate.

    Raises:
        MicrophoneError: there is no PortAudio.
    """
    sounddevice = _import_sounddevice()
    default = sounddevice.default.device[0]
    return [
        f"{'*' if number == default else ' '} {number:2}  {device['name']}  "
        f"({device['max_input_channels']} in, {device['default_samplerate']:.0f} Hz)"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


@contextlib.asynccontextmanager
async def open_microphone(device: str | None = None) -> AsyncIterator[AsyncIterator[FloatArray]]:
    """Record for the length of an `async with` block.

    Args:
        device: number or part of the name, as `list_devices` shows them; None is the default one.

    Returns:
        Blocks of (N,) float32 samples at `SAMPLE_RATE`, until the block is left.

    Raises:
        MicrophoneError: no PortAudio, no such device, or it cannot be opened.
    """
    sounddevice = _import_sounddevice()
    buffer = _Buffer(asyncio.get_running_loop())
    number = int(device) if device is not None and device.isdecimal() else device
    try:
        rate = _rate_for(sounddevice, number)
        stream = sounddevice.InputStream(
            samplerate=rate,
            blocksize=rate * _BLOCK_MS // 1000,
            device=number,
            channels=1,
            dtype="float32",
            callback=lambda indata, _frames, _time, _status: buffer.put(indata[:, 0].copy()),
            finished_callback=lambda: buffer.put(None),
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise MicrophoneError(
            f"expected a microphone ({device or 'the default one'}), found none: {error}"
        ) from None
    with stream:
        yield _resampled(buffer, Resampler(rate))


def _import_sounddevice() -> ModuleType:
    """Return the module, or say what is missing."""
    try:
        import sounddevice  # noqa: PLC0415 — it raises without PortAudio
    except ImportError:
        raise MicrophoneError(
            "expected the package sounddevice, found none: pip install 'steno-asr[microphone]'"
        ) from None
    except OSError as error:
        raise MicrophoneError(
            f"expected the PortAudio library, found none: install libportaudio2 ({error})"
        ) from None
    module: ModuleType = sounddevice
    return module


def _rate_for(sounddevice: ModuleType, device: int | str | None) -> int:
    """Return our own rate if the device records at it, else the rate that it likes best."""
    found = sounddevice.query_devices(device, "input")
    try:
        sounddevice.check_input_settings(device, channels=1, samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        return int(found["default_samplerate"])
    return SAMPLE_RATE


async def _resampled(buffer: "_Buffer", resampler: Resampler) -> AsyncIterator[FloatArray]:
    """Yield what the buffer holds, at `SAMPLE_RATE`."""
    while True:
        for block in resampler.accept(await buffer.get()):
            yield block


class _Buffer:
    """Blocks on their way from PortAudio's thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._blocks: deque[FloatArray | None] = deque()
        self._changed = asyncio.Event()
        self._lost = 0

    def put(self, block: FloatArray | None) -> None:
        """Take a block, or the news that recording is over; called in PortAudio's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended before the device
            self._loop.call_soon_threadsafe(self._put, block)

    def _put(self, block: FloatArray | None) -> None:
        if len(self._blocks) >= _WAITING_BLOCKS_MAX:
            self._blocks.popleft()
            if self._lost % _WARN_EVERY_BLOCKS == 0:
                _log.warning("audio of the microphone gets lost: the daemon is too slow")
            self._lost += 1
        self._blocks.append(block)
        self._changed.set()

    async def get(self) -> FloatArray:
        """Return the next block.

        Raises:
            MicrophoneError: the device has gone.
        """
        while not self._blocks:
            self._changed.clear()
            await self._changed.wait()
        block = self._blocks.popleft()
        if block is None:
            raise MicrophoneError("expected the microphone to go on, found that it stopped")
        return block.astype(np.float32, copy=False)
