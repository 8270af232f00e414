"""The published clients: what each needs, how it is run, and what it says that it heard."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from steno_daemon.dialects.openai_messages import PATIENT_MS

HERE = Path(__file__).resolve().parent
PATIENCE_S = 600
VOSK_PORT = 2700
"""The only one that its program knows."""
Heard = tuple[str, float | None]
"""A word, and where it begins, if the client is told."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the daemon is.

    Attributes:
        url: of its own port.
        sherpa: its port.
        wyoming: its port.
        vosk: its port, 0 where somebody else has it.
        broker: port of the MQTT broker that it is at, 0 where there is none.
    """

    url: str
    sherpa: int
    wyoming: int
    vosk: int
    broker: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a client sends, and what it wishes.

    Attributes:
        sound: the file of the recordings, at 16 or at 24 kHz.
        silence_ms: that ends an utterance; None for as long as usual.
    """

    sound: str = "16.wav"
    silence_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A published client.

    Attributes:
        package: on the index.
        version: that is known to work.
        needs: what else it needs.
        hear: runs it with the folder of its programs, the daemon's addresses and a folder of WAV
            files; returns what was heard.
        lacks: what it needs and does not have at a place, if anything.
        likeness: what the native client has to say to be told the same.
    """

    package: str
    version: str
    needs: tuple[str, ...]
    hear: Callable[[Path, Place, Path], list[Heard]]
    lacks: Callable[[Place], str] = lambda _: ""
    likeness: Likeness = Likeness()


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
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


def _told(programs: Path, script: str, where: str, sound: str, sounds: Path) -> list[Heard]:
    """Return what a script of ours says that a client was told."""
    said = json.loads(run(programs / "python", HERE / script, where, sound, cwd=sounds))
    return [(word, start) for word, start in said["words"]]


def _deepgram(programs: Path, place: Place, sounds: Path) -> list[Heard]:
    return _told(programs, "client_deepgram.py", place.url, "16.wav", sounds)


def _openai(programs: Path, place: Place, sounds: Path) -> list[Heard]:
    return _told(programs, "client_openai.py", place.url, "24.wav", sounds)


def _wyoming(programs: Path, place: Place, sounds: Path) -> list[Heard]:
    uri = f"tcp://127.0.0.1:{place.wyoming}"
    return _told(programs, "client_wyoming.py", uri, "16.wav", sounds)


def _hermes(programs: Path, place: Place, sounds: Path) -> list[Heard]:
    return _told(programs, "client_hermes.py", str(place.broker), "16.wav", sounds)


def _vosk(programs: Path, _place: Place, sounds: Path) -> list[Heard]:
    """Its address is fixed, and it wants a program `ffmpeg`; it writes when each line begins."""
    ffmpeg = run(
        programs / "python",
        "-c",
        "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())",
        cwd=sounds,
    ).strip()
    link = sounds / "ffmpeg"
    if not link.exists():
        link.symlink_to(ffmpeg)
    script = HERE / "client_vosk.py"
    run(
        *(programs / "python", script, "--server", "-t", "srt", "-i", "16.wav", "-o", "16.srt"),
        cwd=sounds,
        path=sounds,
    )
    heard: list[Heard] = []
    for entry in (sounds / "16.srt").read_text().strip().split("\n\n"):
        _, times, text = entry.split("\n")
        hours, minutes, seconds = times.partition(" ")[0].replace(",", ".").split(":")
        starts = [3600 * int(hours) + 60 * int(minutes) + float(seconds)]
        heard += zip_longest(text.split(), starts)
    return heard


def _sherpa(programs: Path, place: Place, sounds: Path) -> list[Heard]:
    program = programs / "sherpa-onnx-online-websocket-client"
    where = ("--server-ip=127.0.0.1", f"--server-port={place.sherpa}")
    text = run(program, *where, "16.wav", cwd=sounds)
    results = [json.loads(found) for found in re.findall(r'\{"text":.*?"is_eof":\w+\}', text)]
    if "Done!" not in text and not any(one["is_eof"] for one in results):
        raise RuntimeError(f"expected the end of the stream, found {text[-500:]}")
    return [
        (word.strip(), one["start_time"] + start)
        for one in results
        if one["is_final"]
        for word, start in zip(one["tokens"], one["timestamps"], strict=True)
    ]


CLIENTS = (
    Client(
        "vosk",
        "0.3.45",
        ("websockets", "imageio-ffmpeg"),
        _vosk,
        lambda place: "" if place.vosk else f"port {VOSK_PORT}, which is taken",
    ),
    Client("deepgram-sdk", "7.17.0", (), _deepgram),
    # It says itself when an utterance is over.
    Client("openai", "3.54.0", ("websockets",), _openai, likeness=Likeness("24.wav", PATIENT_MS)),
    Client("wyoming", "1.10.2", (), _wyoming),
    Client("sherpa-onnx", "2.0.1", ("sherpa-onnx-bin",), _sherpa),
    Client(
        "rhasspy-hermes",
        "0.6.2",
        ("audioop-lts; python_version >= '3.13'",),
        _hermes,
        lambda place: "" if place.broker else "the MQTT broker mosquitto",
    ),
)
