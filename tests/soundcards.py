"""The package sounddevice without hardware: a loudspeaker, 0, and one microphone, 1, called Desk.

Import with `from tests.soundcards import …`.
"""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Self

import pytest

Sound = Callable[[int, int], object]
"""Returns block number n of so many frames, as PortAudio hands it over."""


class PortAudioError(Exception):
    """What PortAudio says no with."""


class FakeStream:
    """A device that records some blocks as soon as it starts, and is then unplugged."""

    def __init__(self, sound: Sound, blocks: int, **options: object) -> None:
        self._sound = sound
        self._blocks = blocks
        self._options = options

    def start(self) -> None:
        size, callback = self._options["blocksize"], self._options["callback"]
        finished = self._options["finished_callback"]
        assert isinstance(size, int)
        assert callable(callback)
        assert callable(finished)
        for number in range(self._blocks):
            callback(self._sound(number, size), size, None, None)
        finished()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        pass


def install_sounddevice(
    monkeypatch: pytest.MonkeyPatch,
    sound: Sound,
    *,
    rate: int = 16_000,
    channels: int = 1,
    blocks: int = 3,
    present: bool = True,
) -> ModuleType:
    """Put a sounddevice in place whose microphone records in one form alone.

    The forms that it is asked for are kept in its attribute `asked`.
    """
    fake = ModuleType("sounddevice")
    devices = [
        {"name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 48e3},
        {"name": "Desk", "max_input_channels": 2, "default_samplerate": float(rate)},
    ]

    asked: list[dict[str, object]] = []

    def query_devices(device: object = None, kind: str | None = None) -> object:
        if kind is None:
            return devices
        if not present:
            raise ValueError(f"No input device matching {device!r}")
        return devices[1]

    def check_input_settings(_: object, **form: object) -> None:
        asked.append(form)
        if (form["samplerate"], form["channels"]) != (rate, channels):
            raise PortAudioError("Invalid sample rate")

    def stream(**options: object) -> FakeStream:
        return FakeStream(sound, blocks, **options)

    vars(fake).update(
        asked=asked,
        PortAudioError=PortAudioError,
        query_devices=query_devices,
        check_input_settings=check_input_settings,
        default=SimpleNamespace(device=(1, 0)),
        InputStream=stream,
        RawInputStream=stream,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake
