"""An MQTT broker of the test's own: mosquitto on loopback, on a port that is free."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PATIENCE_S = 30


@dataclass
class Mosquitto:
    """A broker that can be stopped and started again on its port."""

    program: str
    folder: Path
    options: tuple[str, ...] = ("allow_anonymous true",)
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        if not self.port:
            self.port = free_port()
        file = self.folder / "mosquitto.conf"
        file.write_text(
            "\n".join([f"listener {self.port} 127.0.0.1", "persistence false", *self.options, ""])
        )
        self.process = subprocess.Popen(
            [self.program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not self._answers():
            assert self.process.poll() is None, "mosquitto has ended"

    def stop(self) -> None:
        """End it; who is connected finds the connection broken."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def broker_program() -> str:
    """Where the broker is.

    Raises:
        FileNotFoundError: it is not installed.
    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise FileNotFoundError("needs the MQTT broker mosquitto, which is not installed")
    return program


@contextlib.contextmanager
def mosquitto(
    folder: Path, *options: str, port: int = 0, starts: bool = True
) -> Iterator[Mosquitto]:
    """A broker for the length of a `with` block; the test skips where there is none."""
    try:
        program = broker_program()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    broker = Mosquitto(program, folder, options or ("allow_anonymous true",), port)
    if starts:
        broker.start()
    try:
        yield broker
    finally:
        broker.stop()
