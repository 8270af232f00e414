import socket
from pathlib import Path

import pytest

from steno_daemon import notify


def test_systemd_hears_of_readiness_and_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        notify.ready("ws://127.0.0.1:1")
        assert systemd.recv(1_000) == b"READY=1\nSTATUS=ws://127.0.0.1:1"
        notify.stopping()
        assert systemd.recv(1_000) == b"STOPPING=1"


def test_an_abstract_socket_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("")  # Linux chooses an abstract name
        name = systemd.getsockname()
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
        notify.stopping()
        assert systemd.recv(1_000) == b"STOPPING=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    opened: list[object] = []
    monkeypatch.setattr("steno_daemon.notify.socket.socket", lambda *kinds: opened.append(kinds))
    notify.ready("nobody listens")
    assert opened == []
