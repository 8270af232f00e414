"""Log lines with fields, for systemd's journal; plain lines for people elsewhere.

Where standard error goes to the journal (systemd says so in JOURNAL_STREAM), each record goes there
by the journal's native protocol, with its priority, its place in the code and its session:

    logger.info("gone", extra={"session": name})
    journalctl -u stenod STENO_SESSION=5f2c…

Elsewhere it is a line on standard error. Either way no token gets through.
See https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

import errno
import fcntl
import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from steno_daemon.redaction import RedactingFormatter, without_secrets

JOURNAL = Path("/run/systemd/journal/socket")
FIELDS = {"session": "STENO_SESSION"}
"""Attributes of a record that become fields, where it has them."""
IDENTIFIER = "stenod"
PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
PRIORITIES = (  # of syslog(3)
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
DEBUG_PRIORITY = 7


class JournalHandler(logging.Handler):
    """Sends records to the journal.

    Args:
        path: where the journal listens.
        spare: takes the records that the journal does not.
    """

    def __init__(self, path: Path, spare: logging.Handler) -> None:
        super().__init__()
        self._path = str(path)
        self._spare = spare
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.setFormatter(RedactingFormatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, as a file where it is too long for a message."""
        try:
            data = encode(fields(record, self.format(record)))
            try:
                self._line.sendto(data, self._path)
            except OSError as error:
                if error.errno not in {errno.EMSGSIZE, errno.ENOBUFS}:
                    raise
                self._send_file(data)
        except OSError:
            self._spare.handle(record)
        except Exception:  # noqa: BLE001 – a handler never raises; this prints the fault
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._line.close()
        super().close()

    def _send_file(self, data: bytes) -> None:
        """Send data in a sealed file of memory, the way the protocol has for long records."""
        fd = os.memfd_create(IDENTIFIER, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with os.fdopen(fd, "wb", closefd=False) as file:
                file.write(data)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
            right = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))
            self._line.sendmsg([], [right], 0, self._path)
        finally:
            os.close(fd)


def fields(record: logging.LogRecord, message: str) -> dict[str, str]:
    """Return the fields of the journal for a record whose text is `message`."""
    found = {
        "MESSAGE": message,
        "PRIORITY": str(_priority(record.levelno)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "THREAD_NAME": record.threadName or "",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }
    for attribute, name in FIELDS.items():
        if (value := getattr(record, attribute, None)) is not None:
            found[name] = without_secrets(str(value))
    return found


def encode(found: Mapping[str, str]) -> bytes:
    """Return fields in the native protocol of the journal."""
    pieces = []
    for name, value in found.items():
        data = value.encode(errors="backslashreplace")
        if b"\n" in data:
            pieces += [name.encode(), b"\n", struct.pack("<Q", len(data)), data, b"\n"]
        else:
            pieces += [name.encode(), b"=", data, b"\n"]
    return b"".join(pieces)


def goes_to_the_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written to a stream arrives in the journal."""
    named = environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def install(level: str, *, stream: TextIO | None = None, journal: Path = JOURNAL) -> None:
    """Have every record from `level` on go to the journal, or else to standard error."""
    stream = stream or sys.stderr
    plain = logging.StreamHandler(stream)
    plain.setFormatter(RedactingFormatter(PLAIN))
    handler: logging.Handler = plain
    if goes_to_the_journal(stream) and journal.is_socket():
        handler = JournalHandler(journal, plain)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _priority(level: int) -> int:
    """Return the priority in the sense of syslog."""
    return next((priority for least, priority in PRIORITIES if level >= least), DEBUG_PRIORITY)
