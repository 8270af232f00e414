"""Sessions on disk, so that they outlive the daemon: one file of JSON lines a session.

The first line says how the session began; each further one holds events that went out, and where
the stream can be taken up after them. A line is written before its events are sent, so that what a
client has seen is never forgotten; a last line that was cut off is as if it had not been sent.
Names of files are the daemon's own random ones.

Daemons may share the folder. Whoever has a session holds a lock on its file, which the system takes
away from a process that dies; so whichever daemon a client comes back to takes the session up, and
no two have it at once.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from steno_daemon import wire
from steno_daemon.checkpoint import Checkpoint
from steno_daemon.config import ServerConfig
from steno_daemon.errors import ConfigError, StenoDaemonError
from steno_daemon.offer import Snapshot
from steno_models.recogniser import Wishes

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{16}")
_SUFFIX = ".jsonl"
NO_WISHES: Mapping[int, Wishes] = {}


def directory_of(server: ServerConfig, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where sessions are kept: as configured, else where systemd says, else nowhere."""
    if server.state_directory is not None:
        return server.state_directory
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else None


class HeldError(StenoDaemonError):
    """Another daemon has the session now."""


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line: what a session was opened with, and who may resume it."""

    start: wire.Start
    token_sha256: str
    grant: str
    phase: int | None = None


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A further line: events, and where each channel can be taken up after them."""

    checkpoints: tuple[Checkpoint, ...]
    events: tuple[wire.ServerMessage, ...]
    wishes: dict[int, Wishes] = {}
    """Words and phrases that a checkpoint may name from here on."""


class Page:
    """The file of one session, open for more lines; an error costs the file, not the session.

    Args:
        path: its name.
        flags: how to open it, as `os.open` takes them.

    Raises:
        HeldError: another daemon has the session.
        OSError: the file cannot be written, or is not there.
    """

    def __init__(self, path: Path, flags: int = 0) -> None:
        self._path = path
        self._file = _hold(path, flags)
        self._checkpoints: tuple[Checkpoint, ...] = ()
        self._wishes: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether the session is kept in it."""
        return self._file >= 0

    def begin(self, opening: Opening) -> None:
        """Write how the session began."""
        self._write(opening)

    def write(
        self,
        events: list[wire.ServerMessage],
        checkpoints: tuple[Checkpoint, ...],
        wishes: Mapping[int, Wishes] = NO_WISHES,
    ) -> None:
        """Write events that are about to be sent, and the checkpoints if they are news.

        Words and phrases are written with the first checkpoint that names them.
        """
        if events or checkpoints != self._checkpoints:
            self._checkpoints = checkpoints
            named = {one.wishes for one in checkpoints} - self._wishes - {0}
            self._wishes |= named
            self._write(
                Entry(
                    checkpoints=checkpoints,
                    events=tuple(map(_without_token, events)),
                    wishes={number: wishes[number] for number in sorted(named)},
                )
            )

    def cut_torn_line(self) -> None:
        """Remove what a daemon that died began to write last, so that more can follow."""
        text = self._path.read_bytes()
        os.ftruncate(self._file, text.rfind(b"\n") + 1)

    def close(self) -> None:
        """Close the file; the session may be taken up elsewhere."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def discard(self) -> None:
        """Remove the file: the session is over."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _write(self, line: Opening | Entry) -> None:
        if self._file < 0:
            return
        data = msgspec.json.encode(line) + b"\n"
        try:
            whole = os.write(self._file, data) == len(data)
            found = "a full disk"
        except OSError as error:
            whole, found = False, str(error)
        if not whole:
            logger.warning("cannot keep a session in %s, it goes on without: %s", self._path, found)
            self.discard()


def _hold(path: Path, flags: int) -> int:
    """Return a file that is open to append to, and locked."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink == 0:
            raise FileNotFoundError(path)  # its daemon removed it while we opened it
    except BlockingIOError:
        os.close(file)
        raise HeldError(f"expected {path} to be free, found that another daemon has it") from None
    except OSError:
        os.close(file)
        raise
    return file


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as it was kept, and its file."""

    opening: Opening
    snapshot: Snapshot
    page: Page


def _without_token(event: wire.ServerMessage) -> wire.ServerMessage:
    """Return an event that lets nobody who reads the file take the session."""
    if isinstance(event, wire.Ready):
        return msgspec.structs.replace(event, token=None)
    return event


class Journal:
    """The folder of all files.

    Args:
        directory: made if it is not there, for its owner alone.
        keep_s: how long the files of sessions that nobody resumes stay.

    Raises:
        ConfigError: the directory cannot be written.
    """

    def __init__(self, directory: Path, *, keep_s: float) -> None:
        self._directory = directory / "sessions"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot keep sessions: expected a folder at {directory} that can be written, "
                f"found: {error.strerror}"
            ) from error
        if not os.access(self._directory, os.W_OK):
            raise ConfigError(f"cannot keep sessions: expected to write to {self._directory}")
        self._keep_s = keep_s

    def page(self, name: str) -> Page:
        """Return the file of a new session.

        Raises:
            OSError: it cannot be written.
        """
        return Page(self._path(name), os.O_CREAT)

    def take(self, name: str) -> Kept | None:
        """Return a session and hold its file, or None if it is not known.

        Raises:
            HeldError: another daemon has it.
        """
        if not _NAME.fullmatch(name):
            return None
        try:
            page = Page(self._path(name))
        except OSError:
            return None
        kept = self.read(name)
        if kept is None:
            page.close()
            return None
        page.cut_torn_line()
        return Kept(*kept, page)

    def read(self, name: str) -> tuple[Opening, Snapshot] | None:
        """Return how a session began and where it was, or None if it is not known."""
        if not _NAME.fullmatch(name):
            return None
        try:
            lines = self._path(name).read_bytes().split(b"\n")[:-1]
            opening = msgspec.json.decode(lines[0], type=Opening)
            entries = [msgspec.json.decode(line, type=Entry) for line in lines[1:]]
        except (OSError, IndexError):
            return None
        except (msgspec.DecodeError, UnicodeError) as error:
            logger.warning("expected a session in %s, found: %s", self._path(name), error)
            return None
        events = tuple(event for entry in entries for event in entry.events)
        if not entries:
            return None
        wishes = {number: one for entry in entries for number, one in entry.wishes.items()}
        return opening, Snapshot(
            opening.start, entries[-1].checkpoints, events, wishes, opening.phase
        )

    def forget_old(self) -> None:
        """Remove the files that nobody wrote to for so long that nobody comes back."""
        horizon_s = time.time() - self._keep_s
        for path in self._directory.glob("*" + _SUFFIX):
            try:
                if path.stat().st_mtime < horizon_s:
                    path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("cannot remove %s: %s", path, error)

    def _path(self, name: str) -> Path:
        return self._directory / (name + _SUFFIX)
