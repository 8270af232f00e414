import io
import logging
import os
import socket
import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steno_daemon import journal_log


class Journal:
    """The journal's end of its socket."""

    def __init__(self, line: socket.socket, path: Path) -> None:
        self._line = line
        self.path = path

    def hears(self) -> dict[str, str]:
        """The fields of the next record, from its message or from the file that came instead."""
        data, ancillary, _, _ = self._line.recvmsg(1_000_000, socket.CMSG_SPACE(4))
        for level, kind, content in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            assert data == b""
            fd = array("i", content)[0]
            with os.fdopen(fd, "rb") as file:
                file.seek(0)
                data = file.read()
        return decode(data)


def decode(data: bytes) -> dict[str, str]:
    """The fields of a record in the journal's own protocol."""
    fields = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack_from("<Q", rest)
            value, newline, rest = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert newline == b"\n"
        fields[name.decode()] = value.decode()
        data = rest
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(60)
        line.bind(str(path))
        yield Journal(line, path)


@pytest.fixture
def spare() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(journal: Journal, spare: io.StringIO) -> Iterator[logging.Logger]:
    """A logger whose records go to the journal."""
    handler = journal_log.JournalHandler(journal.path, logging.StreamHandler(spare))
    logger = logging.Logger("steno_daemon.somewhere", logging.DEBUG)  # noqa: LOG001 – no other's
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_a_record_arrives_with_its_place_and_its_session(
    journal: Journal, log: logging.Logger
) -> None:
    log.warning("gone after %d s", 3, extra={"session": "5f2c", "other": "nothing for it"})
    heard = journal.hears()
    assert heard.pop("CODE_LINE").isdecimal()
    assert heard == {
        "MESSAGE": "gone after 3 s",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "stenod",
        "LOGGER": "steno_daemon.somewhere",
        "THREAD_NAME": "MainThread",
        "CODE_FILE": __file__,
        "CODE_FUNC": "test_a_record_arrives_with_its_place_and_its_session",
        "STENO_SESSION": "5f2c",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, "7"),
        (logging.INFO, "6"),
        (logging.WARNING, "4"),
        (logging.ERROR, "3"),
        (logging.CRITICAL, "2"),
        (35, "4"),
        (5, "7"),
    ],
)
def test_levels_become_priorities(
    level: int, priority: str, journal: Journal, log: logging.Logger
) -> None:
    log.setLevel(1)
    log.log(level, "something")
    assert journal.hears()["PRIORITY"] == priority


def test_a_traceback_arrives_with_its_lines(journal: Journal, log: logging.Logger) -> None:
    try:
        raise ValueError("found /?token=s3cret")  # noqa: TRY301 – the traceback is wanted
    except ValueError:
        log.exception("a fault")
    first, *_, last = journal.hears()["MESSAGE"].split("\n")
    assert first == "a fault"
    assert last == "ValueError: found /?token=…"


def test_a_long_record_arrives_as_a_file(journal: Journal, log: logging.Logger) -> None:
    log.info("x" * 10_000_000)
    assert journal.hears()["MESSAGE"] == "x" * 10_000_000


def test_lines_and_bytes_that_are_no_text_keep_a_record_in_one_piece(
    journal: Journal, log: logging.Logger
) -> None:
    log.info("one\nPRIORITY=0\n\udcff", extra={"session": "two\nlines"})
    heard = journal.hears()
    assert heard["MESSAGE"] == "one\nPRIORITY=0\n\\udcff"
    assert heard["STENO_SESSION"] == "two\nlines"
    assert heard["PRIORITY"] == "6"


def test_without_the_journal_records_go_to_standard_error(
    journal: Journal, log: logging.Logger, spare: io.StringIO
) -> None:
    journal.path.unlink()
    log.info("still here")
    assert spare.getvalue() == "still here\n"


def test_a_record_that_cannot_be_written_is_reported_and_harms_nobody(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("%d", "not a number")
    assert "--- Logging error ---" in capsys.readouterr().err


def test_no_token_gets_through_in_a_field(journal: Journal, log: logging.Logger) -> None:
    log.info("asked", extra={"session": "/?token=s3cret"})
    assert journal.hears()["STENO_SESSION"] == "/?token=…"


def test_the_journal_is_known_by_the_file_of_standard_error(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        found = os.fstat(stream.fileno())
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert journal_log.goes_to_the_journal(stream, named)
        assert not journal_log.goes_to_the_journal(stream, {"JOURNAL_STREAM": "1:1"})
        assert not journal_log.goes_to_the_journal(stream, {})
        assert not journal_log.goes_to_the_journal(io.StringIO(), named)
    assert not journal_log.goes_to_the_journal(stream, named)


@contextmanager
def bare_root_logger() -> Iterator[logging.Logger]:
    """The root logger as it is before anything was set up; it is put back in the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield root
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def test_records_go_to_the_journal_where_standard_error_does(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stream").open("w") as stream, bare_root_logger() as log:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        journal_log.install("info", stream=stream, journal=journal.path)
        log.debug("too fine")
        log.info("to the journal")
    assert journal.hears()["MESSAGE"] == "to the journal"


def test_records_are_plain_lines_for_people_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    with bare_root_logger() as log:
        journal_log.install("warning")
        log.info("too fine")
        log.warning("found ?token=%s", "s3cret")
    said = capsys.readouterr().err
    assert said.endswith("WARNING root: found ?token=…\n")
    assert said.count("\n") == 1
