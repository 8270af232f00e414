"""`stenod --check`: every fault at once, what would be served, and no secret."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.daemon.fakes import FakeRecogniser

from steno_daemon.auth import hash_token, new_token
from steno_daemon.check import Findings, check
from steno_daemon.config import EngineConfig
from steno_daemon.server import Model
from steno_models.errors import DataError


def load(engine: EngineConfig) -> Model:
    if engine.bundle != "en":
        raise DataError(f"expected a bundle, found {engine.bundle}")
    says = "failed: expected a vocabulary, found none" if engine.candidates else "ok"
    names = ("general", "law")
    return Model("notes", "1", names, FakeRecogniser(), unknown_words=says)


def checked(folder: Path, text: str) -> Findings:
    file = folder / "stenod.toml"
    file.write_text(text, encoding="utf-8")
    return check(file, {}, load)


def lines(found: Findings) -> list[str]:
    return [str(finding) for finding in found.all]


def test_a_configuration_in_order_is_told_in_a_line_each(tmp_path: Path) -> None:
    token = new_token()
    found = checked(
        tmp_path,
        f"""
        [server]
        state_directory = "{tmp_path}/state"
        [engine]
        max_sessions = 3
        [[security.tokens]]
        name = "lecture hall"
        sha256 = "{hash_token(token)}"
        max_sessions = 2
        [[security.tokens]]
        name = "boss"
        sha256 = "{hash_token(new_token())}"
        scopes = ["admin"]
        """,
    )
    told = "\n".join(lines(found))
    assert found.faults == 0
    assert found.summary == "all is well"
    assert "lecture hall (recognise, watch; 2 sessions), boss (admin)" in told
    assert "ws://127.0.0.1:8765, reached from this machine alone" in told
    assert f"{tmp_path}/state, to be made" in told
    assert "notes 1, language models: general, law" in told
    assert "up to 3 sessions at once" in told
    assert "sessions that wish it are told of them" in told
    assert "last words have 20 s, the unit gives 45 s in all" in told
    assert token not in told
    assert hash_token(token) not in told
    assert not (tmp_path / "state").exists()


def test_every_fault_is_told_and_not_the_first_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = checked(
        tmp_path,
        f"""
        prot = 3
        [server]
        port = 99999
        host = "127.0.0.1"
        certificate = "{tmp_path}/none.pem"
        state_directory = "{tmp_path}/file/state"
        origins = ["captions.example"]
        [engine]
        bundle = "nowhere"
        max_sessions = 0
        [captions]
        replacements = {{ "" = "x" }}
        [[security.tokens]]
        name = "first"
        sha256 = "{"0" * 64}"
        [[security.tokens]]
        name = "second"
        sha256 = "correct horse battery staple"
        [recording]
        directory = "{tmp_path}/file"
        """,
    )
    told = lines(found)
    for complaint in (
        "configuration  prot: expected one of server, engine",
        "configuration  server.port: expected int <= 65535, found 99999",
        "configuration  engine.max_sessions: expected int >= 1, found 0",
        "configuration  security.tokens.1.sha256: expected 64 hexadecimal digits",
        "certificate    cannot serve TLS: expected a file at",
        "origins        ",
        "state          server.state_directory: expected a folder",
        "recordings     recording.directory: expected a folder",
        "captions       ",
        "bundle         expected a bundle, found nowhere",
    ):
        assert [line for line in told if line.startswith(f"FAULT  {complaint}")], complaint
    assert found.faults == 10
    assert found.summary.startswith("10 faults")
    assert "staple" not in "\n".join(told)


def test_a_daemon_that_everybody_could_reach_is_a_fault(tmp_path: Path) -> None:
    found = checked(tmp_path, '[server]\nhost = "0.0.0.0"\n')
    [line] = [line for line in lines(found) if line.startswith("FAULT")]
    assert "address" in line
    assert "expected tokens" in line


@pytest.mark.parametrize(("days", "verdict"), [(90, "ok"), (5, "warn"), (-1, "FAULT")])
def test_a_certificate_is_told_by_the_days_that_are_left(
    days: int, verdict: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    leaf = trustme.CA().issue_cert(
        "localhost",
        not_before=now - timedelta(days=9),
        not_after=now + timedelta(days=days, hours=1),
    )
    for pem, name in ((leaf.cert_chain_pems[0], "cert"), (leaf.private_key_pem, "key")):
        pem.write_to_path(tmp_path / name)
    (tmp_path / "key").chmod(0o600)
    found = checked(
        tmp_path, f'[server]\ncertificate = "{tmp_path}/cert"\nkey = "{tmp_path}/key"\n'
    )
    told = [line for line in lines(found) if "  certificate  " in line]
    assert told[0].startswith(verdict)
    assert told[-1].endswith(f"good for {days} days") is (days > 0)


def test_last_words_that_systemd_would_cut_off_are_warned_about(tmp_path: Path) -> None:
    found = checked(tmp_path, "[server]\ndrain_timeout_s = 40\n")
    [line] = [line for line in lines(found) if line.startswith("warn")]
    assert "expected server.drain_timeout_s of at most 34" in line
    assert found.faults == 0
    assert found.summary == "stenod would serve, with 1 warning"


def test_a_daemon_behind_a_balancer_that_keeps_no_sessions_is_warned_about(tmp_path: Path) -> None:
    found = checked(tmp_path, "[server]\nbehind_balancer = true\n")
    [line] = [line for line in lines(found) if line.startswith("warn")]
    assert "a folder that all daemons behind the balancer, or of the group, see" in line
    kept = f'[server]\nbehind_balancer = true\nstate_directory = "{tmp_path}"\n'
    assert not [line for line in lines(checked(tmp_path, kept)) if line.startswith("warn")]


def test_a_microphone_that_is_not_there_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    found = checked(tmp_path, '[microphone]\nenabled = true\nlanguage_model = "medicine"\n')
    faults = [line for line in lines(found) if line.startswith("FAULT  microphone")]
    assert "expected the package sounddevice" in faults[0]
    assert "expected one of general, law, found medicine" in faults[1]


def test_dialects_are_told_and_ports_that_are_taken_are_a_fault(tmp_path: Path) -> None:
    on = "[vosk]\nenabled = true\n[deepgram]\nenabled = true\n"
    told = "\n".join(lines(checked(tmp_path, on)))
    assert "dialects       vosk on port 2700, deepgram" in told
    found = checked(tmp_path, f"{on}port = 8765\n".replace("[deepgram]\nenabled = true\n", ""))
    [line] = [line for line in lines(found) if line.startswith("FAULT  dialects")]
    assert "vosk.port: expected a port of its own, found 8765" in line
    same = "[vosk]\nenabled = true\n[sherpa]\nenabled = true\nport = 2700\n"
    [line] = [x for x in lines(checked(tmp_path, same)) if x.startswith("FAULT  dialects")]
    assert "sherpa.port: expected a port of its own, found 2700" in line


def test_candidates_that_cannot_be_opened_are_a_fault(tmp_path: Path) -> None:
    found = checked(tmp_path, '[engine]\ncandidates = "/nowhere"\n')
    told = [line for line in lines(found) if "unknown words" in line]
    assert told == ["FAULT  unknown words  engine.candidates: expected a vocabulary, found none"]


def test_what_cannot_be_read_at_all_ends_the_check(tmp_path: Path) -> None:
    [line] = lines(checked(tmp_path, "port = = 3"))
    assert line.startswith("FAULT  configuration  expected TOML")
    [line] = lines(check(tmp_path / "none.toml", {}, load))
    assert "expected a file at" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    found = checked(tmp_path, f'[recording]\ndirectory = "{tmp_path}/closed/captures"\n')
    assert f"{tmp_path}/closed: Permission denied" in "\n".join(lines(found))
