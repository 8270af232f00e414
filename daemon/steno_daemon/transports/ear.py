"""The program that listens to one microphone and writes what it hears to its standard output.

    a line            JSON: `Opened`, or `Failed` and nothing more
    then blocks       `HEAD`: samples that were lost before it, bytes that follow; 16-bit samples

It is a process of its own, because PortAudio is not to be trusted with a daemon. It finds a device
that was plugged in later only when it is started anew; and where the sound server goes away, its
thread writes complaints at full speed and lets nobody close it. The daemon just kills this one.
"""

import contextlib
import os
import struct
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import BinaryIO

import msgspec

from steno_daemon.errors import MicrophoneError
from steno_daemon.wire import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN

HEAD = struct.Struct("<II")
BLOCK_MS = 40
WAITING_BLOCKS_MAX = 30_000 // BLOCK_MS
"""Half a minute may wait while the daemon takes nothing; what is older is lost, and counted."""
_RATES = (16_000, 48_000, 44_100, 32_000, 8_000)
SAMPLE_BYTES = 2


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """The microphone is open."""

    device: str
    rate: int
    channels: int


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The microphone cannot be opened."""

    message: str
    is_lasting: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of sound.

    Attributes:
        data: 16-bit samples, channels interleaved.
        lost_samples: of each channel, that came before it and were thrown away.
    """

    data: bytes
    lost_samples: int


class Blocks:
    """Sound on its way from PortAudio's thread to the one that writes; the oldest goes first."""

    def __init__(self, frame_bytes: int, most: int = WAITING_BLOCKS_MAX) -> None:
        self._frame_bytes = frame_bytes
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._lost_bytes = 0
        self._ended = False
        self._changed = threading.Condition()

    def put(self, data: bytes) -> None:
        """Take a block."""
        with self._changed:
            if len(self._waiting) >= self._most:
                self._lost_bytes += len(self._waiting.popleft())
            self._waiting.append(data)
            self._changed.notify()

    def end(self) -> None:
        """Take the news that no more come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def __iter__(self) -> Iterator[Block]:
        """Yield every block, until the device is gone."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                lost, self._lost_bytes = self._lost_bytes, 0
                block = Block(self._waiting.popleft(), lost // self._frame_bytes)
            yield block


def list_microphones() -> list[str]:
    """Return a line for every device that records: number, name, channels, rate.

    Raises:
        MicrophoneError: there is no PortAudio.
    """
    sounddevice = import_sounddevice()
    default = sounddevice.default.device[0]
    return [
        f"{'*' if number == default else ' '} {number:2}  {device['name']}  "
        f"({device['max_input_channels']} in, {device['default_samplerate']:.0f} Hz)"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def import_sounddevice() -> ModuleType:
    """Return the module, or say what is missing.

    Raises:
        MicrophoneError: the package or PortAudio is not there.
    """
    try:
        import sounddevice  # noqa: PLC0415 — it raises without PortAudio
    except ImportError:
        raise MicrophoneError(
            "expected the package sounddevice, found none: pip install 'steno-asr[microphone]'",
            is_lasting=True,
        ) from None
    except OSError as error:
        raise MicrophoneError(
            f"expected the PortAudio library, found none: install libportaudio2 ({error})",
            is_lasting=True,
        ) from None
    module: ModuleType = sounddevice
    return module


def find_form(sounddevice: ModuleType, device: str) -> Opened:
    """Return how to record from a device: mono at 16 kHz, or what comes nearest.

    Args:
        sounddevice: the module.
        device: number or part of the name; empty is the system's default.

    Raises:
        MicrophoneError: there is none, or it records in no form that is known here.
    """
    try:
        found = sounddevice.query_devices(_wanted(device), "input")
    except (sounddevice.PortAudioError, ValueError) as error:
        name = device or "the default one"
        raise MicrophoneError(f"expected a microphone ({name}), found none: {error}") from None
    own_rate = int(found["default_samplerate"])
    rates = [_RATES[0], *([own_rate] if SAMPLE_RATE_MIN <= own_rate <= SAMPLE_RATE_MAX else [])]
    fault = "no form"
    for channels in (1, 2):
        for rate in dict.fromkeys([*rates, *_RATES]):
            try:
                sounddevice.check_input_settings(
                    _wanted(device), channels=channels, dtype="int16", samplerate=rate
                )
            except (sounddevice.PortAudioError, ValueError) as error:
                fault = str(error)
                continue
            return Opened(device=found["name"], rate=rate, channels=channels)
    raise MicrophoneError(
        f"expected 16-bit samples of {SAMPLE_RATE_MIN} to {SAMPLE_RATE_MAX} Hz from "
        f"{found['name']}, found: {fault}"
    )


def _wanted(device: str) -> int | str | None:
    """Return a device as sounddevice wants it."""
    if device.isdecimal():
        return int(device)
    return device or None


def listen(device: str, output: BinaryIO) -> None:
    """Write what a device hears, until it is gone or nobody reads.

    Raises:
        MicrophoneError: it cannot be opened.
    """
    sounddevice = import_sounddevice()
    form = find_form(sounddevice, device)
    blocks = Blocks(SAMPLE_BYTES * form.channels)
    try:
        stream = sounddevice.RawInputStream(
            samplerate=form.rate,
            blocksize=form.rate * BLOCK_MS // 1000,
            device=_wanted(device),
            channels=form.channels,
            dtype="int16",
            callback=lambda data, _frames, _time, _status: blocks.put(bytes(data)),
            finished_callback=blocks.end,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise MicrophoneError(f"expected {form.device} to record, found: {error}") from None
    output.write(msgspec.json.encode(form) + b"\n")
    output.flush()
    for block in blocks:
        output.write(HEAD.pack(block.lost_samples, len(block.data)) + block.data)
        output.flush()


def main(arguments: Sequence[str], output: BinaryIO) -> int:
    """Run the program and return its exit status."""
    try:
        listen(arguments[0], output)
    except MicrophoneError as error:
        failed = Failed(message=str(error), is_lasting=error.is_lasting)
        with contextlib.suppress(BrokenPipeError):
            output.write(msgspec.json.encode(failed) + b"\n")
            output.flush()
        return 1
    except BrokenPipeError:
        return 0
    return 0


def _leave_with_parent() -> None:
    """End the process when its parent has gone, whatever PortAudio is doing then."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    status = main(sys.argv[1:], sys.stdout.buffer)
    os._exit(status)  # PortAudio may never let go
