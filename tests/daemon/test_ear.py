"""The process that listens to a device, and the daemon's end of its pipe."""

import asyncio
import io
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import BinaryIO

import msgspec
import pytest
from tests.daemon.serving import PATIENCE_S
from tests.soundcards import PortAudioError, install_sounddevice

from steno_daemon.errors import MicrophoneError
from steno_daemon.transports import ear
from steno_daemon.transports.ear import HEAD, Blocks, Failed, Opened, find_form, list_microphones
from steno_daemon.transports.hearing import ProcessEar, open_ear

DESK = Opened(device="Desk", rate=8_000, channels=2)


def numbered(number: int, size: int) -> memoryview:
    """Blocks of 16-bit frames, each byte of them the number of the block."""
    return memoryview(bytes([number]) * size * 2)


Install = Callable[..., ModuleType]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a sounddevice in place whose microphone hears numbers."""
    return partial(install_sounddevice, monkeypatch, numbered)


def test_what_a_device_hears_is_written_block_by_block(install: Install) -> None:
    fake = install()
    output = io.BytesIO()
    assert ear.main(["Desk"], output) == 0
    assert {form["dtype"] for form in fake.asked} == {"int16"}
    line, _, rest = output.getvalue().partition(b"\n")
    form = msgspec.json.decode(line, type=Opened | Failed)
    assert form == Opened(device="Desk", rate=16_000, channels=1)
    blocks = [HEAD.pack(0, 1_280) + bytes([number]) * 1_280 for number in range(3)]
    assert rest == b"".join(blocks)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (32_000, 1)])
def test_a_device_is_asked_for_what_it_can(install: Install, rate: int, channels: int) -> None:
    form = find_form(install(rate=rate, channels=channels), "")
    assert form == Opened(device="Desk", rate=rate, channels=channels)


def test_a_device_of_no_use_is_refused(install: Install) -> None:
    with pytest.raises(MicrophoneError, match="expected 16-bit samples of 8000 to 48000 Hz from"):
        find_form(install(rate=96_000), "1")


def test_a_missing_device_is_named(install: Install) -> None:
    install(present=False)
    output = io.BytesIO()
    assert ear.main(["Attic"], output) == 1
    failed = msgspec.json.decode(output.getvalue(), type=Failed)
    assert failed.message.startswith("expected a microphone (Attic), found none: No input device")
    assert not failed.is_lasting


def test_a_device_that_does_not_start_says_why(install: Install) -> None:
    def refuse(**_: object) -> None:
        raise PortAudioError("Device unavailable")

    vars(install())["RawInputStream"] = refuse
    output = io.BytesIO()
    assert ear.main([""], output) == 1
    failed = msgspec.json.decode(output.getvalue(), type=Failed)
    assert failed.message == "expected Desk to record, found: Device unavailable"


def test_nobody_at_the_other_end_is_no_fault(install: Install) -> None:
    install()
    reading, writing = os.pipe()
    os.close(reading)
    output: BinaryIO = os.fdopen(writing, "wb", buffering=0)
    assert ear.main([""], output) == 0
    output.close()


def test_devices_that_record_are_listed(install: Install) -> None:
    install()
    assert list_microphones() == ["*  1  Desk  (2 in, 16000 Hz)"]


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MicrophoneError, match=r"pip install 'steno-asr\[microphone\]'") as raised:
        list_microphones()
    assert raised.value.is_lasting


def test_who_does_not_read_loses_the_oldest_sound_and_hears_how_much() -> None:
    blocks = Blocks(2, most=3)
    for number in range(5):
        blocks.put(bytes([number]) * 8)
    blocks.end()
    found = [(block.data[0], block.lost_samples) for block in blocks]
    assert found == [(2, 8), (3, 0), (4, 0)]


def test_blocks_are_waited_for() -> None:
    blocks = Blocks(2)
    found: list[bytes] = []
    reader = Thread(target=lambda: found.extend(block.data for block in blocks))
    reader.start()
    blocks.put(b"ab")
    blocks.put(b"cd")
    blocks.end()
    reader.join(PATIENCE_S)
    assert found == [b"ab", b"cd"]


def pipe(*blocks: tuple[int, bytes], ended: bool = True) -> asyncio.StreamReader:
    """The daemon's end of a pipe with blocks in it."""
    reader = asyncio.StreamReader()
    for lost_samples, data in blocks:
        reader.feed_data(HEAD.pack(lost_samples, len(data)) + data)
    if ended:
        reader.feed_eof()
    return reader


async def test_silence_stands_for_sound_that_was_lost_a_second_at_a_time() -> None:
    open_device = ProcessEar(DESK, pipe((0, b"a" * 8), (20_000, b"b" * 8)), 60.0)
    sizes = []
    block = await open_device.next()
    while block != b"b" * 8:
        sizes.append(len(block))
        block = await open_device.next()
    assert sizes == [8, 32_000, 32_000, 16_000]
    assert open_device.lost_samples == 20_000
    with pytest.raises(MicrophoneError, match="expected Desk to go on, found that it stopped"):
        await open_device.next()


async def test_a_device_that_gives_not_even_silence_is_gone() -> None:
    open_device = ProcessEar(DESK, pipe(ended=False), 0.01)
    with pytest.raises(MicrophoneError, match=r"from Desk, found none for 0\.01 s"):
        await open_device.next()


@pytest.mark.parametrize(
    ("module", "message", "is_lasting"),
    [
        ("raise OSError('PortAudio library not found')", "install libportaudio2", True),
        ("import os; os._exit(3)", "found that PortAudio broke down", False),
    ],
)
async def test_a_process_that_cannot_listen_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, message: str, *, is_lasting: bool
) -> None:
    (tmp_path / "sounddevice.py").write_text(module)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(MicrophoneError, match=message) as raised:
        async with open_ear(""):
            pass
    assert raised.value.is_lasting is is_lasting


async def test_a_process_that_hangs_ends_with_the_daemon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno_daemon.transports.ear", ""),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.close()
    async with asyncio.timeout(PATIENCE_S):
        assert await process.wait() == 0
