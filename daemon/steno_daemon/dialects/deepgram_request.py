"""What the address of a Deepgram client asks for: its query as plain values.

What the daemon has no notion of (a language, speakers, redaction, …) is let through and named in
the `warnings` of the last message; what it knows and cannot do is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from steno_daemon.complaints import shorten
from steno_daemon.dialects.door import About, Hello
from steno_daemon.dialects.expecting import expected
from steno_daemon.errors import WireError
from steno_daemon.wire import (
    CHANNELS_MAX,
    SAMPLE_RATE_MAX,
    SAMPLE_RATE_MIN,
    Encoding,
    Endpointing,
    ErrorCode,
    Phrase,
    Start,
)

T = TypeVar("T")
D = TypeVar("D")

ENCODINGS = {
    "linear16": Encoding.PCM_S16LE,
    "linear32": Encoding.PCM_F32LE,
    "mulaw": Encoding.MULAW,
    "alaw": Encoding.ALAW,
    "ogg-opus": Encoding.OGG_OPUS,
}
TELEPHONE = {Encoding.MULAW: 8_000, Encoding.ALAW: 8_000}
"""Rates that need not be said."""
SILENCE_MS = (100, 10_000)
UTTERANCE_END_MS = (1_000, 60_000)
KNOWN = {
    "encoding",
    "sample_rate",
    "channels",
    "multichannel",
    "interim_results",
    "endpointing",
    "utterance_end_ms",
    "vad_events",
    "punctuate",
    "smart_format",
    "numerals",
    "keyterm",
    "keywords",
    "model",
    "token",
    "tag",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client wants.

    Attributes:
        start: for the session; its form counts only where `is_named`.
        is_named: whether the client said what the bytes are; else the first of them show it.
        tells_pauses: whether results say that an utterance is over.
        tells_speech: whether the start of speech is told.
        writes: whether results hold what people would write; else they hold what was said.
        utterance_end_s: gap behind the last word after which that is told; None for not at all.
        ignored: names of what changes nothing, and why.
    """

    start: Start
    is_named: bool
    tells_pauses: bool
    tells_speech: bool
    writes: bool
    utterance_end_s: float | None
    ignored: dict[str, str]


def wishes_of(hello: Hello, about: About) -> Wishes:
    """Return what a client wants.

    Raises:
        WireError: it wants what there is not.
    """
    wants_partials = _of(hello, "interim_results", _boolean, default=False)
    gap_ms = _of(hello, "utterance_end_ms", _between(*UTTERANCE_END_MS), default=None)
    if gap_ms is not None and not wants_partials:
        raise _wrong("utterance_end_ms", "interim_results=true beside it", "none")
    pause_ms = _of(hello, "endpointing", _silence, default=None)
    encoding, rate = _form(hello)
    channels = _of(hello, "channels", _between(1, CHANNELS_MAX), default=1)
    ignored = {
        name: "the daemon has no such feature" for name, _ in hello.query if name not in KNOWN
    }
    language_model = about.language_model(hello.first("model"))
    if language_model is None:
        language_model = about.required_language_model(None)
        ignored["model"] = "language models are " + ", ".join(about.language_models)
    marks, figures = _writing(hello)
    start = Start(
        encoding=encoding or Encoding.PCM_S16LE,
        rate=rate,
        channels=channels,
        separate_channels=channels > 1 and _of(hello, "multichannel", _boolean, default=False),
        language_model=language_model,
        partials=wants_partials,
        endpointing=Endpointing(trailing_silence_ms=pause_ms or None),
        word_times=True,
        punctuate=marks if marks or figures else None,
        written_numbers=figures if marks or figures else None,
        phrases=_expected(hello),
    )
    return Wishes(
        start=start,
        is_named=encoding is not None,
        tells_pauses=pause_ms != 0,
        tells_speech=_of(hello, "vad_events", _boolean, default=False),
        writes=marks or figures,
        utterance_end_s=None if gap_ms is None else gap_ms / 1000,
        ignored=ignored,
    )


def _writing(hello: Hello) -> tuple[bool, bool]:
    """Return whether a client wants marks and capitals, and whether it wants figures."""
    both = _of(hello, "smart_format", _boolean, default=False)
    marks = both or _of(hello, "punctuate", _boolean, default=False)
    return marks, both or _of(hello, "numerals", _boolean, default=False)


def _expected(hello: Hello) -> tuple[Phrase, ...]:
    """Return what is likely to be said: key terms, and keywords without the weight behind them."""
    terms = [said for name, said in hello.query if name == "keyterm"]
    words = [said.partition(":")[0] for name, said in hello.query if name == "keywords"]
    return expected([*terms, *words])


def _form(hello: Hello) -> tuple[Encoding | None, int]:
    """Return encoding and rate of the samples; None for an encoding that the bytes will show."""
    said = hello.first("encoding")
    if said is None:
        return None, SAMPLE_RATE_MIN
    encoding = ENCODINGS.get(said)
    if encoding is None:
        raise _wrong("encoding", "one of " + ", ".join(ENCODINGS), shorten(said))
    if encoding.is_container:
        return encoding, SAMPLE_RATE_MAX
    limits = _between(SAMPLE_RATE_MIN, SAMPLE_RATE_MAX)
    rate = _of(hello, "sample_rate", limits, default=TELEPHONE.get(encoding))
    if rate is None:
        raise _wrong("sample_rate", f"samples a second, {said} does not say them itself", "none")
    return encoding, rate


def _of(hello: Hello, name: str, read: Callable[[str, str], T], *, default: D) -> T | D:
    """Return a parameter as it is read, or the default where there is none."""
    said = hello.first(name)
    return default if said is None else read(name, said)


def _boolean(name: str, said: str) -> bool:
    if said.casefold() not in {"true", "false", "1", "0", ""}:
        raise _wrong(name, "true or false", shorten(said))
    return said.casefold() not in {"false", "0"}


def _between(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, said: str) -> int:
        if not (said.isascii() and said.isdecimal() and len(said) < 9):
            raise _wrong(name, f"a number of {least} to {most}", shorten(said))
        if not least <= int(said) <= most:
            raise _wrong(name, f"{least} to {most}", said)
        return int(said)

    return read


def _silence(name: str, said: str) -> int | None:
    """Return the silence that ends an utterance, 0 where none is told, None for the daemon's."""
    if said.casefold() in {"true", ""}:
        return None
    if said.casefold() == "false":
        return 0
    if not (said.isascii() and said.isdecimal() and len(said) < 9):
        raise _wrong(name, "milliseconds or false", shorten(said))
    return min(max(int(said), SILENCE_MS[0]), SILENCE_MS[1])


def _wrong(name: str, expected: str, found: str) -> WireError:
    return WireError(
        ErrorCode.INVALID_MESSAGE,
        f"the parameter {name} is not understood",
        expected=expected,
        found=found,
    )
