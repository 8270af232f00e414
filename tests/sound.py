"""A private PulseAudio without sound hardware: what its loudspeaker plays, its microphone hears.

Import with `from tests.sound import …`.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE_S = 120
DEVICE = "pulse"
"""The name under which PortAudio finds PulseAudio."""
_SINK = ("module-null-sink", "sink_name=hall", "rate=16000", "channels=1")


@dataclass(frozen=True)
class Hall:
    """A loudspeaker and a microphone in one room.

    Attributes:
        environment: of programs that shall use them.
    """

    environment: dict[str, str]

    def die(self) -> None:
        """Kill the sound server."""
        pid = Path(self.environment["HOME"], "pid").read_text()
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)

    def unplug(self) -> None:
        """Take both away."""
        self._control("unload-module", _SINK[0])

    def plug_in(self) -> None:
        """Bring them back."""
        self._control("load-module", *_SINK)

    def require_portaudio(self) -> None:
        """Skip the test where PortAudio is not there, or does not find PulseAudio."""
        program = "import sounddevice; print(sounddevice.query_devices())"
        found = subprocess.run(
            [sys.executable, "-c", program],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if "PortAudio library" in found.stderr:
            pytest.skip("needs the PortAudio library (libportaudio2)")
        if DEVICE not in found.stdout:
            pytest.skip("needs PulseAudio as an ALSA device (libasound2-plugins)")

    def _control(self, *command: str) -> None:
        subprocess.run(
            ["pactl", *command],
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=PATIENCE_S,
        )


@contextmanager
def open_hall(home: Path) -> Iterator[Hall]:
    """Run a PulseAudio that keeps its files in a folder."""
    for program in ("pulseaudio", "paplay", "pactl"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}, which is not installed")
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_RUNTIME_PATH": str(home),
        "PULSE_SERVER": f"unix:{home}/socket",
        "PULSE_SOURCE": "hall.monitor",
    }
    subprocess.run(
        [
            *("pulseaudio", "-n", "--daemonize=yes", "--exit-idle-time=-1", "--disable-shm=yes"),
            *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={home}/socket"),
            *("-L", " ".join(_SINK)),
            f"--log-target=file:{home}/log",
        ],
        env=environment,
        check=True,
        timeout=PATIENCE_S,
    )
    hall = Hall(environment)
    try:
        yield hall
    finally:
        hall.die()
