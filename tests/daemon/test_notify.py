import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.notified import Systemd, listening_as_systemd

from steno_daemon import notify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    with listening_as_systemd(path) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield heard


def test_systemd_hears_of_readiness_and_of_the_end(systemd: Systemd) -> None:
    notify.ready("ws://127.0.0.1:1")
    assert systemd.hears() == {"READY": "1", "STATUS": "ws://127.0.0.1:1"}
    notify.stopping("two sessions say their last words")
    assert systemd.hears() == {"STOPPING": "1", "STATUS": "two sessions say their last words"}


def test_systemd_hears_what_a_long_start_is_at(systemd: Systemd) -> None:
    notify.starting("loading the bundle en")
    assert systemd.hears() == {"STATUS": "loading the bundle en"}
    notify.starting("compiling", extend_s=90.5)
    assert systemd.hears() == {"STATUS": "compiling", "EXTEND_TIMEOUT_USEC": "90500000"}


def test_a_reload_carries_the_time_at_which_it_began(systemd: Systemd) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    notify.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    heard = systemd.hears()
    assert heard["RELOADING"] == "1"
    assert before <= int(heard["MONOTONIC_USEC"]) <= after


def test_the_watchdog_is_fed_or_triggered(systemd: Systemd) -> None:
    notify.alive("1 of 4 sessions")
    assert systemd.hears() == {"WATCHDOG": "1", "STATUS": "1 of 4 sessions"}
    notify.dead("the engine has died")
    assert systemd.hears() == {"WATCHDOG": "trigger", "STATUS": "the engine has died"}


def test_a_status_never_becomes_another_message(systemd: Systemd) -> None:
    notify.status("a label\nREADY=1\r\nSTOPPING=1")
    assert systemd.hears() == {"STATUS": "a label READY=1 STOPPING=1"}


def test_an_abstract_socket_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("")  # Linux chooses an abstract name
        name = systemd.getsockname()
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
        notify.status("here")
        assert systemd.recv(1_000) == b"STATUS=here"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    opened: list[object] = []
    monkeypatch.setattr("steno_daemon.notify.socket.socket", lambda *kinds: opened.append(kinds))
    notify.ready("nobody listens")
    assert opened == []


def test_a_systemd_that_is_gone_is_a_line_in_the_log_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify.ready("here")
    assert caplog.messages == [
        "systemd did not hear 'READY=1': [Errno 2] No such file or directory"
    ]


def test_a_systemd_that_takes_no_messages_does_not_hold_up_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "SEND_TIMEOUT_S", 0.01)
    path = tmp_path / "full"
    with listening_as_systemd(path):
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        while not caplog.messages:
            notify.status("x" * 10_000)
    assert caplog.messages == [f"systemd did not hear 'STATUS={'x' * 10_000}': timed out"]


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_says_how_often_it_is_to_be_fed(
    environ: dict[str, str], interval_s: float | None
) -> None:
    assert notify.watchdog_interval_s(environ) == interval_s


def test_a_watchdog_that_makes_no_sense_is_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    assert notify.watchdog_interval_s({"WATCHDOG_USEC": "soon"}) is None
    assert caplog.messages == ["no watchdog: expected microseconds in WATCHDOG_USEC, found 'soon'"]
