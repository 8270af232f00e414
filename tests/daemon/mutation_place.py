"""Where the doors of a daemon are, and a daemon that has all of them."""

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.daemon.brokers import free_port
from tests.daemon.dialect_wires import CONFIG, LOG_OF_FAULTS, broker
from tests.daemon.program import Program, Waits

DIALECTS = (
    "native",
    "vosk",
    "deepgram",
    "openai",
    "sherpa",
    "wyoming",
    "wyoming-unix",
    "hermes",
    "mqtt",
)
PATIENCE_S = 60
# At a broker nobody hangs up: who is silent for long is gone.
WAITS = Waits(resume_s=2.0, idle_s=30.0)


def _nothing() -> list[str]:
    """Say that nothing is known."""
    return []


@dataclass(frozen=True, slots=True)
class Place:
    """A daemon.

    Attributes:
        url: of its own port.
        complaints: returns what is wrong in its log.
        dialects: that it speaks.
        program: the same as a process, if it was started here.
    """

    url: str
    complaints: Callable[[], list[str]] = _nothing
    dialects: tuple[str, ...] = field(default=DIALECTS)
    program: Program | None = None
    _doors: dict[str, tuple[str, int]] = field(default_factory=dict, compare=False)

    @property
    def port(self) -> int:
        """Its own."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    def door(self, dialect: str) -> tuple[str, int]:
        """Return host and port where a dialect is spoken; for a socket in the file system its path.

        Raises:
            LookupError: nowhere.
        """
        if dialect not in self._doors:
            self._doors[dialect] = self._find(dialect)
        return self._doors[dialect]

    def _find(self, dialect: str) -> tuple[str, int]:
        """Return where a dialect is spoken, as the daemon says."""
        host = self.url.removeprefix("ws://").rstrip("/").rpartition(":")[0].strip("[]")
        if dialect in {"hermes", "mqtt"}:
            return "127.0.0.1", int(str(self._health("mqtt")["broker"]).rpartition(":")[2])
        if not dialect.startswith("wyoming"):
            return host, self.port
        addresses = self._health("wyoming")["addresses"]
        scheme = "unix://" if dialect == "wyoming-unix" else "tcp://"
        for address in addresses:
            if address.startswith(scheme):
                where = address.removeprefix(scheme)
                return (where, 0) if scheme == "unix://" else (host, int(where.rpartition(":")[2]))
        raise LookupError(f"expected an address of {dialect}, found {addresses}")

    def sessions(self) -> int:
        """Return how many sessions have a seat."""
        found = self._healthz()["sessions"]
        assert isinstance(found, int)
        return found

    def _health(self, what: str) -> dict[str, Any]:
        found = self._healthz()
        if what not in found:
            raise LookupError(f"expected the daemon to have {what} switched on, found it off")
        part = found[what]
        assert isinstance(part, dict)
        return part

    def _healthz(self) -> dict[str, Any]:
        address = self.url.removeprefix("ws://").rstrip("/")
        connection = HTTPConnection(address, timeout=PATIENCE_S)
        connection.request("GET", "/healthz")
        found = json.load(connection.getresponse())
        connection.close()
        assert isinstance(found, dict)
        return found


@asynccontextmanager
async def every_dialect(
    module: str = "tests.daemon.humming", *, seats: int = 20
) -> AsyncIterator[Place]:
    """A daemon that speaks every dialect, those of brokers where there is one; it hears notes."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dialects: tuple[str, ...] = DIALECTS
        port = 1883
        try:
            port = stack.enter_context(broker(directory)).port
        except FileNotFoundError:
            dialects = DIALECTS[:-2]
        more = CONFIG.format(
            vosk=free_port(),
            sherpa=free_port(),
            wyoming=free_port(),
            directory=directory,
            has_broker=str(len(dialects) == len(DIALECTS)).lower(),
            broker=port,
        )
        daemon = Program(directory, max_sessions=seats, module=module, more=more, waits=WAITS)
        await daemon.start()

        def complaints() -> list[str]:
            log = daemon.complaints
            found = [word for word in LOG_OF_FAULTS if word in log]
            return [f"the daemon's log has {found}: {log[-4_000:]}"] if found else []

        try:
            yield Place(daemon.url, complaints, dialects, daemon)
        finally:
            await daemon.kill()
