"""The microphone: through a real PulseAudio without sound hardware, and through fakes that fail."""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tests.clients.running import start_steno
from tests.sound import DEVICE, Hall, open_hall
from tests.soundcards import install_sounddevice

from steno_clients.__main__ import main
from steno_clients.errors import MicrophoneError
from steno_clients.microphone import _WAITING_BLOCKS_MAX, _Buffer, list_devices, open_microphone

if TYPE_CHECKING:
    from tests.clients.conftest import CountingDaemon

CLIP = "librivox/sense_and_sensibility_01_austen_64kb-0880.flac"


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """A room whose loudspeaker is its microphone."""
    with open_hall(tmp_path_factory.mktemp("hall")) as hall:
        hall.require_portaudio()
        yield hall


def _best_match(recording: NDArray[np.float64], piece: NDArray[np.float64]) -> float:
    """Returns the highest correlation of the piece with any stretch of the recording, at most 1."""
    size = len(recording) + len(piece)
    product = np.fft.rfft(recording, size) * np.fft.rfft(piece, size).conj()
    overlap = np.fft.irfft(product, size)[: len(recording) - len(piece) + 1]
    energy = np.convolve(recording**2, np.ones(len(piece)), "valid")
    return float(np.max(overlap / np.sqrt((energy + 1e-9) * (piece**2).sum())))


async def test_what_the_loudspeaker_plays_reaches_the_daemon(
    hall: Hall, daemon: "CountingDaemon", clips: Path
) -> None:
    program, output = await start_steno(
        *("caption", "--events", "--url", daemon.url, "--device", DEVICE),
        environment=hall.environment,
    )
    async with asyncio.timeout(180):
        while json.loads(await output.readline())["type"] != "acknowledged":
            pass  # until the microphone is open
        player = await asyncio.create_subprocess_exec(
            "paplay", str(clips / CLIP), env=hall.environment
        )
        assert await player.wait() == 0
        program.send_signal(signal.SIGINT)
        rest = (await output.read()).splitlines()
        assert await program.wait() == 0
    assert json.loads(rest[-1])["type"] == "closed"
    clip, rate = soundfile.read(clips / CLIP)
    assert daemon.starts[0].rate == rate
    recording = np.frombuffer(daemon.audio[0], "<i2") / 32768
    pieces = [clip[i : i + rate // 2] for i in range(0, len(clip) - rate // 2, rate // 2)]
    assert np.median([_best_match(recording, piece) for piece in pieces]) > 0.99


def ramp(number: int, size: int) -> NDArray[np.float32]:
    """Blocks of samples that go on rising, (size, 1)."""
    samples = np.arange(number * size, (number + 1) * size, dtype=np.float32)
    return samples[:, None] / 1e6


Install = Callable[..., ModuleType]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a sounddevice in place whose microphone hears a ramp."""
    return partial(install_sounddevice, monkeypatch, ramp)


async def test_blocks_come_in_order_until_the_device_goes(install: Install) -> None:
    install()
    async with open_microphone("Desk") as blocks:
        heard = [await anext(blocks) for _ in range(3)]
        with pytest.raises(MicrophoneError, match="found that it stopped"):
            await anext(blocks)
    np.testing.assert_allclose(np.concatenate(heard), np.arange(3 * 640) / 1e6, rtol=1e-6)


async def test_a_device_of_another_rate_is_resampled(install: Install) -> None:
    install(rate=48_000, blocks=50)
    samples = np.zeros(0, np.float32)
    async with open_microphone("1") as blocks:
        while len(samples) < 40 * 640:
            samples = np.append(samples, await anext(blocks))
    middle = np.arange(len(samples))[2_000:-2_000]
    np.testing.assert_allclose(samples[middle], 3 * middle / 1e6, atol=1e-4)


async def test_a_missing_device_is_named(install: Install) -> None:
    install(present=False)
    with pytest.raises(MicrophoneError, match=r"expected a microphone \(Attic\), found none"):
        async with open_microphone("Attic"):
            pass


def test_devices_that_record_are_listed(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install()
    assert list_devices() == ["*  1  Desk  (2 in, 16000 Hz)"]
    assert main(["caption", "--list-devices"]) == 0
    assert capsys.readouterr().out == "*  1  Desk  (2 in, 16000 Hz)\n"


def test_a_machine_that_cannot_record_says_so(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    vars(install())["query_devices"] = list
    assert main(["caption", "--list-devices"]) == 1
    assert capsys.readouterr().err == "steno: expected a microphone, found none\n"


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MicrophoneError, match=r"pip install 'steno-asr\[microphone\]'"):
        list_devices()


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MicrophoneError, match="install libportaudio2"):
        list_devices()


async def test_a_stalled_reader_loses_the_oldest_audio_and_hears_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    buffer = _Buffer(asyncio.get_running_loop())
    with caplog.at_level(logging.WARNING):
        for number in range(_WAITING_BLOCKS_MAX + 2):
            buffer._put(np.full(1, number, np.float32))
    assert (await buffer.get()).tolist() == [2.0]
    assert caplog.messages == ["audio of the microphone gets lost: the daemon is too slow"]
