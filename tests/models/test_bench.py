"""`steno-models bench`: the parts of a tiny bundle, and what a daemon says of itself."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from steno_models import __main__ as program
from steno_models import bench_sessions
from steno_models.bench_sessions import (
    Capacity,
    Level,
    as_json,
    cost_ratio,
    figures,
    verdicts,
    worst_final_delay,
)
from steno_models.types import FloatArray


@dataclass(frozen=True)
class Measured:
    sessions: int
    cpu_s: float = 1.0
    refused: int = 0
    degraded: int = 0
    audio_s: float = 10.0
    memory_mb: float = 200.0
    batch: float = 1.5
    busy: float = 0.25
    word_delays_s: Sequence[float] = (0.4, 0.6)
    final_delays_s: Sequence[float] = (0.1, 0.2)
    refusal_delays_s: Sequence[float] = ()


@dataclass(frozen=True)
class Found:
    limit: int
    levels: Sequence[Level]


LEVELS = (
    Measured(1, cpu_s=2.0),
    Measured(8, cpu_s=0.9 * 8, audio_s=80.0, final_delays_s=(0.1, 0.45)),
    Measured(10, audio_s=100.0, final_delays_s=(0.9,)),
    Measured(
        20,
        audio_s=100.0,
        refused=10,
        word_delays_s=(),
        final_delays_s=(),
        refusal_delays_s=(0.01, 0.05),
    ),
)


def test_eight_sessions_are_compared_with_one_by_cpu_time_of_a_second_of_speech() -> None:
    assert cost_ratio(LEVELS) == pytest.approx(8 * 0.09 / 0.2)
    assert cost_ratio(LEVELS[1:]) is None
    assert cost_ratio(LEVELS[:1]) is None


def test_delays_are_promised_up_to_a_share_of_the_limit() -> None:
    assert worst_final_delay(Found(10, LEVELS)) == pytest.approx(0.1 + 0.95 * 0.35)
    assert worst_final_delay(Found(20, LEVELS)) == pytest.approx(0.9)
    assert worst_final_delay(Found(1, LEVELS)) is None


def test_what_nobody_waited_for_has_no_delay() -> None:
    numbers = figures(LEVELS[3])
    assert "word_delay_p50_s" not in numbers
    assert numbers["refusal_delay_p99_s"] == pytest.approx(0.0496)
    assert figures(Measured(2, audio_s=0.0))["cpu_s_per_audio_s"] == 0.0


def test_the_verdicts_name_the_promises_that_were_kept() -> None:
    cost, delay, refusal = verdicts(Found(10, LEVELS))
    assert cost == "8 sessions cost 3.60 times one (promised: at most 4; kept)"
    assert "p95 of finals up to 80 % of the limit: 432 ms" in delay
    assert "kept" in delay
    assert refusal == (
        "of 20 sessions 10 refused, after 50 ms at the latest; p95 of finals of the others – "
        "(promised: at most 1000 and 500 ms; kept)"
    )
    assert "not kept" in verdicts(Found(20, LEVELS))[1]
    assert verdicts(Found(1, LEVELS[2:3])) == []


@pytest.mark.parametrize(
    ("finals_s", "refusals_s", "verdict"),
    [
        ((0.1, 0.4), (0.2,), "; kept)"),
        ((0.1, 0.9), (0.2,), "; not kept)"),
        ((0.1, 0.4), (0.2, 1.2), "; not kept)"),
    ],
)
def test_those_who_are_let_in_keep_their_delay_and_the_others_soon_know(
    finals_s: tuple[float, ...], refusals_s: tuple[float, ...], verdict: str
) -> None:
    level = Measured(20, refused=10, final_delays_s=finals_s, refusal_delays_s=refusals_s)
    [line] = verdicts(Found(10, (level,)))
    assert line.endswith(verdict)


@dataclass
class Daemon:
    """Stands in for an installed daemon."""

    found: Capacity
    asked: dict[str, object] = field(default_factory=dict)

    def __call__(
        self,
        bundle: str,
        recordings: Sequence[FloatArray],
        *,
        sessions: Sequence[int],
        audio_s: float,
        config: Path | None,
        report: Callable[[Level], None],
    ) -> Capacity:
        assert all(samples.dtype == np.float32 for samples in recordings)
        self.asked = {
            "bundle": bundle,
            "recordings": len(recordings),
            "sessions": sessions,
            "audio_s": audio_s,
            "config": config,
        }
        for level in self.found.levels:
            report(level)
        return self.found


def clip(clips: Path) -> str:
    return str(sorted((clips / "librivox").glob("*.flac"))[1])


def test_a_daemon_is_measured_drawn_and_told_as_a_table(
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = Daemon(Found(10, LEVELS))
    monkeypatch.setattr(bench_sessions, "daemon_measure", lambda: daemon)
    monkeypatch.setenv("COLUMNS", "160")
    plot = tmp_path / "capacity.png"
    arguments = ["--sessions", "1", "8", "--seconds", "5", "--plot", str(plot)]
    assert program.main(["bench", *arguments, "--audio", clip(clips), clip(clips)]) == 0
    said, progress = capsys.readouterr()
    assert daemon.asked == {
        "bundle": "en",
        "recordings": 2,
        "sessions": [1, 8],
        "audio_s": 5.0,
        "config": None,
    }
    assert "a daemon that lets in 10 sessions" in said
    assert "500 / 590 / 598" in said
    assert "8 sessions cost 3.60 times one" in said
    assert progress.splitlines()[:2] == ["1 sessions measured", "8 sessions measured"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_daemon_may_choose_the_numbers_and_answer_in_json(
    clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(Found(10, LEVELS))
    monkeypatch.setattr(bench_sessions, "daemon_measure", lambda: daemon)
    assert program.main(["bench", "--json", "--sessions", "--audio", clip(clips)]) == 0
    assert daemon.asked["sessions"] == []
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(json.dumps(as_json(daemon.found)))
    assert found["limit"] == 10
    assert found["levels"][1]["cpu_s_per_audio_s"] == pytest.approx(0.09)
    assert found["eight_cost_times_one"] == pytest.approx(3.6)


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_sessions_are_counted_from_one(
    clips: Path, capsys: pytest.CaptureFixture[str], count: str
) -> None:
    with pytest.raises(SystemExit):
        program.main(["bench", "--audio", clip(clips), "--sessions", count])
    assert "--sessions" in capsys.readouterr().err


def test_without_a_daemon_it_says_what_to_install(
    clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_sessions, "entry_points", lambda **_: [])
    assert program.main(["bench", "--audio", clip(clips), "--sessions", "1"]) == 1
    assert "pip install 'steno-asr[daemon]'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["a table", "json"])
def test_the_parts_of_a_bundle_are_measured(
    clips: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    called = ["bench", "--bundle", str(tiny_bundle), "--audio", clip(clips), *arguments]
    assert program.main(called) == 0
    said = capsys.readouterr().out
    for part in ("features", "encoder", "search", "recogniser, whole file"):
        assert part in said
    if arguments:
        assert all(ratio > 0 for ratio in json.loads(said).values())


def test_a_bench_needs_sound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert program.main(["bench"]) == 1
    assert "expected sound files after --audio" in capsys.readouterr().err
