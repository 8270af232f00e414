"""Wires to every door of a daemon, which break, and what it needs to have all those doors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemon.brokers import Mosquitto, broker_program
from tests.daemon.faults import FaultyWire

LOG_OF_FAULTS = ("Traceback", "ERROR", "a fault of the daemon")
"""What a daemon's log may not have."""
CONFIG = """
[vosk]
enabled = true
port = {vosk}
[sherpa]
enabled = true
port = {sherpa}
[deepgram]
enabled = true
[openai]
enabled = true
[wyoming]
enabled = true
port = {wyoming}
path = "{directory}/wyoming.sock"
[mqtt]
enabled = {has_broker}
port = {broker}
"""


class DialectWire(FaultyWire):
    """Breaks connections rather than holding them up."""

    reads = (20, 600)
    median_bytes = 300_000
    stall_share = 0.002


class PathWire(DialectWire):
    """Leads to a socket in the file system.

    Attributes:
        path: of it.
    """

    path = ""

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.port is None:
            raise ConnectionRefusedError
        return await asyncio.open_unix_connection(self.path)


class BrokerWire(DialectWire):
    """Lies between the daemon and its broker: all sessions share it, so that it breaks less often.

    Attributes:
        changes: how often a connection began or ended.
        is_whole: whether there is one.
    """

    reads = (4_000, 40_000)
    median_bytes = 400_000
    downward_share = 20.0
    changes = 0

    @property
    def is_whole(self) -> bool:
        """Whether the daemon is connected; it has one connection at a time."""
        return self.changes % 2 == 1

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on, and count beginning and end."""
        self.changes += 1
        try:
            await super().enter(reader, writer)
        finally:
            self.changes += 1


@contextmanager
def broker(directory: Path) -> Iterator[Mosquitto]:
    """An MQTT broker.

    Raises:
        FileNotFoundError: none is installed.
    """
    found = Mosquitto(broker_program(), directory)
    found.start()
    try:
        yield found
    finally:
        found.stop()
