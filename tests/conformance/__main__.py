"""Lets published clients of other servers transcribe a recording: `python -m tests.conformance`.

Exits with 1 where a client that is installed fails, hears other words than the native dialect or is
told that one begins elsewhere, with 0 otherwise. What cannot be installed here is named and left
out, and so is everything that is not installed yet where no package index can be reached. With
`--newest` each client is the newest there is, and not the one that is known to work.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tests.conformance.foreign import (
    CLIENTS,
    HERE,
    VOSK_PORT,
    Client,
    Heard,
    Likeness,
    Place,
    run,
)

from steno_clients.websocket import transcribe
from steno_daemon.wire import Endpointing

CLIPS = sorted((HERE.parent / "data/librivox").glob("*.flac"))
PAUSE_S = 1.0
CACHE = Path(os.environ.get("STENO_CONFORMANCE", Path.home() / ".cache/steno-conformance"))
WITHIN_S = 0.02
"""What a word's beginning may differ from that in the native dialect, where a dialect tells it."""
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
PROBE = "wyoming"
"""Small, and on every index that is one."""
AT_ONCE = 3
NEWEST = "newest"
CONFIG = """
[server]
port = 0
[engine]
max_sessions = 2
degrade = false
[vosk]
enabled = {has_vosk}
port = {vosk}
[deepgram]
enabled = true
[openai]
enabled = true
[sherpa]
enabled = true
port = {sherpa}
[wyoming]
enabled = true
port = {wyoming}
[mqtt]
enabled = {has_broker}
port = {broker}
[log]
level = "error"
"""


def home_of(client: Client) -> Path:
    """Return where a client is installed, for this Python."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return CACHE / f"{client.package}-{client.version}-python{python}"


def is_installed(client: Client) -> bool:
    """Return whether a client was installed, now or in an earlier run."""
    return (home_of(client) / ".installed").exists()


def has_index() -> bool:
    """Return whether a package index can be reached."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = ("download", "--no-deps", "--no-cache-dir", "--retries", "1", "--timeout", "15")
        done = subprocess.run(
            [*PIP, *fetch, "--dest", folder, PROBE],
            capture_output=True,
            check=False,
        )
    return done.returncode == 0


def recording() -> tuple["np.ndarray[tuple[int], np.dtype[np.float32]]", int]:
    """Return all recordings, one behind the other, and their rate."""
    sounds, rates = zip(*(soundfile.read(clip, dtype="float32") for clip in CLIPS), strict=True)
    pause = np.zeros(round(PAUSE_S * rates[0]), np.float32)
    return np.concatenate([part for sound in sounds for part in (sound, pause)]), rates[0]


def install(client: Client) -> str | None:
    """Install a client in an environment of its own; return why that cannot be, if so."""
    home = home_of(client)
    is_newest = client.version == NEWEST
    wanted = client.package if is_newest else f"{client.package}=={client.version}"
    venv.create(home)
    done = subprocess.run(
        [*PIP, "--python", str(home), "install", "--upgrade", wanted, *client.needs],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip()[-200:]
    (home / ".installed").touch()
    return None


def install_all(clients: Sequence[Client]) -> None:
    """Install what is not installed yet, several at a time, and say what cannot be."""
    missing = [c for c in clients if c.version == NEWEST or not is_installed(c)]
    if not missing:
        return
    if not has_index():
        names = ", ".join(client.package for client in missing)
        print(f"no package index can be reached; left out, as not installed yet: {names}")
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for client, reason in zip(missing, pool.map(install, missing), strict=True):
            if reason is not None:
                print(f"{client.package}: left out, it cannot be installed here: {reason}")


def free_port(port: int = 0) -> int:
    """Return a port that nobody has, 0 where that one is taken."""
    try:
        with socket.create_server(("127.0.0.1", port)) as free:
            return int(free.getsockname()[1])
    except OSError:
        return 0


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run an MQTT broker and yield its port; 0 where none is installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        yield 0
        return
    port = free_port()
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
    vosk, sherpa, wyoming = free_port(VOSK_PORT), free_port(), free_port()
    config = CONFIG.format(
        has_vosk=str(bool(vosk)).lower(),
        vosk=vosk or VOSK_PORT,
        sherpa=sherpa,
        wyoming=wyoming,
        has_broker=str(bool(broker)).lower(),
        broker=broker or 1883,
    )
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
        yield Place(url, sherpa, wyoming, vosk, broker)
    finally:
        process.terminate()
        process.wait()


def heard(client: Client, place: Place, folder: Path) -> list[Heard]:
    """Return what a client was told; what went wrong, where something did."""
    try:
        return client.hear(home_of(client) / "bin", place, folder)
    except (RuntimeError, ValueError, LookupError, OSError, subprocess.TimeoutExpired) as error:
        return [(f"({error})", None)]


def complaint(found: Sequence[Heard], expected: Sequence[Heard]) -> str | None:
    """Return in words what a client was told otherwise than the native one, None for nothing."""
    words = [word for word, _ in found]
    if words != [word for word, _ in expected]:
        return f"OTHER WORDS: {words}"
    for (word, mine), (_, theirs) in zip(found, expected, strict=True):
        if mine is not None and (theirs is None or abs(mine - theirs) > WITHIN_S):
            return f"ANOTHER TIME: expected {word!r} at {theirs} s, found it at {mine} s"
    return None


def native(place: Place, sounds: Path, likeness: Likeness) -> list[Heard]:
    """Return what our own client is told that says the same as others."""
    samples, rate = soundfile.read(sounds / likeness.sound, dtype="float32")
    silences = likeness.silence_ms
    finals = transcribe(
        samples,
        rate=rate,
        url=place.url,
        word_times=True,
        endpointing=Endpointing(trailing_silence_ms=silences, blank_silence_ms=silences),
    )
    return [(one.text, one.start) for final in finals for one in final.words or ()]


def version_of(client: Client) -> str:
    """Return the version of a client that is installed."""
    query = f"import importlib.metadata as m; print(m.version({client.package!r}))"
    return run(home_of(client) / "bin/python", "-c", query, cwd=CACHE).strip()


def main() -> int:
    """Run every client; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--newest", action="store_true", help="take the newest clients there are")
    is_newest = parser.parse_args().newest
    known = [replace(one, version=NEWEST) if is_newest else one for one in CLIENTS]
    samples, rate = recording()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for target in (16_000, 24_000):
            sound = soxr.resample(samples, rate, target) if target != rate else samples
            soundfile.write(folder / f"{target // 1000}.wav", sound, target, subtype="PCM_16")
        install_all(known)
        clients = [client for client in known if is_installed(client)]
        if not clients:
            return 0
        with broker(folder) as port, daemon(folder, port) as place:
            expected = {one: native(place, folder, one) for one in {c.likeness for c in clients}}
            print(f"native: {', '.join(str(len(words)) for words in expected.values())} words")
            for client in clients:
                if what := client.lacks(place):
                    print(f"{client.package}: left out, it needs {what}")
                    continue
                found = heard(client, place, folder)
                wrong = complaint(found, expected[client.likeness])
                failed += wrong is not None
                timed = sum(start is not None for _, start in found)
                same = f"the same words, {timed} of them at the same times"
                print(f"{client.package} {version_of(client)}: {wrong or same}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
