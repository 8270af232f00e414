"""Keeps the audio and the messages of sessions that consent; `capture.py` has the form.

    recorder = Recorder(directory, setting)      once; directory None records nothing
    recording = recorder.open(name, start)       a session that consents begins
    recording.audio(data)                        what it received
    recording.message(message)
    recording.decoding(work, decoding)           what goes to the engine
    recording.event(event)                       what it said
    recording.close()

The event loop only puts things into a queue; one thread writes. Where the disk is full or too slow,
the recording ends there and says so: the session never waits for it.
"""

import errno
import logging
import os
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from steno_daemon import wire
from steno_daemon.capture import AUDIO, LINES, Header, Line, Saving
from steno_daemon.endpoint import Rules
from steno_daemon.errors import ConfigError
from steno_daemon.happenings import Work
from steno_daemon.offer import Decoding

logger = logging.getLogger(__name__)

QUEUE_BYTES = 16 * 1024 * 1024
LINE_BYTES = 1_024
"""What a message counts for in the queue."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the daemon offers to sessions that wish nothing: a replay needs it.

    Attributes:
        program: version of the daemon.
        bundle: name and version.
        chunk_ms: decoding step.
        rules: endpointing.
    """

    program: str
    bundle: str
    chunk_ms: int
    rules: Rules


@dataclass(frozen=True, slots=True)
class _Open:
    """Make the directory and its first line."""

    header: Header


@dataclass(frozen=True, slots=True)
class _Rewind:
    """Forget the audio from `at` on: it comes again."""

    at: int


class _Close:
    """Let go of the files."""


_Task: TypeAlias = _Open | bytes | Line | _Rewind | _Close


class Recording:
    """One session as it is recorded; lives on the event loop. Without a writer nothing is kept.

    Attributes:
        at: bytes of audio so far.
        ended: whether nothing more is kept.
    """

    def __init__(self, session: str, writer: "_Writer | None") -> None:
        self.session = session
        self.at = 0
        self.ended = writer is None
        self._writer = writer

    def begin(self, header: Header) -> None:
        """Keep what the session begins with; first of all."""
        self._put(_Open(header), LINE_BYTES)

    def audio(self, data: bytes) -> None:
        """Keep audio that the session took."""
        self.at += len(data)
        self._put(data, len(data))

    def message(self, message: wire.ClientMessage) -> None:
        """Keep a message that changes what is heard; `start` is kept already, tokens never are."""
        if isinstance(message, wire.Configure | wire.AddWords | wire.Finalize | wire.Stop):
            self._put(Line(at=self.at, received=message), LINE_BYTES)

    def event(self, event: wire.ServerMessage) -> None:
        """Keep what the session said."""
        if isinstance(event, wire.Ready):
            event = msgspec.structs.replace(event, token=None)
        self._put(Line(at=self.at, sent=event), LINE_BYTES)

    def decoding(self, work: Work, decoding: Decoding) -> None:
        """Keep how much effort goes into a segment that begins, if that is less than all."""
        if work.state is None and decoding.degraded:
            saving = Saving(
                channel=work.channel, position=work.position, degraded=decoding.degraded
            )
            self._put(Line(at=self.at, saving=saving), LINE_BYTES)

    def rewind(self, at: int) -> None:
        """Go on from byte `at`: the client's connection broke and it sends again from there."""
        self.at = at
        self._put(_Rewind(at), LINE_BYTES)
        self._put(Line(at=at, rewound=True), LINE_BYTES)

    def close(self) -> None:
        """End the recording with its session."""
        if not self.ended:
            self._put(Line(at=self.at, closed=True), LINE_BYTES)
            self.end()

    def end(self) -> None:
        """Keep nothing more."""
        if not self.ended and self._writer is not None:
            self.ended = True
            self._writer.put(self, _Close(), 0)

    def _put(self, task: _Task, size: int) -> None:
        if self.ended or self._writer is None:
            return
        if not self._writer.put(self, task, size):
            reason = f"the disk is too slow: {QUEUE_BYTES // 2**20} MiB wait to be written"
            logger.warning("session %s: the recording ends: %s", self.session, reason)
            self._writer.put(self, Line(at=self.at, broken=reason), 0)
            self.end()


class Recorder:
    """Records sessions that consent into a directory of their own each.

    Args:
        directory: where; None records nobody.
        setting: what the daemon offers.
        wall: the present time.

    Attributes:
        setting: as given; another one holds for the sessions that are opened from then on.

    Raises:
        ConfigError: there is no such directory, and none can be made.
    """

    def __init__(
        self,
        directory: Path | None,
        setting: Setting,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.setting = setting
        self._wall = wall
        self._writer: _Writer | None = None
        if directory is not None:
            _prepare(directory)
            self._writer = _Writer(directory)

    def open(
        self, session: str, start: wire.Start, *, phase: int | None = None, at: int = 0
    ) -> Recording:
        """Return the recording of a session, one that keeps nothing where it does not consent.

        Args:
            session: its name, which the daemon gave it.
            start: what its client asked for.
            phase: where its chunks end, as in `Decoding`.
            at: where the stream of a session goes on that an earlier daemon began.
        """
        if not NAME.fullmatch(session):
            raise ValueError(f"expected the daemon's own name of a session, found {session!r}")
        recording = Recording(session, self._writer if start.record else None)
        recording.begin(self._header(session, start, phase))
        if at:
            recording.rewind(at)
        return recording

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits to be written; not from the event loop."""
        if self._writer is not None:
            self._writer.close(timeout_s)

    def _header(self, session: str, start: wire.Start, phase: int | None) -> Header:
        return Header(
            session=session,
            began=self._wall().isoformat(timespec="seconds").replace("+00:00", "Z"),
            program=self.setting.program,
            bundle=self.setting.bundle,
            chunk_ms=self.setting.chunk_ms,
            rules=self.setting.rules,
            start=start,
            phase=phase,
        )


def _prepare(directory: Path) -> None:
    """Make the directory of all recordings if there is none."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the configuration is wrong: recording.directory: expected a directory that can be "
            f"written, found {directory}: {error.strerror}"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(
            f"the configuration is wrong: recording.directory: expected a directory that can be "
            f"written, found {directory}, which this user may not write"
        )


class _Writer:
    """The thread that writes, and the bounded queue before it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._queue: queue.SimpleQueue[tuple[Recording, _Task, int] | None] = queue.SimpleQueue()
        self._room = QUEUE_BYTES
        self._lock = threading.Lock()
        self._files: dict[str, _Files] = {}
        # A daemon thread: a disk that hangs cannot keep the process from leaving.
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, recording: Recording, task: _Task, size: int) -> bool:
        """Queue a task that holds `size` bytes; say whether there was room."""
        with self._lock:
            if size > self._room:
                return False
            self._room -= size
        self._queue.put((recording, task, size))
        return True

    def close(self, timeout_s: float) -> None:
        """End the thread once all is written, or leave it behind."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("recordings were not written within %s s, leaving them", timeout_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            recording, task, size = item
            try:
                self._do(recording.session, task)
            except OSError as error:
                logger.warning(
                    "session %s: the recording ends: %s", recording.session, error.strerror
                )
                self._give_up(recording)
            except Exception:  # the thread serves every session
                logger.exception("session %s: the recording ends", recording.session)
                self._give_up(recording)
            with self._lock:
                self._room += size
        for files in self._files.values():
            files.close()

    def _do(self, session: str, task: _Task) -> None:
        """Do one task; a session that was given up has no files any more."""
        if isinstance(task, _Open):
            self._files[session] = _Files.made(self._directory, task.header)
            return
        files = self._files.get(session)
        if files is None:
            return
        match task:
            case bytes():
                _write(files.audio, task)
            case Line():
                _write(files.lines, msgspec.json.encode(task) + b"\n")
            case _Rewind(at):
                os.ftruncate(files.audio, at)
            case _Close():
                del self._files[session]
                files.close()

    def _give_up(self, recording: Recording) -> None:
        """Let go of a recording that cannot be written; its session goes on."""
        recording.ended = True
        files = self._files.pop(recording.session, None)
        if files is not None:
            files.close()


@dataclass(frozen=True, slots=True)
class _Files:
    """The open files of one recording."""

    audio: int
    lines: int

    @classmethod
    def made(cls, directory: Path, header: Header) -> "_Files":
        """Make the directory of a session, or go on in the one that an earlier daemon made."""
        earlier = sorted(directory.glob(f"*-{header.session}"))
        stamp = re.sub("[-:]", "", header.began)
        path = earlier[-1] if earlier else directory / f"{stamp}-{header.session}"
        path.mkdir(mode=0o700, exist_ok=True)
        audio = os.open(path / AUDIO, APPEND, 0o600)
        try:
            files = cls(audio, os.open(path / LINES, APPEND, 0o600))
        except OSError:
            os.close(audio)
            raise
        whole = (path / LINES).read_bytes().rpartition(b"\n")
        os.ftruncate(files.lines, len(whole[0]) + len(whole[1]))  # a torn line of who was killed
        if not whole[1]:
            _write(files.lines, msgspec.json.encode(header) + b"\n")
        return files

    def close(self) -> None:
        """Let go of the files."""
        os.close(self.audio)
        os.close(self.lines)


def _write(file: int, data: bytes) -> None:
    """Write all of `data`."""
    rest = memoryview(data)
    while rest:
        written = os.write(file, rest)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]
