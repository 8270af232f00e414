"""Sessions that are recorded: what is on disk, whatever happens to the disk or to the daemon."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser

from steno_daemon import recording as module
from steno_daemon import wire
from steno_daemon.capture import AUDIO, LINES, read_capture
from steno_daemon.endpoint import Rules
from steno_daemon.errors import ConfigError
from steno_daemon.happenings import Work
from steno_daemon.offer import Decoding
from steno_daemon.recording import Recorder, Recording, Setting
from steno_daemon.wire import CloseReason
from steno_models.errors import DataError
from steno_models.recogniser import DecodeOptions

PATIENCE_S = 60.0
SETTING = Setting(program="0.2", bundle="notes 1", chunk_ms=640, rules=Rules())
CONSENT = wire.Start(record=True, label="../../etc/passwd")
READY = wire.Ready(
    seq=0,
    session="ab12",
    version="1",
    models=("general",),
    chunk_ms=640,
    sample_rate=16_000,
    token="secret",  # noqa: S106
)
CLOSED = wire.Closed(seq=9, reason=CloseReason.STOPPED)


def noon() -> datetime:
    return datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@contextmanager
def recording_in(directory: Path | None) -> Iterator[Recorder]:
    """A recorder; everything is written once the block is left."""
    recorder = Recorder(directory, SETTING, wall=noon)
    try:
        yield recorder
    finally:
        recorder.close(PATIENCE_S)


def only(directory: Path) -> Path:
    [path] = directory.iterdir()
    return path


def record_a_little(recorder: Recorder, name: str = "ab12") -> Recording:
    recording = recorder.open(name, CONSENT)
    recording.event(READY)
    recording.audio(b"12345678")
    recording.message(wire.Finalize())
    recording.audio(b"90")
    return recording


def test_a_capture_holds_what_was_received_and_said_in_its_place(tmp_path: Path) -> None:
    endpointing = wire.Endpointing(trailing_silence_ms=400)
    final = wire.Final(seq=3, segment=0, text="do", start=0.1, end=0.4, confidence=0.5)
    with recording_in(tmp_path) as recorder:
        recording = record_a_little(recorder)
        recording.message(wire.Configure(endpointing=endpointing))
        recording.event(final)
        recording.message(wire.Stop())
        recording.event(CLOSED)
        recording.close()
    capture = read_capture(only(tmp_path))
    assert capture.path.name == "20260304T120000Z-ab12"
    assert capture.header.start == CONSENT
    assert capture.header.began == "2026-03-04T12:00:00Z"
    assert (capture.header.bundle, capture.header.rules) == ("notes 1", Rules())
    assert b"".join(capture.audio(0, capture.audio_bytes)) == b"1234567890"
    assert b"".join(capture.audio(8, 10)) == b"90"
    assert capture.commands == (
        (8, wire.Finalize()),
        (10, wire.Configure(endpointing=endpointing)),
        (10, wire.Stop()),
    )
    assert capture.sent[1:] == (final, CLOSED)
    assert capture.ending is None


def test_a_daemon_that_was_set_up_anew_says_so_of_the_sessions_that_follow(tmp_path: Path) -> None:
    with recording_in(tmp_path) as recorder:
        recorder.open("first", CONSENT).close()
        recorder.setting = replace(SETTING, rules=Rules(vad_aggressiveness=1))
        recorder.open("second", CONSENT).close()
    rules = [read_capture(path).header.rules for path in sorted(tmp_path.iterdir())]
    assert [rule.vad_aggressiveness for rule in rules] == [2, 1]


def test_no_token_and_no_ping_is_kept(tmp_path: Path) -> None:
    with recording_in(tmp_path) as recorder:
        recording = record_a_little(recorder)
        recording.message(wire.Resume(token="secret"))  # noqa: S106
        recording.message(wire.Ping(id=7))
        recording.close()
    text = (only(tmp_path) / LINES).read_text()
    assert "secret" not in text
    assert "ping" not in text


def test_nothing_is_kept_without_consent(tmp_path: Path) -> None:
    with recording_in(tmp_path) as recorder:
        recording = recorder.open("ab12", wire.Start())
        recording.audio(b"1234")
        recording.event(READY)
        recording.close()
        assert recording.ended
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_where_no_directory_is_configured() -> None:
    before = threading.active_count()
    with recording_in(None) as recorder:
        recording = record_a_little(recorder)
        recording.close()
        assert recording.ended
        assert threading.active_count() == before


def test_only_the_daemons_user_can_read_a_capture(tmp_path: Path) -> None:
    directory = tmp_path / "recordings"
    with recording_in(directory) as recorder:
        record_a_little(recorder).close()
    path = only(directory)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (directory, path, path / AUDIO, path / LINES)]
    assert modes == [0o700, 0o700, 0o600, 0o600]


@pytest.mark.parametrize("name", ["../ab12", "", "a/b", "a" * 65, "a\n", "*"])
def test_a_name_that_is_not_the_daemons_own_reaches_no_file(tmp_path: Path, name: str) -> None:
    with recording_in(tmp_path) as recorder, pytest.raises(ValueError, match="the daemon's own"):
        recorder.open(name, CONSENT)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"recording\.directory: expected a directory"):
        Recorder(tmp_path / "file" / "recordings", SETTING)


def test_what_is_torn_off_at_the_end_is_left_out(tmp_path: Path) -> None:
    with recording_in(tmp_path) as recorder:
        recording = record_a_little(recorder)
        recording.event(CLOSED)
        recording.close()
    lines = only(tmp_path) / LINES
    whole = lines.read_bytes()
    at_closed = whole.index(b'{"at":10,"sent":{"type":"closed"')
    lines.write_bytes(whole[: at_closed + 20])
    capture = read_capture(only(tmp_path))
    assert [type(event) for event in capture.sent] == [wire.Ready]
    assert capture.ending == "nothing more was written"


KILLED = """
import signal, sys
from pathlib import Path
from tests.daemon.test_recording import SETTING, record_a_little
from steno_daemon.recording import Recorder
recorder = Recorder(Path(sys.argv[1]), SETTING)
recording = record_a_little(recorder)
for _ in range(1000):
    recording.audio(bytes(640))
print("talking", flush=True)
for _ in range(20_000):
    recording.audio(bytes(640))
signal.pause()
"""


def test_a_capture_can_be_read_after_kill_9(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"talking\n"
        lines = None
        while not lines or b"finalize" not in lines.read_bytes():
            lines = next(iter(tmp_path.glob(f"*/{LINES}")), None)
        process.send_signal(signal.SIGKILL)
    capture = read_capture(only(tmp_path))
    assert capture.commands == ((8, wire.Finalize()),)
    assert capture.audio_bytes >= 8
    assert capture.ending == "nothing more was written"


def test_a_client_that_sends_again_is_kept_once(tmp_path: Path) -> None:
    with recording_in(tmp_path) as recorder:
        recording = record_a_little(recorder)
        recording.rewind(6)
        recording.audio(b"78")
        recording.message(wire.Finalize())
        recording.audio(b"90ab")
        recording.event(CLOSED)
        recording.close()
    capture = read_capture(only(tmp_path))
    assert b"".join(capture.audio(0, 99)) == b"1234567890ab"
    assert capture.commands == ((8, wire.Finalize()),)


def test_another_daemon_goes_on_in_the_same_capture_behind_a_torn_line(tmp_path: Path) -> None:
    with recording_in(tmp_path) as recorder:
        record_a_little(recorder)
    with (only(tmp_path) / LINES).open("ab") as file:
        file.write(b'{"at":10,"sent":{"typ')
    with recording_in(tmp_path) as recorder:
        recording = recorder.open("ab12", CONSENT, at=4)
        recording.audio(b"5678xyz")
        recording.event(CLOSED)
        recording.close()
    capture = read_capture(only(tmp_path))
    assert b"".join(capture.audio(0, 99)) == b"12345678xyz"
    assert capture.commands == ()
    assert capture.sent[-1] == CLOSED
    assert capture.ending is None


def full_disk(_file: int, _data: bytes) -> None:
    raise OSError(28, os.strerror(28))


def test_a_full_disk_costs_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[bytes] = []
    really = module._write

    def write(file: int, data: bytes) -> None:
        written.append(data)
        if data == b"too much":
            full_disk(file, data)
        really(file, data)

    monkeypatch.setattr(module, "_write", write)
    with caplog.at_level(logging.WARNING), recording_in(tmp_path) as recorder:
        full, well = recorder.open("full", CONSENT), record_a_little(recorder, "well")
        full.audio(b"1234")
        full.audio(b"too much")
        full.audio(b"5678")
        well.event(CLOSED)
        well.close()
    full.audio(b"9")
    assert full.ended
    assert [record.getMessage() for record in caplog.records] == [
        "session full: the recording ends: No space left on device"
    ]
    assert b"5678" not in written
    assert read_capture(next(tmp_path.glob("*-full"))).ending == "nothing more was written"
    assert read_capture(next(tmp_path.glob("*-well"))).ending is None


def test_a_capture_that_cannot_be_opened_costs_the_recording_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "20260304T120000Z-ab12").touch()
    with caplog.at_level(logging.WARNING), recording_in(tmp_path) as recorder:
        recording = record_a_little(recorder)
    assert recording.ended
    assert "File exists" in caplog.text


def test_a_fault_of_the_writer_costs_one_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    really = module._write

    def write(file: int, data: bytes) -> None:
        if data == b"12345678":
            raise RuntimeError("a fault")
        really(file, data)

    with recording_in(tmp_path) as recorder:
        well = recorder.open("well", CONSENT)
        monkeypatch.setattr(module, "_write", write)
        record_a_little(recorder, "ill")
        well.event(CLOSED)
        well.close()
    assert "a fault" in caplog.text
    assert read_capture(next(tmp_path.glob("*-well"))).ending is None


def test_a_disk_that_hangs_never_holds_up_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entered, gate = threading.Event(), threading.Event()
    really = module._write

    def write(file: int, data: bytes) -> None:
        entered.set()
        assert gate.wait(PATIENCE_S)
        really(file, data)

    monkeypatch.setattr(module, "_write", write)
    monkeypatch.setattr(module, "QUEUE_BYTES", 1024 * 1024)
    with caplog.at_level(logging.WARNING), recording_in(tmp_path) as recorder:
        recording = recorder.open("ab12", CONSENT)
        assert entered.wait(PATIENCE_S)
        for _ in range(100):
            recording.audio(bytes(100_000))
        assert recording.ended
        gate.set()
    capture = read_capture(only(tmp_path))
    assert capture.ending == "the disk is too slow: 1 MiB wait to be written"
    assert 0 < capture.audio_bytes < 1024 * 1024
    assert caplog.text.count("the recording ends") == 1


def test_a_recorder_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(module, "_write", lambda *_: gate.wait(PATIENCE_S))
    recorder = Recorder(tmp_path, SETTING)
    record_a_little(recorder)
    recorder.close(timeout_s=0.01)
    assert "leaving them" in caplog.text
    gate.set()
    recorder.close(PATIENCE_S)


def test_effort_that_was_saved_is_kept_for_the_segments_that_begin_with_it(
    tmp_path: Path,
) -> None:
    state = FakeRecogniser().start(DecodeOptions())
    features = np.zeros((8, 80), np.float32)
    with recording_in(tmp_path) as recorder:
        recording = record_a_little(recorder)
        for begins, degraded, position in [(True, 0, 1), (True, 2, 5), (False, 2, 6), (True, 1, 9)]:
            work = Work(features, None if begins else state, is_last=False, position=position)
            recording.decoding(work, Decoding(degraded=degraded))
    savings = read_capture(only(tmp_path)).savings
    assert [(one.channel, one.position, one.degraded) for one in savings] == [(0, 5, 2), (0, 9, 1)]


def damage(lines: list[dict[str, object]], how: str) -> None:
    match how:
        case "no header":
            del lines[0]
        case "newer":
            lines[0]["capture"] = 2
        case "odd message":
            lines[1] = {"at": 0, "sent": {"type": "song"}}


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("no header", "expected the header of a capture in line 1"),
        ("newer", "expected a capture of version 1 .* found 2"),
        ("odd message", "expected a message in line 2"),
    ],
)
def test_a_damaged_capture_says_where(tmp_path: Path, how: str, complaint: str) -> None:
    with recording_in(tmp_path) as recorder:
        record_a_little(recorder).close()
    path = only(tmp_path) / LINES
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    damage(lines, how)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match=complaint):
        read_capture(only(tmp_path))


def test_what_is_no_capture_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a capture, .* found: No such file"):
        read_capture(tmp_path / "nowhere")
