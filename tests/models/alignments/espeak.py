"""Speech whose times are known: the eSpeak NG library says a text and when each word begins."""

import ctypes
import ctypes.util
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from steno_models.audio import resample
from steno_models.types import FloatArray

_RETRIEVAL, _PHONEME_EVENTS = 1, 1
_WORD, _END, _PHONEME = 1, 5, 7
_RATE, _PITCH = 1, 3
_CHARS_UTF8 = 1


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Said:
    """A text as samples at 16 kHz.

    Attributes:
        samples: (N,).
        starts_s: when each of its words begins.
        pauses_s: when sound ends before a pause.
    """

    samples: FloatArray
    starts_s: list[float]
    pauses_s: list[float]


@cache
def _library() -> tuple[Any, int]:
    found = ctypes.util.find_library("espeak-ng")
    if found is None:
        pytest.skip("needs the library of eSpeak NG, found none")
    library = ctypes.CDLL(found)
    return library, library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEME_EVENTS)


def say(text: str, *, words_a_minute: int = 165, pitch: int = 50) -> Said:
    """Return `text` as American English; the test skips where there is no eSpeak NG."""
    library, rate = _library()
    parts: list[Any] = []
    starts_s: list[float] = []
    pauses_s: list[float] = []

    def take(wave: Any, count: int, events: Any) -> int:
        if wave and count:
            parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type:
            event, i = events[i], i + 1
            if event.type == _WORD:
                starts_s.append(event.sample / rate)
            elif event.type == _PHONEME and event.id.string == b"_:":
                pauses_s.append(event.sample / rate)
        return 0

    kept = _Callback(take)
    library.espeak_SetSynthCallback(kept)
    library.espeak_SetVoiceByName(b"en-us")
    library.espeak_SetParameter(_RATE, words_a_minute, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    samples: FloatArray = np.asarray(np.concatenate(parts) / 32768.0, np.float32)
    return Said(resample(samples, rate, 16_000), starts_s, pauses_s)
