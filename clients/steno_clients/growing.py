"""A caption file that is whole after every final while it grows."""

import contextlib
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from steno_clients.errors import OutputError
from steno_clients.file import FloatArray
from steno_clients.watch import Watching
from steno_daemon.captions import srt, webvtt
from steno_daemon.captions.cues import Cue, cut, retime
from steno_daemon.wire import Final, ServerMessage


class GrowingCaptions:
    """An .srt or .vtt file to which every final adds its cues.

    The last cue stays on screen until it is read or the next one comes, and when that is, the next
    final says: so the last cue is written again, in place and in the same write as those after it.
    Time stamps have a fixed width, hence a reader finds a valid file at every moment.
    """

    def __init__(self, path: Path, render: Callable[[list[Cue], int], str], header: str) -> None:
        self._channels = 1
        self._render = render
        self._last: list[Cue] = []
        self._count = 0
        self._floor_ms = 0
        self._file = _begin(path, header.encode())
        self._offset = self._file.tell()

    @classmethod
    def srt(cls, path: Path) -> "GrowingCaptions":
        """Return a SubRip file, empty so far."""
        return cls(path, lambda cues, first: srt.render(cues, first=first), "")

    @classmethod
    def vtt(cls, path: Path) -> "GrowingCaptions":
        """Return a WebVTT file with no cue so far."""
        return cls(path, lambda cues, _first: webvtt.render(cues), webvtt.HEADER)

    def show(self, event: ServerMessage) -> None:
        """Add the cues of an event that is a final."""
        if not isinstance(event, Final):
            return
        new = cut(event, channels=self._channels)
        timed = retime([*self._last, *new], floor_ms=self._floor_ms)
        if not timed:
            return
        done = self._render(timed[:-1], self._count + 1).encode()
        last = self._render(timed[-1:], self._count + len(timed)).encode()
        self._file.seek(self._offset)
        self._file.write(done + last)
        self._offset += len(done)
        self._count += len(timed) - 1
        self._floor_ms = timed[-2].end_ms if len(timed) > 1 else self._floor_ms
        self._last = [*self._last, *new][-1:]

    def heard(self, block: FloatArray) -> None:
        """Take no notice of audio."""

    def begin(self, about: Watching) -> None:
        """Label every cue from now on if the session has several channels."""
        self._channels = about.channels

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _begin(path: Path, header: bytes) -> FileIO:
    """Return a new file with a header; unbuffered, so that every write is one."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("w+b", buffering=0))
            file.write(header)
        except OSError as error:
            raise OutputError(f"expected to write captions to {path}: {error.strerror}") from None
        stack.pop_all()
        return file
