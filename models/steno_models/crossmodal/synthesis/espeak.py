"""The library of eSpeak NG: a text becomes samples, and it tells when each word begins.

The library speaks in one voice at a time and keeps its state in the process: one `Espeak` at most.
"""

import ctypes
import ctypes.util
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from steno_models.audio import SAMPLE_RATE, resample
from steno_models.errors import DataError
from steno_models.types import FloatArray

_RETRIEVAL, _PHONEME_EVENTS = 1, 1
_WORD_EVENT, _PHONEME_EVENT = 1, 7
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARS_UTF8 = 1
_BLANK = "\u00a0"  # at this one it does not take "of the" and the like for one word
_PAUSES = (b"_:", b"_", b"_!", b"_|")


class Voice(NamedTuple):
    """Who speaks.

    Attributes:
        language: an accent that eSpeak NG knows, such as "en-us".
        variant: a timbre that it knows, such as "f2"; empty for its own.
        words_a_minute: how fast.
        pitch: 0 to 100.
        pitch_range: 0 to 100, how lively.
    """

    language: str
    variant: str
    words_a_minute: int
    pitch: int
    pitch_range: int

    @property
    def name(self) -> str:
        """What tells this voice from others."""
        parts = (self.language, self.variant or "own", *map(str, self[2:]))
        return "-".join(parts)


class Spoken(NamedTuple):
    """A text as sound.

    Attributes:
        samples: (N,) float32 at 16 kHz.
        starts_s: when each word begins.
        ends_s: when it ends: where the next begins, or a pause before it.
    """

    samples: FloatArray
    starts_s: list[float]
    ends_s: list[float]


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


@cache
def _library() -> tuple[Any, int]:
    """Return the library and its sample rate.

    Raises:
        DataError: it is not installed.
    """
    found = ctypes.util.find_library("espeak-ng")
    if found is None:
        raise DataError("expected the library of eSpeak NG (libespeak-ng), found none")
    library = ctypes.CDLL(found)
    rate = int(library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEME_EVENTS))
    if rate <= 0:
        raise DataError(f"expected eSpeak NG to start, found error {rate}")
    return library, rate


def say(words: Sequence[str], voice: Voice) -> Spoken:
    """Return `words`, in one breath, as `voice` speaks them.

    Raises:
        DataError: there is no eSpeak NG or no such voice, or it said another number of words.
    """
    library, rate = _library()
    parts: list[FloatArray] = []
    starts: dict[int, int] = {}
    pauses: list[int] = []

    def take(wave: Any, count: int, events: Any) -> int:  # noqa: ANN401 - pointers of C
        if wave and count:
            parts.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32))
        place = 0
        while events[place].type:
            event, place = events[place], place + 1
            if event.type == _WORD_EVENT:
                starts.setdefault(event.text_position - 1, event.sample)
            elif event.type == _PHONEME_EVENT and event.id.string in _PAUSES:
                pauses.append(event.sample)
        return 0

    kept = _Callback(take)
    library.espeak_SetSynthCallback(kept)
    full = f"{voice.language}+{voice.variant}" if voice.variant else voice.language
    if library.espeak_SetVoiceByName(full.encode()) != 0:
        raise DataError(f"expected a voice of eSpeak NG, found {full}")
    for parameter, value in ((_RATE, voice.words_a_minute), (_PITCH, voice.pitch),
                             (_RANGE, voice.pitch_range)):  # fmt: skip
        library.espeak_SetParameter(parameter, value, 0)
    data = _BLANK.join(words).encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    if not parts:
        raise DataError(f"expected sound of {' '.join(words)[:60]!r}, found none")
    whole = np.concatenate(parts) / np.float32(32768)
    begun = _begun(words, starts)
    samples = resample(whole, rate, SAMPLE_RATE)
    stops = [*begun[1:], len(whole)]
    ends = [min([stop, *(p for p in pauses if start < p < stop)])
            for start, stop in zip(begun, stops, strict=True)]  # fmt: skip
    return Spoken(samples, [each / rate for each in begun], [each / rate for each in ends])


def _begun(words: Sequence[str], starts: dict[int, int]) -> list[int]:
    """Return the sample at which each word begins, by where in the text the events are.

    Raises:
        DataError: a word has none, or they do not rise.
    """
    places = np.cumsum([0, *(len(word) + 1 for word in words[:-1])]).tolist()
    found = [starts.get(place, -1) for place in places]
    if found[0] < 0 or (np.diff(found) <= 0).any():
        raise DataError(f"expected when each of {len(words)} words begins, found it of fewer")
    return found
