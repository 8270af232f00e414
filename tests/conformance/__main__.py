"""Lets published clients of other servers transcribe a recording: `python tests/conformance`.

Exits with 1 where a client hears other words than the native dialect, with 0 otherwise; what cannot
be installed here is named and left out.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import soundfile
import soxr

from steno_clients.websocket import transcribe

HERE = Path(__file__).resolve().parent
CLIP = HERE.parent / "data/librivox/sense_and_sensibility_01_austen_64kb-0880.flac"
CACHE = Path(os.environ.get("STENO_CONFORMANCE", Path.home() / ".cache/steno-conformance"))
PATIENCE_S = 600
CONFIG = """
[server]
port = 0
[engine]
max_sessions = 2
degrade = false
[vosk]
enabled = true
[deepgram]
enabled = true
[openai]
enabled = true
[sherpa]
enabled = true
[wyoming]
enabled = true
[mqtt]
enabled = {has_broker}
port = {broker}
[log]
level = "error"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the daemon is.

    Attributes:
        url: of its own port.
        broker: port of the MQTT broker that it is at, 0 where there is none.
    """

    url: str
    broker: int


@dataclass(frozen=True, slots=True)
class Client:
    """A published client.

    Attributes:
        package: whose version is told.
        needs: what else it needs.
        hear: runs it with the folder of its programs, the daemon's addresses and a folder of WAV
            files; returns the words.
        needs_broker: whether it speaks to an MQTT broker.
    """

    package: str
    needs: tuple[str, ...]
    hear: Callable[[Path, Place, Path], list[str]]
    needs_broker: bool = False


def _run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Run a client and return what it wrote."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[1]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return f"{done.stdout}\n{done.stderr}" if "sherpa" in str(command[0]) else done.stdout


def _deepgram(programs: Path, place: Place, sounds: Path) -> list[str]:
    script = HERE / "client_deepgram.py"
    said = json.loads(_run(programs / "python", script, place.url, "16.wav", cwd=sounds))
    return [word for word, _ in said["words"]]


def _openai(programs: Path, place: Place, sounds: Path) -> list[str]:
    said = json.loads(
        _run(programs / "python", HERE / "client_openai.py", place.url, "24.wav", cwd=sounds)
    )
    return list(said["words"])


def _wyoming(programs: Path, _place: Place, sounds: Path) -> list[str]:
    script, uri = HERE / "client_wyoming.py", "tcp://127.0.0.1:10300"
    said = json.loads(_run(programs / "python", script, uri, "16.wav", cwd=sounds))
    return list(said["words"])


def _hermes(programs: Path, place: Place, sounds: Path) -> list[str]:
    script = HERE / "client_hermes.py"
    said = json.loads(_run(programs / "python", script, str(place.broker), "16.wav", cwd=sounds))
    return list(said["words"])


def _vosk(programs: Path, _place: Place, sounds: Path) -> list[str]:
    """Its address is fixed, and it wants a program `ffmpeg`."""
    ffmpeg = _run(
        programs / "python",
        "-c",
        "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())",
        cwd=sounds,
    ).strip()
    link = sounds / "ffmpeg"
    if not link.exists():
        link.symlink_to(ffmpeg)
    script = HERE / "client_vosk.py"
    _run(
        *(programs / "python", script, "--server", "-i", "16.wav", "-o", "16.txt"),
        cwd=sounds,
        path=sounds,
    )
    return (sounds / "16.txt").read_text().split()


def _sherpa(programs: Path, _place: Place, sounds: Path) -> list[str]:
    program = programs / "sherpa-onnx-online-websocket-client"
    text = _run(program, "--server-ip=127.0.0.1", "--server-port=6006", "16.wav", cwd=sounds)
    results = [json.loads(found) for found in re.findall(r'\{"text":.*?"is_eof":\w+\}', text)]
    if "Done!" not in text and not any(one["is_eof"] for one in results):
        raise RuntimeError(f"expected the end of the stream, found {text[-500:]}")
    return " ".join(one["text"] for one in results if one["is_final"]).split()


CLIENTS = (
    Client("vosk", ("websockets", "imageio-ffmpeg"), _vosk),
    Client("deepgram-sdk", (), _deepgram),
    Client("openai", ("websockets",), _openai),
    Client("wyoming", (), _wyoming),
    Client("sherpa-onnx", ("sherpa-onnx-bin",), _sherpa),
    Client(
        "rhasspy-hermes",
        ("audioop-lts; python_version >= '3.13'",),
        _hermes,
        needs_broker=True,
    ),
)


def installed(client: Client) -> tuple[Path, str] | None:
    """Return the folder of a client's programs and its version, None where it is not to be had."""
    home = CACHE / client.package
    programs = home / "bin"
    if not (programs / "python").exists():
        venv.create(home, with_pip=True)
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    mark = home / ".installed"
    if not mark.exists():
        done = subprocess.run(
            [*pip, "install", client.package, *client.needs],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{client.package}: not to be had here: {done.stderr.strip()[-200:]}")
            return None
        mark.touch()
    query = f"import importlib.metadata as m; print(m.version({client.package!r}))"
    return programs, _run(programs / "python", "-c", query, cwd=home).strip()


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run an MQTT broker and yield its port; 0 where none is installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        yield 0
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with subprocess.Popen(
        [program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield port
        finally:
            process.terminate()


@contextmanager
def daemon(folder: Path, broker: int) -> Iterator[Place]:
    """Run `stenod` with every dialect and yield where it is."""
    config = CONFIG.format(has_broker=str(bool(broker)).lower(), broker=broker or 1883)
    (folder / "stenod.toml").write_text(config)
    process = subprocess.Popen(
        [sys.executable, "-m", "steno_daemon", "--config", str(folder / "stenod.toml")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, url, *_ = (process.stdout.readline().split() or [""]) + [""]
        if word != "ready:":
            raise RuntimeError("expected the daemon to get ready, found that it did not")
        yield Place(url, broker)
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Run every client; return the exit status."""
    samples, rate = soundfile.read(CLIP, dtype="float32")
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for target in (16_000, 24_000):
            sound = soxr.resample(samples, rate, target) if target != rate else samples
            soundfile.write(folder / f"{target // 1000}.wav", sound, target, subtype="PCM_16")
        clients = [(client, installed(client)) for client in CLIENTS]
        with broker(folder) as port, daemon(folder, port) as place:
            sound, rate = soundfile.read(folder / "16.wav", dtype="float32")
            finals = transcribe(sound, rate=rate, url=place.url, word_times=True)
            expected = " ".join(final.text for final in finals).split()
            print(f"native: {len(expected)} words")
            for client, home in clients:
                if home is None:
                    continue
                if client.needs_broker and not place.broker:
                    print(f"{client.package}: left out, it needs the MQTT broker mosquitto")
                    continue
                programs, version = home
                try:
                    found = client.hear(programs, place, folder)
                except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                    found = [f"({error})"]
                verdict = "the same words" if found == expected else f"OTHER WORDS: {found}"
                failed += found != expected
                print(f"{client.package} {version}: {verdict}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
