"""What a dialect costs: CPU time of the event loop beside that of the engine.

    python -m tests.daemon.dialect_cost --sessions 20 --repeats 5

Two daemons stand side by side. At the same time, so that whatever else the machine does strikes
both, one hears 20 sessions of a recording in the native dialect and the other 20 in another one, as
fast as it is spoken; the next time they change places. The event loop is a daemon's main thread and
does everything but decoding: what it takes more in one daemon than in the other is the dialect's.
The native dialect is measured against itself, too, which shows how much of that is chance. Messages
are as long as those of the dialect's usual clients, in both.

The two share one processor, so that they are held up, and find their caches cold, equally often;
the third runs where it likes: threads that decode together would wait for each other on one.

The two are `hollow`: features and decoding cost them nothing, and are not there to be mistaken for
a dialect. A third one with the bundle that is shipped hears the same sessions, again at the same
time; a dialect may cost 3 % of what its other threads, the engine's, take for the same audio. With
`--module steno_daemon` the two decode, too.

Costs are medians, with the 95 % interval of the median (bootstrap over the rounds).
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
APART_S = 0.032
"""Between the beginnings of two sessions: messages that come in one turn of the event loop cost
less, and how many do so shall not hang on chance."""
CALM_S = 2.5
"""Between two rounds, until the sessions of the last one are forgotten."""
RESAMPLES = 10_000
WARM_S = 3.0
"""Of speech in each dialect before the first round: what is done for the first time costs more."""
BLOCKS_MS = {"vosk": 250, "wyoming": 64, "wyoming-unix": 64, "hermes": 64}
"""Sound in a message of the usual clients of a dialect; 100 ms in those of the others."""


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


@dataclass(frozen=True, slots=True)
class Cost:
    """What a dialect takes of the event loop beyond the native one, in shares of the engine.

    Attributes:
        median: of the rounds.
        low: where its 95 % interval begins.
        high: where that ends.
    """

    median: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What that says of the limit, in a word."""
        if self.high <= COST_MAX:
            return "below"
        return "above" if self.low > COST_MAX else "open"


@dataclass(frozen=True, slots=True)
class Round:
    """What was spent for a second of audio, in three daemons at the same time.

    Attributes:
        native: in one that heard the native dialect.
        mine: in one that heard the dialect that is measured.
        engine: by the engine of one that decoded.
    """

    native: Spent
    mine: Spent
    engine: float

    @property
    def share(self) -> float:
        """What the dialect took of the event loop beyond the native one, as a share."""
        return (self.mine.loop - self.native.loop) / self.engine


def cost_of(rounds: Sequence[Round]) -> Cost:
    """Return what a dialect costs."""
    shares = np.array([one.share for one in rounds])
    rng = np.random.default_rng(1)
    medians = np.median(rng.choice(shares, (RESAMPLES, len(shares))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return Cost(float(np.median(shares)), float(low), float(high))


def spent(process: Process) -> Spent:
    """Return what the threads of a process have spent so far."""
    by_thread: dict[int, float] = {}
    for folder in Path(f"/proc/{process.pid}/task").iterdir():
        by_thread[int(folder.name)] = int((folder / "schedstat").read_text().split()[0]) / 1e9
    loop = by_thread.pop(process.pid)
    return Spent(loop, sum(by_thread.values()))


def seat(process: Process, processors: set[int]) -> None:
    """Let the threads of a process, and those they start, run on these processors alone."""
    for folder in Path(f"/proc/{process.pid}/task").iterdir():
        os.sched_setaffinity(int(folder.name), processors)


async def _speak(
    dialect: str, place: Place, sound: FloatArray, *, number: int, pace: float, block_ms: int
) -> None:
    """Say a recording in a dialect, as soon as there is room."""
    await asyncio.sleep(number * APART_S / pace)
    while True:
        try:
            await talked(dialect, place, sound, pace=pace, block_ms=block_ms)
        except FullError:
            await asyncio.sleep(FULL_S)
        else:
            return


async def _round(
    dialect: str, place: Place, sound: FloatArray, options: argparse.Namespace, block_ms: int
) -> Spent:
    """Say a recording in so many sessions at once; return what a second of it took."""
    process = listener(place.port)
    before = spent(process)
    async with asyncio.TaskGroup() as speakers:
        for number in range(options.sessions):
            how = {"number": number, "pace": options.pace, "block_ms": block_ms}
            speakers.create_task(_speak(dialect, place, sound, **how))
    return spent(process).since(before, options.sessions * len(sound) / RATE)


async def _together(
    dialect: str, places: Sequence[Place], sound: FloatArray, options: argparse.Namespace
) -> Round:
    """Say a recording in the native dialect, in another one, and to who decodes; at once."""
    size = options.block_ms or BLOCKS_MS.get(dialect, 100)
    native, mine, decoding = await asyncio.gather(
        *(
            _round(spoken, place, sound, options, size)
            for spoken, place in zip(("native", dialect, "native"), places, strict=True)
        )
    )
    return Round(native, mine, decoding.engine)


async def measure(options: argparse.Namespace, progress: Progress) -> Mapping[str, Sequence[Round]]:
    """Return what was spent, round by round, for each dialect."""
    sound = np.resize(read_file(CLIP), round(options.seconds * RATE))  # again and again
    found: dict[str, list[Round]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        places = [
            await stack.enter_async_context(every_dialect(module, seats=2 * options.sessions))
            for module in (options.module, options.module, "steno_daemon")
        ]
        dialects = [one for one in places[0].dialects if one in options.dialects.split(",")]
        bar = progress.add_task("rounds", total=options.repeats * len(dialects))
        for compared in places[:2]:
            seat(listener(compared.port), {min(os.sched_getaffinity(0))})
        for dialect in {"native", *dialects}:
            await _together(dialect, places, sound[: round(WARM_S * RATE)], options)
        for turn in range(options.repeats):
            for dialect in random.Random(turn).sample(dialects, len(dialects)):
                await asyncio.sleep(CALM_S)
                trio = (*places[:2][:: 1 if turn % 2 else -1], places[2])
                found[dialect].append(await _together(dialect, trio, sound, options))
                progress.advance(bar)
            progress.console.print(table(found))  # so far: who has no patience has that
    return found


def table(found: Mapping[str, Sequence[Round]]) -> Table:
    """Return the medians of all rounds; times in ms for a second of audio."""
    shown = Table("dialect", "loop", "native", "engine", "cost", "95 % of it", "limit")
    for dialect, rounds in found.items():
        loop = statistics.median(one.mine.loop for one in rounds)
        native = statistics.median(one.native.loop for one in rounds)
        engine = statistics.median(one.engine for one in rounds)
        cost = cost_of(rounds)
        times = [f"{1e3 * time:.2f}" for time in (loop, native, engine)]
        interval = f"{cost.low:+.1%} to {cost.high:+.1%}"
        shown.add_row(dialect, *times, f"{cost.median:+.1%}", interval, cost.verdict)
    return shown


def main() -> int:
    """Measure; returns 0 where every dialect was shown to cost little enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20, help="at once (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (%(default)s)")
    parser.add_argument("--pace", type=float, default=1.0, help="times speech (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of speech (%(default)s)")
    parser.add_argument("--block-ms", type=int, default=0, help="a message, in all dialects")
    parser.add_argument("--dialects", default=",".join(DIALECTS), help="(%(default)s)")
    parser.add_argument("--module", default="tests.daemon.hollow", help="the two (%(default)s)")
    options = parser.parse_args()
    with Progress() as progress:
        found = asyncio.run(measure(options, progress))
    dear = [name for name in found if cost_of(found[name]).verdict != "below"]
    for name in dear:
        sys.stdout.write(f"WRONG: expected {name} to be shown to cost at most {COST_MAX:.0%}\n")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
