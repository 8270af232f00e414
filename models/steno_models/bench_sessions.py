"""How many concurrent sessions a daemon carries: delays, CPU time and memory, drawn and in a table.

    steno-models bench --sessions [1 2 4 8] [--seconds 30] [--plot capacity.png] [--json]

Without numbers clients come until one is refused; then what was promised is measured: the cost of
eight, the delays up to 80 % of so many, and what becomes of twice as many.

An installed daemon measures itself (see `capacity.py` there): a real process, and clients that
speak recordings in real time. Here its figures become readable.
"""

import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from steno_models.errors import DataError
from steno_models.types import FloatArray

PERCENTILES = (50, 95, 99)
SHARE = 0.8
"""Of the most sessions that are let in: up to there delays are promised."""
PROMISED_S = 0.5
"""At most so long after an endpoint its final comes, in 95 of 100 cases."""
REFUSED_S = 1.0
"""At most so long after it asked a client hears that there is no room."""
EIGHT, ONE, PROMISED_TIMES = 8, 1, 4.0
"""So many sessions cost at most so many times the CPU time of one."""


class Level(Protocol):
    """What a daemon tells of so many sessions at once; see its `capacity.Level`."""

    @property
    def sessions(self) -> int:
        """How many clients asked to speak."""

    @property
    def refused(self) -> int:
        """How many of them were not let in."""

    @property
    def degraded(self) -> int:
        """How many of them were decoded with less effort for a time."""

    @property
    def audio_s(self) -> float:
        """Speech of those that were let in, added up."""

    @property
    def cpu_s(self) -> float:
        """What the daemon's process took meanwhile."""

    @property
    def memory_mb(self) -> float:
        """Its largest resident memory."""

    @property
    def batch(self) -> float:
        """How many pieces of work were decoded together, on average."""

    @property
    def busy(self) -> float:
        """Share of the time in which the engine decoded."""

    @property
    def word_delays_s(self) -> Sequence[float]:
        """From the end of each word to the hypothesis that shows it as it stays."""

    @property
    def final_delays_s(self) -> Sequence[float]:
        """From each endpoint to its final."""

    @property
    def refusal_delays_s(self) -> Sequence[float]:
        """From `start` to each refusal."""


class Capacity(Protocol):
    """What a daemon measured of itself."""

    @property
    def limit(self) -> int:
        """How many sessions it let in before it refused one, or says that it lets in."""

    @property
    def levels(self) -> Sequence[Level]:
        """In the order in which they were measured."""


class Measure(Protocol):
    """What an installed daemon offers."""

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
        """Measure what a daemon of its own carries; `report` hears of each level."""


def daemon_measure() -> Measure:
    """Return the measurement that an installed daemon offers.

    Raises:
        DataError: no daemon is installed.
    """
    found = list(entry_points(group="steno.streaming", name="capacity"))
    if not found:
        raise DataError("expected a daemon to measure (pip install 'steno-asr[daemon]'), none")
    measure: Measure = found[0].load()
    return measure


def figures(level: Level) -> dict[str, float]:
    """Return the numbers of a level by name; a delay that nobody had is left out."""
    numbers = {
        "sessions": level.sessions,
        "refused": level.refused,
        "degraded": level.degraded,
        "audio_s": level.audio_s,
        "cpu_s_per_audio_s": level.cpu_s / level.audio_s if level.audio_s else 0.0,
        "engine_busy": level.busy,
        "batch": level.batch,
        "memory_mb": level.memory_mb,
    }
    for name, delays in (
        ("word", level.word_delays_s),
        ("final", level.final_delays_s),
        ("refusal", level.refusal_delays_s),
    ):
        if delays:
            for percent in PERCENTILES:
                numbers[f"{name}_delay_p{percent}_s"] = float(np.percentile(delays, percent))
    return numbers


def cost_ratio(levels: Sequence[Level]) -> float | None:
    """Return how many times one session eight cost, in CPU time; None where one was not measured.

    All speak for the same time, so that this is eight times the cost of a second of speech; the
    median cost, where so many were measured more than once.
    """
    one, eight = (
        [figures(level)["cpu_s_per_audio_s"] for level in levels if level.sessions == count]
        for count in (ONE, EIGHT)
    )
    if not eight or not any(one):
        return None
    return EIGHT * median(eight) / median(one)


def worst_final_delay(capacity: Capacity) -> float | None:
    """Return the largest p95 of finals in seconds, of levels up to a share of the limit."""
    return max(
        (
            float(np.percentile(level.final_delays_s, 95))
            for level in capacity.levels
            if level.final_delays_s and level.sessions <= SHARE * capacity.limit
        ),
        default=None,
    )


def table(capacity: Capacity) -> Table:
    """Return the levels as rows; delays are p50 / p95 / p99 in milliseconds."""
    drawn = Table(title=f"a daemon that lets in {capacity.limit} sessions")
    for heading in (
        "sessions",
        "refused",
        "word delay, ms",
        "final delay, ms",
        "CPU s / s",
        "engine",
        "batch",
        "MB",
    ):
        drawn.add_column(heading, justify="right")
    for level in capacity.levels:
        numbers = figures(level)
        drawn.add_row(
            str(level.sessions),
            str(level.refused),
            _delays(numbers, "word"),
            _delays(numbers, "final"),
            f"{numbers['cpu_s_per_audio_s']:.3f}",
            f"{100 * level.busy:.0f} %",
            f"{level.batch:.2f}",
            f"{level.memory_mb:.0f}",
        )
    return drawn


def _delays(numbers: dict[str, float], name: str) -> str:
    """Return percentiles of a delay in milliseconds."""
    found = [numbers.get(f"{name}_delay_p{percent}_s") for percent in PERCENTILES]
    return " / ".join("–" if delay is None else f"{1000 * delay:.0f}" for delay in found)


def verdicts(capacity: Capacity) -> list[str]:
    """Return a line for each promise that could be checked."""
    lines = []
    ratio = cost_ratio(capacity.levels)
    if ratio is not None:
        kept = "kept" if ratio <= PROMISED_TIMES else "not kept"
        lines.append(
            f"{EIGHT} sessions cost {ratio:.2f} times one "
            f"(promised: at most {PROMISED_TIMES:g}; {kept})"
        )
    worst_s = worst_final_delay(capacity)
    if worst_s is not None:
        kept = "kept" if worst_s <= PROMISED_S else "not kept"
        lines.append(
            f"p95 of finals up to {100 * SHARE:.0f} % of the limit: {1000 * worst_s:.0f} ms after "
            f"the endpoint (promised: at most {1000 * PROMISED_S:.0f} ms; {kept})"
        )
    return lines + [_refusal(level) for level in capacity.levels if level.refusal_delays_s]


def _refusal(level: Level) -> str:
    """Return what became of those who were refused, and of the others."""
    latest_s = max(level.refusal_delays_s)
    finals = level.final_delays_s
    others_s = float(np.percentile(finals, 95)) if finals else None
    kept = latest_s <= REFUSED_S and (others_s is None or others_s <= PROMISED_S)
    others = "–" if others_s is None else f"{1000 * others_s:.0f} ms"
    return (
        f"of {level.sessions} sessions {level.refused} refused, after {1000 * latest_s:.0f} ms at "
        f"the latest; p95 of finals of the others {others} (promised: at most "
        f"{1000 * REFUSED_S:.0f} and {1000 * PROMISED_S:.0f} ms; {'kept' if kept else 'not kept'})"
    )


def plot(capacity: Capacity, path: Path) -> None:
    """Draw delays, CPU time and memory against the number of sessions."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- a second to load, for who draws

    figure = Figure(figsize=(8, 9), layout="constrained")
    delays, cpu, memory = figure.subplots(3, sharex=True)
    at = [level.sessions for level in capacity.levels]
    numbers = [figures(level) for level in capacity.levels]
    for name, colour in (("word", "tab:blue"), ("final", "tab:orange")):
        for percent, style in zip(PERCENTILES, ("-", "--", ":"), strict=True):
            key = f"{name}_delay_p{percent}_s"
            values = [1000 * one.get(key, float("nan")) for one in numbers]
            label = f"{name}s, p{percent}"
            delays.plot(at, values, style, color=colour, marker="o", markersize=3, label=label)
    delays.axhline(1000 * PROMISED_S, color="grey", linewidth=0.8)
    delays.set_ylabel("delay, ms")
    delays.legend(ncols=2, fontsize="small")
    cpu.plot(at, [one["cpu_s_per_audio_s"] for one in numbers], marker="o", color="tab:green")
    cpu.set_ylabel("CPU seconds for a second of speech")
    memory.plot(at, [one["memory_mb"] for one in numbers], marker="o", color="tab:red")
    memory.set_ylabel("memory, MB")
    memory.set_xlabel("sessions")
    for axes in (delays, cpu, memory):
        axes.axvline(capacity.limit, color="grey", linewidth=0.8, linestyle="--")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.suptitle(f"a daemon that lets in {capacity.limit} sessions (dashed)")
    figure.savefig(path, dpi=150)


def as_json(capacity: Capacity) -> dict[str, object]:
    """Return everything by name, delays in seconds."""
    return {
        "limit": capacity.limit,
        "levels": [figures(level) for level in capacity.levels],
        "eight_cost_times_one": cost_ratio(capacity.levels),
        "final_delay_p95_s_up_to_share": worst_final_delay(capacity),
        "share": SHARE,
    }


def show(capacity: Capacity, *, as_text: bool) -> None:
    """Print what was measured, as a table for people or as JSON."""
    if not as_text:
        json.dump(as_json(capacity), sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    console = Console()
    console.print(table(capacity))
    for line in verdicts(capacity):
        console.print(line, highlight=False)
