"""`steno caption` and `steno transcribe`, as a person or a script runs them."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import soundfile
from tests.clients.running import start_steno
from websockets.asyncio.server import ServerConnection

from steno_clients import __main__ as program
from steno_clients.command_line import read_arguments
from steno_clients.errors import ConnectionLostError, OutputError
from steno_clients.file import FloatArray, at_the_speed_of_speech
from steno_clients.live import caption
from steno_clients.transcribe import Format, Transcript
from steno_daemon.captions.webvtt import HEADER
from steno_daemon.wire import Closed, CloseReason, Error, ErrorCode, Final, ServerMessage, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.clients.conftest import CountingDaemon, Serve

SECONDS = ["number0 number1 number2", "number3"]


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Four seconds of sound."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.sin(np.arange(64_000) / 20) / 2, 16_000)
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets speech pass at once."""

    async def at_once(_: float) -> None:
        pass

    defaults = at_the_speed_of_speech.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", at_once)


async def _run(*words: str | Path) -> int:
    """Runs `steno` in this event loop; `main` itself would want a loop of its own."""
    given = read_arguments([str(word) for word in words])
    command: Callable[..., asyncio.Future[int]] = getattr(program, f"_{given.command}")
    return await command(given)


@pytest.mark.usefixtures("quick")
async def test_a_file_is_captioned_in_plain_lines_where_no_terminal_is(
    daemon: "CountingDaemon", tone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("caption", tone, "--url", daemon.url, "--language-model", "x", "--chunk-ms", "80")
    assert await _run(*words, "--trailing-silence-ms", "400") == 0
    assert capsys.readouterr().out == f"0:00:00  {SECONDS[0]}\n0:00:03  {SECONDS[1]}\n"
    start = daemon.starts[0]
    assert (start.language_model, start.chunk_ms) == ("x", 80)
    assert start.endpointing.trailing_silence_ms == 400
    assert len(daemon.audio[0]) == 2 * 64_000


@pytest.mark.usefixtures("quick")
async def test_events_are_lines_of_json_from_ready_to_closed(
    daemon: "CountingDaemon", tone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await _run("caption", tone, "--url", daemon.url, "--events") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("ready", "closed")
    assert [e["text"] for e in events if e["type"] == "final"] == SECONDS


@pytest.mark.usefixtures("quick")
async def test_captions_are_written_while_they_are_shown(
    daemon: "CountingDaemon", tone: Path, tmp_path: Path
) -> None:
    files = ("--srt", tmp_path / "a.srt", "--vtt", tmp_path / "a.vtt")
    assert await _run("caption", tone, "--url", daemon.url, *files) == 0
    with av.open(tmp_path / "a.srt") as captions:
        packets = [(p.pts, bytes(p).decode()) for p in captions.demux() if p.pts is not None]
    assert packets == [(100, SECONDS[0]), (3100, SECONDS[1])]
    assert (tmp_path / "a.vtt").read_text().startswith(HEADER + "00:00:00.100 --> 00:00:02")


def test_speech_is_as_fast_as_speech() -> None:
    now = 100.0
    naps = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        naps.append(seconds)
        now += seconds + 0.25  # the machine is slow

    async def play() -> list[float]:
        blocks = [np.zeros(n, np.float32) for n in (16_000, 1_600, 16_000)]
        paced = at_the_speed_of_speech(blocks, clock=lambda: now, sleep=sleep)
        return [now async for _ in paced]

    assert asyncio.run(play()) == pytest.approx([101.25, 101.5, 102.35])
    assert naps == pytest.approx([1.0, 0.0, 0.6])


class Collector:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.events: list[ServerMessage] = []
        self.samples = 0

    def heard(self, block: FloatArray) -> None:
        self.samples += len(block)

    def show(self, event: ServerMessage) -> None:
        self.events.append(event)


async def test_an_interruption_ends_the_audio_but_not_the_words(daemon: "CountingDaemon") -> None:
    interrupted = asyncio.Event()

    async def microphone() -> "AsyncIterator[FloatArray]":
        yield np.zeros(32_000, np.float32)
        interrupted.set()
        await asyncio.Event().wait()

    seen = Collector()
    await caption(daemon.url, microphone(), [seen], interrupted=interrupted)
    assert [event.text for event in seen.events if isinstance(event, Final)] == ["number0 number1"]
    assert isinstance(seen.events[-1], Closed)
    assert seen.samples == 32_000


async def test_a_source_that_breaks_still_gets_its_last_words(
    daemon: "CountingDaemon", never: asyncio.Event
) -> None:
    async def microphone() -> "AsyncIterator[FloatArray]":
        yield np.zeros(32_000, np.float32)
        raise RuntimeError("unplugged")

    seen = Collector()
    with pytest.raises(RuntimeError, match="unplugged"):
        await caption(daemon.url, microphone(), [seen], interrupted=never)
    assert [event.text for event in seen.events if isinstance(event, Final)] == ["number0 number1"]


async def test_a_daemon_that_dies_ends_the_captions(serve: "Serve", never: asyncio.Event) -> None:
    async def die(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(READY_TEXT)
        await socket.recv()
        socket.transport.abort()

    async def microphone() -> "AsyncIterator[FloatArray]":
        yield np.zeros(16_000, np.float32)
        await asyncio.Event().wait()

    with pytest.raises(ConnectionLostError):
        await caption(await serve(die), microphone(), [Collector()], interrupted=never)


READY_TEXT = (
    '{"type":"ready","seq":0,"session":"s","version":"1","models":[],"chunk_ms":1,"sample_rate":1}'
)


async def test_ctrl_c_shows_the_last_words_and_leaves_with_0(
    daemon: "CountingDaemon", clips: Path
) -> None:
    clip = clips / "librivox" / "sense_and_sensibility_01_austen_64kb-0870.flac"
    running, output = await start_steno("caption", clip, "--url", daemon.url, "--events")
    lines = []
    async with asyncio.timeout(120):
        async for line in output:
            lines.append(json.loads(line))
            if lines[-1]["type"] == "partial":
                running.send_signal(signal.SIGINT)
        assert await running.wait() == 0
    assert [line["text"] for line in lines if line["type"] == "final"] == ["number0"]
    assert lines[-1] == {"type": "closed", "seq": len(lines) - 1, "reason": "stopped"}


async def test_recordings_become_text_and_bad_ones_an_error(
    daemon: "CountingDaemon", tone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, missing = tmp_path / "broken.flac", tmp_path / "missing.wav"
    soundfile.write(broken, np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    broken.write_bytes(broken.read_bytes()[:20_000])
    files = (missing, tone, broken, tone)
    assert await _run("transcribe", *files, "--url", daemon.url, "--jobs", "2") == 1
    out, err = capsys.readouterr()
    shown = f"==> {tone} <==\n" + "\n".join(SECONDS) + "\n"
    assert out == 2 * shown
    first, second = err.splitlines()
    assert first == f"steno: expected a sound file, found nothing at {missing}"
    assert second.startswith(f"steno: expected 2.0 s of audio in {broken}, found it broken at")


@pytest.mark.parametrize("form", list(Format))
async def test_every_format_is_written_to_the_folder(
    daemon: "CountingDaemon", tone: Path, tmp_path: Path, form: Format
) -> None:
    folder = tmp_path / "new" / "folder"
    words = ("transcribe", tone, "--url", daemon.url, "--format", form, "--output", folder)
    assert await _run(*words) == 0
    assert [path.name for path in folder.iterdir()] == [f"tone.{form}"]
    text = (folder / f"tone.{form}").read_text()
    match form:
        case Format.TXT:
            assert text.splitlines() == SECONDS
        case Format.JSON:
            record = json.loads(text)
            assert record["text"] == " ".join(SECONDS)
            assert record["finals"][1]["words"] == [
                {"text": "number3", "start": 3.1, "end": 3.8, "confidence": 0.9}
            ]
        case _:
            with av.open(folder / f"tone.{form}") as captions:
                shown = [bytes(packet).decode() for packet in captions.demux() if packet.size]
            assert shown == SECONDS


async def test_any_rate_and_any_channels_are_taken(
    daemon: "CountingDaemon", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stereo.wav"
    left = np.sin(2 * np.pi * 440 * np.arange(88_200) / 44_100) / 2
    soundfile.write(path, np.stack([left, -left / 2], axis=1), 44_100)
    assert await _run("transcribe", path, "--url", daemon.url) == 0
    assert capsys.readouterr().out == "number0 number1\n"
    heard = np.frombuffer(daemon.audio[0], "<i2") / 32768
    expected = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000) / 8
    np.testing.assert_allclose(heard[100:-100], expected[100:-100], atol=2e-3)


async def test_a_full_daemon_is_asked_again(
    serve: "Serve", tone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = Error(seq=0, code=ErrorCode.OVERLOADED, message="full", fatal=True, retry_after_s=0.001)
    refusals = 2

    async def admit_the_third(socket: ServerConnection) -> None:
        nonlocal refusals
        await socket.recv()
        if refusals:
            refusals -= 1
            await socket.send(encode(full))
            return
        await socket.send(READY_TEXT)
        async for frame in socket:
            if isinstance(frame, str):
                break
        await socket.send(encode(Closed(seq=1, reason=CloseReason.STOPPED)))

    assert await _run("transcribe", tone, "--url", await serve(admit_the_third)) == 0
    assert refusals == 0
    assert capsys.readouterr() == ("", "")


async def test_a_daemon_that_stays_full_is_an_error(
    serve: "Serve", tone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = Error(seq=0, code=ErrorCode.OVERLOADED, message="full", fatal=True, retry_after_s=9e9)

    async def refuse(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(full))

    assert await _run("transcribe", tone, "--url", await serve(refuse)) == 1
    assert capsys.readouterr().err == f"steno: {tone}: full (overloaded)\n"


def test_a_transcript_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(OutputError, match=r"expected to write .*a\.txt: File exists"):
        Transcript(Path("a.wav"), ()).write(occupied, Format.TXT)
    assert list(tmp_path.iterdir()) == [occupied]


def test_without_a_daemon_there_is_one_message_and_exit_1(
    tone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["transcribe", str(tone), str(tone), "--url", "ws://127.0.0.1:9"]
    assert program.main(words) == 1
    message = "steno: no daemon at ws://127.0.0.1:9; start one with `stenod`"
    assert capsys.readouterr().err.startswith(message)
    assert program.main(["caption", str(tone), "--url", "ws://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["caption", "a.wav", "--device", "1"], "expected the microphone or a file, found both"),
        (
            ["transcribe", "a.wav", "b.wav", "--format", "srt"],
            "--format srt: expected --output DIR",
        ),
        (["transcribe", "a/x.wav", "b/x.wav", "--output", "o"], "found twice: x"),
        (["transcribe", "a.wav", "--jobs", "0"], "expected at least 1, found 0"),
        (["watch", "s", "--follow"], "--follow: expected it without a session, found one"),
        (["watch", "--follow", "--srt", "a.srt"], "--follow: expected no --srt or --vtt"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(words)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_bad_file_is_known_before_the_daemon_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("no sound")
    assert program.main(["caption", str(text)]) == 1
    assert capsys.readouterr().err == (
        f"steno: expected a sound file (wav, flac, ogg, mp3 …), found something else at {text}: "
        "Format not recognised.\n"
    )


def test_neither_an_empty_file_nor_a_folder_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.flac"
    empty.touch()
    assert program.main(["caption", str(empty)]) == 1
    assert f"found an empty file at {empty}" in capsys.readouterr().err
    assert program.main(["caption", str(tmp_path)]) == 1
    assert f"expected a sound file, found a folder at {tmp_path}" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_no_traceback(tone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["caption", str(tone), "--vtt", "/dev/full"]) == 1
    assert capsys.readouterr().err == (
        "steno: expected to write captions to /dev/full: No space left on device\n"
    )


def test_a_folder_without_permission_for_captions_is_named(
    tmp_path: Path, tone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["caption", str(tone), "--srt", str(tmp_path / "no" / "a.srt")]) == 1
    assert "expected to write captions to" in capsys.readouterr().err


def test_the_clients_load_neither_models_nor_sound_hardware() -> None:
    script = (
        "import importlib, pkgutil, sys, steno_clients\n"
        "for module in pkgutil.iter_modules(steno_clients.__path__):\n"
        "    importlib.import_module(f'steno_clients.{module.name}')\n"
        "heavy = {'torch', 'numba', 'sounddevice', 'steno_models', 'av'} & set(sys.modules)\n"
        "sys.exit(f'expected none of them, found {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
