"""The other end of NOTIFY_SOCKET: what systemd would hear."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 300


class Systemd:
    """Listens on a datagram socket as systemd does."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def hears(self) -> dict[str, str]:
        """The fields of the next message; waits for it."""
        text = self._line.recv(65_536).decode()
        return dict(field.split("=", 1) for field in text.split("\n"))

    def hears_until(self, field: str) -> dict[str, str]:
        """The fields of the next message that has one of that name; those before it are skipped."""
        while field not in (found := self.hears()):
            pass
        return found

    def has_heard_all(self) -> bool:
        """Whether no further message waits."""
        self._line.settimeout(0)
        try:
            self._line.recv(1)
        except BlockingIOError:
            return True
        finally:
            self._line.settimeout(PATIENCE_S)
        return False


@contextmanager
def listening_as_systemd(path: Path) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(PATIENCE_S)
        line.bind(str(path))
        yield Systemd(line)
