import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.daemon.notified import Systemd, listening_as_systemd

from steno_daemon.watchdog import Rhythm, Sight, Verdict, keep_watch, look, verdict

RHYTHM = Rhythm(period_s=5.0, patience_s=10.0)


@dataclass(slots=True)
class FakeEngine:
    """An engine that is as the test says."""

    is_alive: bool = True
    has_work: bool = False
    batches_done: int = 0


def seen(engine: FakeEngine, times_s: list[float]) -> Sight:
    """The last of several looks at an engine that does not change."""
    sight = None
    for now_s in times_s:
        sight = look(engine, now_s, sight)
    assert sight is not None
    return sight


def test_an_engine_without_work_is_well_for_ever() -> None:
    sight = seen(FakeEngine(), [0.0, 1e6])
    assert verdict(sight, 1e6, patience_s=10.0) is Verdict.WELL


def test_an_engine_that_finishes_batches_is_well() -> None:
    engine = FakeEngine(has_work=True)
    sight = None
    for now_s in range(0, 1_000, 9):
        engine.batches_done += 1
        sight = look(engine, now_s, sight)
        assert verdict(sight, now_s + 9, patience_s=10.0) is Verdict.WELL


def test_an_engine_with_work_that_finishes_none_is_stuck_when_patience_ends() -> None:
    sight = seen(FakeEngine(has_work=True), [0.0, 5.0, 9.9])
    assert verdict(sight, 9.9, patience_s=10.0) is Verdict.WELL
    assert verdict(sight, 10.0, patience_s=10.0) is Verdict.STUCK


def test_patience_begins_with_the_work_and_not_with_the_silence_before_it() -> None:
    engine = FakeEngine()
    sight = seen(engine, [0.0, 500.0])
    engine.has_work = True
    sight = look(engine, 505.0, sight)
    assert verdict(sight, 509.0, patience_s=10.0) is Verdict.WELL
    assert verdict(sight, 510.0, patience_s=10.0) is Verdict.STUCK


def test_an_engine_whose_thread_is_gone_is_dead_even_without_work() -> None:
    sight = seen(FakeEngine(is_alive=False), [0.0])
    assert verdict(sight, 0.0, patience_s=10.0) is Verdict.DEAD


def test_the_rhythm_leaves_a_late_loop_room_before_the_watchdog_starves() -> None:
    assert Rhythm.of(30.0) == Rhythm(period_s=7.5, patience_s=15.0)
    assert Rhythm.of(None) == Rhythm()


class Over(Exception):  # noqa: N818 – it is no error
    """The watch has lasted as long as the test wants."""


@dataclass(slots=True)
class Story:
    """Time that passes as the test says, and what happens meanwhile."""

    engine: FakeEngine
    chapters: list[FakeEngine]
    late_s: float = 0.0
    now_s: float = 0.0
    periods_s: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    async def pause(self, seconds: float) -> None:
        self.periods_s.append(seconds)
        self.now_s += seconds + self.late_s
        if not self.chapters:
            raise Over
        chapter = self.chapters.pop(0)
        self.engine.is_alive = chapter.is_alive
        self.engine.has_work = chapter.has_work
        self.engine.batches_done = chapter.batches_done

    def is_watched(self) -> None:
        """Keep watch until the chapters are over."""
        watch = keep_watch(
            self.engine, lambda: "2 of 4 sessions", RHYTHM, pause=self.pause, clock=self.clock
        )
        with pytest.raises(Over):
            asyncio.run(watch)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    with listening_as_systemd(path) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield heard


def test_the_watchdog_is_fed_at_every_look(systemd: Systemd) -> None:
    story = Story(FakeEngine(), [FakeEngine()])
    story.is_watched()
    assert story.periods_s == [5.0, 5.0]
    for _ in range(2):
        assert systemd.hears() == {"WATCHDOG": "1", "STATUS": "2 of 4 sessions"}
    assert systemd.has_heard_all()


def test_a_hanging_engine_starves_the_watchdog_until_it_goes_on(
    systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = FakeEngine(has_work=True)
    going_on = FakeEngine(has_work=True, batches_done=1)
    Story(FakeEngine(has_work=True), [hanging, hanging, hanging, going_on]).is_watched()
    fed = [systemd.hears() for _ in range(5)]
    assert ["WATCHDOG" in message for message in fed] == [True, True, False, False, True]
    assert fed[2] == {"STATUS": "the engine hangs; 2 of 4 sessions"}
    assert caplog.messages == [
        "the engine has finished no batch for 10.0 s: no watchdog food",
        "the engine goes on",
    ]


def test_a_dead_engine_ends_the_service_at_once(
    systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    Story(FakeEngine(), [FakeEngine(is_alive=False)]).is_watched()
    assert systemd.hears()["WATCHDOG"] == "1"
    assert systemd.hears() == {
        "WATCHDOG": "trigger",
        "STATUS": "the engine has died; 2 of 4 sessions",
    }
    assert caplog.messages == ["the thread of the engine has died: only a new start mends that"]


def test_what_holds_up_the_event_loop_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    caplog.set_level(logging.WARNING)
    Story(FakeEngine(), [FakeEngine()], late_s=3.0).is_watched()
    assert caplog.messages[0] == "something held up the event loop for 3.0 s"
