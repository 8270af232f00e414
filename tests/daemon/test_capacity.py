"""The measurement of a daemon: its clients, its figures, and the process that it starts."""

import os
import sys
from pathlib import Path

import pytest
from tests.daemon.fakes import FakeRecogniser, speak
from tests.daemon.serving import serving

from steno_daemon import capacity, wire
from steno_daemon.capacity import (
    Level,
    Target,
    levels_up_to,
    measure_level,
    measure_levels,
    refusal_point,
)
from steno_daemon.load import Load
from steno_daemon.talkers import Listener, Talk, _sound
from steno_daemon.wire import EndpointReason
from steno_models.errors import DataError

QUICK = 20.0
RECORDINGS = (speak("do mi", tail_s=0.2), speak("re fa so", tail_s=0.2))


def talk(audio_s: float = 6.0) -> Talk:
    return Talk(recordings=RECORDINGS, audio_s=audio_s, speed=QUICK)


def words(*ends: tuple[str, float]) -> tuple[wire.Word, ...]:
    return tuple(wire.Word(text=text, start=0.0, end=end, confidence=1.0) for text, end in ends)


def partial(*ends: tuple[str, float]) -> wire.Partial:
    return wire.Partial(seq=0, segment=0, text="", stable_chars=0, start=0.0, words=words(*ends))


def final(*ends: tuple[str, float]) -> wire.Final:
    return wire.Final(
        seq=0, segment=0, text="", start=0.0, end=1.0, confidence=1.0, words=words(*ends)
    )


def endpoint(
    time_s: float, reason: EndpointReason = EndpointReason.TRAILING_SILENCE
) -> wire.Endpoint:
    return wire.Endpoint(seq=0, segment=0, time=time_s, reason=reason)


def test_a_word_counts_from_when_it_came_to_stay() -> None:
    listener = Listener(speed=1.0)
    listener.hear(partial(("see", 0.5)), 0.8)
    listener.hear(partial(("sea", 0.5), ("it", 0.9)), 1.0)
    listener.hear(partial(("sea", 0.5), ("it", 0.9)), 1.4)
    listener.hear(final(("sea", 0.5), ("it", 0.9), ("too", 1.2)), 1.5)
    assert listener.word_delays_s == pytest.approx([0.5, 0.1, 0.3])


def test_a_final_counts_from_its_endpoint() -> None:
    listener = Listener(speed=1.0)
    listener.hear(final(("see", 0.5)), 1.5)
    listener.hear(endpoint(1.2), 1.6)
    listener.hear(endpoint(2.4), 2.5)
    listener.hear(final(("it", 3.5)), 4.5)
    listener.hear(endpoint(3.6, EndpointReason.MAX_UTTERANCE), 4.5)
    assert listener.final_delays_s == pytest.approx([0.3])


def test_faster_speech_has_its_times_earlier() -> None:
    listener = Listener(speed=10.0)
    listener.hear(final(("see", 5.0)), 1.5)
    listener.hear(endpoint(12.0), 1.5)
    assert listener.word_delays_s == pytest.approx([1.0])
    assert listener.final_delays_s == pytest.approx([0.3])


async def test_a_level_says_what_its_sessions_cost_and_how_long_they_waited() -> None:
    async with serving(FakeRecogniser()) as served:
        level = await measure_level(Target(served.url, os.getpid()), talk(), 3)
    assert (level.sessions, level.refused, level.degraded) == (3, 0, 0)
    assert level.audio_s == 18.0
    assert level.cpu_s > 0
    assert level.memory_mb > 1
    assert level.batch >= 1
    assert level.busy > 0
    assert len(level.final_delays_s) >= 3
    assert len(level.word_delays_s) >= 3 * 4
    assert min(level.word_delays_s + level.final_delays_s) > -0.02  # two clocks


async def test_sessions_beyond_the_limit_are_refused_and_the_others_heard() -> None:
    async with serving(FakeRecogniser(), max_sessions=1) as served:
        target = Target(served.url, os.getpid())
        level = await measure_level(target, talk(), 3)
    assert level.refused == 2
    assert len(level.refusal_delays_s) == 2
    assert level.audio_s == 6.0
    assert level.final_delays_s


async def test_levels_are_reported_one_after_the_other() -> None:
    seen: list[int] = []

    def report(level: Level) -> None:
        seen.append(level.sessions)

    async with serving(FakeRecogniser(), max_sessions=2) as served:
        target = Target(served.url, os.getpid())
        found = await measure_levels(target, talk(2.0), (), report)
    assert found.limit == 2
    assert seen == [level.sessions for level in found.levels] == [1, 2, 4]
    assert [level.refused for level in found.levels] == [0, 0, 2]


async def test_clients_come_until_one_is_refused_and_then_have_said_enough() -> None:
    async with serving(FakeRecogniser(), max_sessions=3) as served:
        target = Target(served.url, os.getpid())
        assert await refusal_point(target, talk(60.0), most=20) == 3
        await served.nobody_is_left()
        assert await refusal_point(target, talk(60.0), most=2) == 2


class Full(Load):
    """Has no time left, whatever is looked at."""

    def look(self, now_s: float, *, engine_s: float, loop_s: float) -> None:
        super().look(now_s, engine_s=engine_s, loop_s=loop_s)
        self.is_full = True


async def test_a_daemon_that_is_full_refuses_below_its_limit() -> None:
    async with serving(FakeRecogniser(), max_sessions=10) as served:
        served.daemon.engine.load = Full()
        served.daemon.engine.load.look(0.0, engine_s=0.0, loop_s=0.0)
        target = Target(served.url, os.getpid())
        found = await refusal_point(target, talk(60.0), most=10)
    assert found == 1


def test_levels_follow_from_the_limit() -> None:
    assert levels_up_to(1) == [1, 2]
    assert levels_up_to(10) == [1, 2, 4, 8, 10, 20]
    assert levels_up_to(20) == [1, 2, 4, 8, 16, 20, 40]


# `stenod` with a recogniser that needs no weights.
PROGRAM = """
import sys
from steno_daemon import __main__ as stenod
from steno_daemon.server import Model
from tests.daemon.fakes import FakeRecogniser

stenod._load = lambda engine: Model(engine.bundle, "1", ("general",), FakeRecogniser())
sys.exit(stenod.main())
"""


def stenod(path: Path, program: str) -> Path:
    """An interpreter that runs a program of the test's instead of the daemon."""
    root = Path(__file__).resolve().parents[2]
    (path / "program.py").write_text(program)
    interpreter = path / "python"
    interpreter.write_text(
        f"#!/bin/sh\nshift 2\nPYTHONPATH={root}:{':'.join(sys.path)} "
        f'exec {sys.executable} {path / "program.py"} "$@"\n'
    )
    interpreter.chmod(0o755)
    return interpreter


def test_a_daemon_of_its_own_is_measured_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stenod.toml").write_text("[engine]\nmax_sessions = 1\n[server]\nresume_s = 0\n")
    monkeypatch.setattr(sys, "executable", str(stenod(tmp_path, PROGRAM)))
    found = capacity.measure(
        "notes",
        RECORDINGS,
        sessions=[1, 2],
        audio_s=1.5,
        config=tmp_path / "stenod.toml",
    )
    assert found.limit == 1
    assert [level.refused for level in found.levels] == [0, 1]
    assert all(level.cpu_s > 0 for level in found.levels)


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("import sys; sys.exit('stenod: no such bundle')", "found: stenod: no such bundle"),
        ("pass", "found: nothing"),
    ],
)
def test_a_daemon_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, complaint: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(stenod(tmp_path, program)))
    with pytest.raises(DataError, match=complaint):
        capacity.measure("notes", RECORDINGS, sessions=[1])


def test_every_client_says_something_else() -> None:
    sounds = [_sound(talk(), number) for number in range(3)]
    assert len(set(sounds)) == 3
    assert {len(sound) for sound in sounds} == {6 * 32_000}
