"""What is kept of a session that was recorded, and how it is read back.

A capture is a directory, named by the daemon and readable by its user alone:

    audio           the bytes as they were received, whatever their encoding
    session.jsonl   a header, then one line for each message that came in or went out; `at` counts
                    the bytes of audio that were there before it

Both files are appended to by `write` alone, audio first. So when the daemon is killed every line
that is whole is true, and a torn last one is left out. A session is a function of its bytes, of
where its messages stand among them, and of the segments in which an overloaded daemon saved effort:
that is all that a replay needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from steno_daemon import wire
from steno_daemon.endpoint import Rules
from steno_daemon.errors import WireError
from steno_models.errors import DataError

AUDIO = "audio"
LINES = "session.jsonl"
VERSION = 1
READ_BYTES = 64 * 1024

Command: TypeAlias = wire.Configure | wire.AddWords | wire.Finalize | wire.Stop
"""What a client says between its audio that changes what is heard."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what the session began with, beside its audio.

    Attributes:
        capture: version of this format.
        session: as the daemon named it.
        began: wall time, ISO 8601 in UTC.
        program: version of the daemon.
        bundle: name and version.
        chunk_ms: decoding step of sessions that wished none.
        rules: endpointing of sessions that wished none.
        start: what the client asked for.
        phase: where its chunks ended, as in `Decoding`.
    """

    capture: int = VERSION
    session: str
    began: str
    program: str
    bundle: str
    chunk_ms: int
    rules: Rules
    start: wire.Start
    phase: int | None = None


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that was decoded with less effort.

    Attributes:
        channel: whose segment it is.
        position: sample of the stream up to which its first work reached.
        degraded: how much was saved, as in `wire.Load`.
    """

    channel: int
    position: int
    degraded: int


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened after `at` bytes of audio.

    Attributes:
        received: a message of the client.
        sent: an event of the daemon.
        saving: a segment begins that is decoded with less effort.
        rewound: the stream went on from here with what its client sent again.
        broken: why the recording ends before its session.
        closed: the recording ends with its session.
    """

    at: int
    received: wire.ClientMessage | None = None
    sent: wire.ServerMessage | None = None
    saving: Saving | None = None
    rewound: bool = False
    broken: str | None = None
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """A session as it was recorded.

    Attributes:
        path: its directory.
        header: what it began with.
        commands: messages of the client that change what is heard, with the bytes before each.
        sent: events as they came about; their numbers mean nothing.
        savings: segments that were decoded with less effort.
        audio_bytes: how much audio there is.
        ending: why it ends before the session had its last word; None where it does not.
    """

    path: Path
    header: Header
    commands: tuple[tuple[int, Command], ...]
    sent: tuple[wire.ServerMessage, ...]
    savings: tuple[Saving, ...]
    audio_bytes: int
    ending: str | None

    def audio(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `begin` up to `end`."""
        with (self.path / AUDIO).open("rb") as file:
            file.seek(begin)
            while begin < end and (data := file.read(min(READ_BYTES, end - begin))):
                begin += len(data)
                yield data


def read_capture(path: Path) -> Capture:
    """Return the capture in a directory.

    Raises:
        DataError: there is none, or it is no capture that this version reads.
    """
    try:
        text = (path / LINES).read_bytes()
        audio_bytes = (path / AUDIO).stat().st_size
    except OSError as error:
        raise DataError(
            f"expected a capture, a directory with {AUDIO} and {LINES}, at {path}, "
            f"found: {error.strerror}"
        ) from error
    whole, _, _torn = text.rpartition(b"\n")
    first, *rest = whole.split(b"\n")
    header = _header(first, path)
    lines = _without_what_was_sent_again(
        [_line(line, f"line {number} of {path / LINES}") for number, line in enumerate(rest, 2)]
    )
    return Capture(
        path=path,
        header=header,
        commands=tuple(
            (line.at, line.received) for line in lines if isinstance(line.received, Command)
        ),
        sent=tuple(line.sent for line in lines if line.sent is not None),
        savings=tuple(line.saving for line in lines if line.saving is not None),
        audio_bytes=audio_bytes,
        ending=_ending(lines),
    )


def _header(line: bytes, path: Path) -> Header:
    """Return the first line of a capture."""
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(
            f"expected the header of a capture in line 1 of {path / LINES}, found: {error}"
        ) from error
    if header.capture != VERSION:
        raise DataError(
            f"expected a capture of version {VERSION} at {path}, found {header.capture}"
        )
    return header


def _line(line: bytes, where: str) -> Line:
    """Return a line after the first."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, WireError) as error:
        raise DataError(f"expected a message in {where}, found: {error}") from error


def _without_what_was_sent_again(lines: list[Line]) -> list[Line]:
    """Return the lines without commands that their client said once more, from further back."""
    kept: list[Line] = []
    for line in lines:
        if line.rewound:
            kept = [one for one in kept if one.received is None or one.at <= line.at]
        kept.append(line)
    return kept


def _ending(lines: list[Line]) -> str | None:
    """Return why the recording ends before its session had its last word, or None."""
    if any(isinstance(line.sent, wire.Closed) for line in lines):
        return None
    broken = [line.broken for line in lines if line.broken is not None]
    if broken:
        return broken[-1]
    gone = bool(lines) and lines[-1].closed
    return "its client went away" if gone else "nothing more was written"


_decoder = msgspec.json.Decoder(Line)
