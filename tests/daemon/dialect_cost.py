"""What a dialect costs: CPU time of the event loop beside that of the engine.

    python -m tests.daemon.dialect_cost --sessions 20 --repeats 3

A daemon with the bundle that is shipped hears the same recording in 20 sessions at once, as fast as
it is spoken, in one dialect after the other, in another order each time. The event loop is the
daemon's main thread and does everything but decoding; what it takes more than with the native
dialect is the dialect's. It may be 3 % of what the other threads, the engine's, take for the same
audio.
"""

import argparse
import asyncio
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from rich.table import Table
from tests.daemon.dialect_talk import talked
from tests.daemon.dialects.speakers import FullError
from tests.daemon.mutation_place import DIALECTS, Place, every_dialect
from tests.daemon.process import Process, listener

from steno_models.audio import read_file
from steno_models.types import FloatArray

CLIP = Path(__file__).parents[1] / "data/librivox/sense_and_sensibility_01_austen_64kb-0870.flac"
RATE = 16_000
COST_MAX = 0.03
FULL_S = 0.5
CALM_S = 6.0
"""Behind a round, until the daemon has forgotten how busy it was, and lets everybody in."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU time, in seconds.

    Attributes:
        loop: of the main thread.
        engine: of all others.
    """

    loop: float
    engine: float

    def since(self, before: "Spent", audio_s: float) -> "Spent":
        """Return what was spent since then for a second of audio."""
        return Spent((self.loop - before.loop) / audio_s, (self.engine - before.engine) / audio_s)


def spent(process: Process) -> Spent:
    """Return what the threads of a process have spent so far."""
    by_thread: dict[int, float] = {}
    for folder in Path(f"/proc/{process.pid}/task").iterdir():
        by_thread[int(folder.name)] = int((folder / "schedstat").read_text().split()[0]) / 1e9
    loop = by_thread.pop(process.pid)
    return Spent(loop, sum(by_thread.values()))


def cost(of: Sequence[Spent], native: Sequence[Spent]) -> float:
    """Return what a dialect takes of the event loop beyond the native one, in shares of the engine.

    Args:
        of: the dialect, once a round.
        native: the native one in the same rounds.
    """
    more = [mine.loop - theirs.loop for mine, theirs in zip(of, native, strict=True)]
    return statistics.median(more) / statistics.median(one.engine for one in native)


async def _speak(dialect: str, place: Place, sound: FloatArray, pace: float) -> None:
    """Say a recording in a dialect, as soon as there is room."""
    while True:
        try:
            await talked(dialect, place, sound, pace=pace)
        except FullError:
            await asyncio.sleep(FULL_S)
        else:
            return


async def _round(
    dialect: str, place: Place, sound: FloatArray, options: argparse.Namespace
) -> None:
    """Say a recording in so many sessions at once."""
    await asyncio.sleep(CALM_S)
    async with asyncio.TaskGroup() as speakers:
        for _ in range(options.sessions):
            speakers.create_task(_speak(dialect, place, sound, options.pace))


async def measure(options: argparse.Namespace, progress: Progress) -> Mapping[str, list[Spent]]:
    """Return what was spent for a second of audio, round by round, for each dialect."""
    sound = read_file(CLIP)[: round(options.seconds * RATE)]
    audio_s = options.sessions * len(sound) / RATE
    found: dict[str, list[Spent]] = defaultdict(list)
    async with every_dialect(options.module, seats=options.sessions) as place:
        process = listener(place.port)
        dialects = [one for one in place.dialects if one in options.dialects.split(",")]
        bar = progress.add_task("rounds", total=options.repeats * len(dialects))
        await _round("native", place, sound, options)  # warms up
        for turn in range(options.repeats):
            for dialect in random.Random(turn).sample(dialects, len(dialects)):
                before = spent(process)
                await _round(dialect, place, sound, options)
                found[dialect].append(spent(process).since(before, audio_s))
                progress.advance(bar)
    return found


def table(found: Mapping[str, Sequence[Spent]]) -> Table:
    """Return the medians of all rounds."""
    shown = Table("dialect", "loop, ms a second", "engine, ms a second", "cost of the engine's")
    for dialect, rounds in found.items():
        loop = statistics.median(one.loop for one in rounds)
        engine = statistics.median(one.engine for one in rounds)
        more = cost(rounds, found["native"])
        shown.add_row(dialect, f"{1e3 * loop:.2f}", f"{1e3 * engine:.2f}", f"{more:+.1%}")
    return shown


def main() -> int:
    """Measure; returns 1 where a dialect costs too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20, help="at once (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--pace", type=float, default=1.0, help="times speech (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of speech (%(default)s)")
    parser.add_argument("--dialects", default=",".join(DIALECTS), help="(%(default)s)")
    parser.add_argument("--module", default="steno_daemon", help="the daemon (%(default)s)")
    options = parser.parse_args()
    with Progress() as progress:
        found = asyncio.run(measure(options, progress))
        progress.console.print(table(found))
    dear = [name for name, rounds in found.items() if cost(rounds, found["native"]) > COST_MAX]
    for name in dear:
        sys.stdout.write(f"WRONG: expected {name} to cost at most {COST_MAX:.0%}\n")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
