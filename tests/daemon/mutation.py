"""A campaign of hostile connections against a running daemon, beside a client that is healthy.

    stenod --max-sessions 20 --config short.toml &      # with [server] resume_s = 2
    python -m tests.daemon.mutation --count 20000 --seed 1 --url ws://127.0.0.1:8765
    python -m tests.daemon.mutation --dialect all --count 100000 --start

The first takes a daemon that runs, the second starts one of its own, which hears notes and speaks
every dialect (over MQTT where a broker is installed).

Whoever vanishes keeps a seat for `resume_s`: leave it long, and the healthy client is turned away
most of the time. The program exits with 1 if the daemon died, blamed itself for what a client did,
lost or changed a word of the healthy client, grew beyond its bound, kept open what hostile clients
had opened or a seat for who is gone, or heard nobody in the dialect any more. Each fault is named
with the number of its mutant: `--only NUMBER` plays that one alone.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from tests.daemon import hostile
from tests.daemon.dialect_talk import talked
from tests.daemon.dialects import mutants as dialect_mutants
from tests.daemon.dialects.speakers import BrokenError, FullError
from tests.daemon.fakes import speak
from tests.daemon.mutant import Mutant
from tests.daemon.mutants import kind_of, mutant
from tests.daemon.mutation_mqtt import BrokerCampaign
from tests.daemon.mutation_place import DIALECTS, Place, every_dialect
from tests.daemon.process import Process, listener
from tests.daemon.witness import Witness

CLIP = "tests/data/librivox/sense_and_sensibility_01_austen_64kb-0870.flac"
MEGABYTE = 1024 * 1024
SAMPLE_EVERY_S = 0.25
SETTLE_S = 90.0
SEATS_EACH = 3
"""For each hostile connection that there is at a time: some keep theirs for a while."""
FULL_S = 0.5
AFTER_S = 60.0


@dataclass(slots=True)
class Campaign:
    """What is sent, and what came of it.

    Attributes:
        make: returns the mutant of a seed and a number.
        name: returns what kind it is.
        mutations: things that were sent and are wrong.
        answers: by kind of mutant, how often the daemon gave which answer.
        faults: number of the mutant and what the daemon did that it must not do.
        held_s: how long the daemon bore with each client that dribbled.
    """

    host: str
    port: int
    seed: int
    count: int
    make: Callable[[int, int], Mutant] = mutant
    name: Callable[[int, int], str] = kind_of
    mutations: int = 0
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)
    held_s: list[float] = field(default_factory=list)

    async def run(self, *, concurrency: int) -> None:
        """Send so many mutations, several connections at a time."""
        numbers = iter(range(sys.maxsize))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                tasks.create_task(self.work(numbers, tasks))

    async def one(self, number: int) -> None:
        """Play one mutant that does not dribble."""
        one = self.make(self.seed, number)
        self.mutations += one.mutations
        try:
            outcome = await hostile.play(one, self.host, self.port)
        except (OSError, TimeoutError) as error:
            self.faults.append(f"{number} ({one.kind}): nobody answers any more: {error}")
            self.mutations = self.count
            return
        self.answers[one.kind][outcome.answer] += 1
        if outcome.fault:
            self.faults.append(f"{number} ({one.kind}): {outcome.fault}")

    async def work(self, numbers: Iterator[int], tasks: asyncio.TaskGroup) -> None:
        """Play one mutant after the other until there were enough; let those dribble that do."""
        while self.mutations < self.count:
            number = next(numbers)
            if self.name(self.seed, number) == "dribble":
                self.mutations += 1
                tasks.create_task(self.dribble(number))
            else:
                await self.one(number)

    async def dribble(self, number: int) -> None:
        """Play a mutant that dribbles."""
        try:
            self.held_s.append(
                await hostile.dribble(self.make(self.seed, number), self.host, self.port)
            )
        except OSError as error:
            self.faults.append(f"{number} (dribble): nobody answers any more: {error}")
        self.answers["dribble"]["cut off"] += 1


@dataclass(slots=True)
class Memory:
    """How the daemon's process grew: resident bytes and open files.

    Attributes:
        course: resident bytes from the beginning to the end, every `SAMPLE_EVERY_S`.
    """

    process: Process
    before: int = 0
    peak: int = 0
    after: int = 0
    files_before: int = 0
    files_after: int = 0
    course: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """Note how it is before the campaign."""
        self.before = self.peak = self.process.resident_bytes()
        self.files_before = self.process.open_files()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while self.process.is_alive():
            self.course.append(self.process.resident_bytes())
            self.peak = max(self.peak, self.course[-1])
            await asyncio.sleep(SAMPLE_EVERY_S)

    def tenths(self) -> list[float]:
        """Return the greatest memory of each tenth of the campaign, in MB."""
        parts = np.array_split(np.array(self.course) / MEGABYTE, min(10, len(self.course)))
        return [float(part.max()) for part in parts]

    async def settle(self) -> None:
        """Wait until nothing is open that was not before, or too long."""
        end_s = time.monotonic() + SETTLE_S
        while self.process.is_alive() and time.monotonic() < end_s:
            self.after = self.process.resident_bytes()
            self.files_after = self.process.open_files()
            if self.files_after <= self.files_before:
                return
            await asyncio.sleep(SAMPLE_EVERY_S)


async def campaign(options: argparse.Namespace) -> list[str]:
    """Run it, report, and return what is wrong."""
    async with AsyncExitStack() as stack:
        place = Place(options.url)
        if options.start:
            seats = SEATS_EACH * options.concurrency
            place = await stack.enter_async_context(every_dialect(seats=seats))
        dialects = place.dialects if options.dialect == "all" else [options.dialect]
        wrong = []
        for dialect in dialects:
            _say([f"{dialect}:"])
            wrong += await _against(dialect, place, options)
        return [*wrong, *place.complaints()]


async def _against(dialect: str, place: Place, options: argparse.Namespace) -> list[str]:
    """Run the campaign against one dialect, report, and return what is wrong."""
    memory = Memory(listener(place.port))
    witness = Witness(place.url, _pcm(options.sound), options.token)
    attack = await _attack(dialect, place, options)
    await witness.begin()
    seated = await asyncio.to_thread(place.sessions)
    memory.begin()
    began_s = time.monotonic()
    beside = [asyncio.create_task(witness.go_on()), asyncio.create_task(memory.watch())]
    if options.only is None:
        await attack.run(concurrency=options.concurrency)
    else:
        await attack.one(options.only)
    for task in beside:
        task.cancel()
    await asyncio.wait(beside)
    took_s = time.monotonic() - began_s
    if memory.process.is_alive():
        await witness.once()
        if place.program is not None:
            attack.faults += await _afterwards(dialect, place)
        await memory.settle()
        attack.faults += await _left_over(place, seated)
    _say(_report(attack, witness, memory, took_s))
    return [*attack.faults, *witness.wrong, *_complaints(witness, memory, options.bound_mb)]


async def _left_over(place: Place, seated: int) -> list[str]:
    """Wait until no more seats are taken than before, or too long; return what is wrong."""
    end_s = time.monotonic() + SETTLE_S
    while (found := await asyncio.to_thread(place.sessions)) > seated:
        if time.monotonic() > end_s:
            return [f"expected nobody to keep a seat, found {found - seated} sessions"]
        await asyncio.sleep(SAMPLE_EVERY_S)
    return []


async def _afterwards(dialect: str, place: Place) -> list[str]:
    """Speak the dialect that was attacked, as it should be; return what is wrong."""
    found: list[str] | str = "nothing"
    try:
        async with asyncio.timeout(AFTER_S):
            while found == "nothing":
                try:
                    found = await talked(dialect, place, speak("do mi"))
                except FullError:
                    await asyncio.sleep(FULL_S)
    except (TimeoutError, BrokenError, OSError) as error:
        found = f"{type(error).__name__}: {error}"
    return [] if found == ["do", "mi"] else [f"expected to be heard in {dialect}, found {found}"]


async def _attack(
    dialect: str, place: Place, options: argparse.Namespace
) -> Campaign | BrokerCampaign:
    """Return what attacks a dialect where it is spoken."""
    host, port = await asyncio.to_thread(place.door, dialect)
    if dialect in {"hermes", "mqtt"}:
        return BrokerCampaign(dialect, port, options.seed, options.count)
    attack = Campaign(host, port, options.seed, options.count)
    if dialect != "native":
        attack.make = partial(dialect_mutants.mutant, dialect)
        attack.name = partial(dialect_mutants.kind_of, dialect)
    return attack


def _pcm(path: Path) -> bytes:
    """The samples of a recording at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="int16")
    if rate != 16_000:
        raise ValueError(f"expected a recording at 16000 Hz, found {rate} in {path}")
    return bytes(samples.tobytes())


def _report(
    attack: Campaign | BrokerCampaign, witness: Witness, memory: Memory, took_s: float
) -> Iterator[str]:
    """What happened, in lines."""
    connections = sum(sum(answers.values()) for answers in attack.answers.values())
    yield f"{attack.mutations} mutations on {connections} connections in {took_s:.0f} s"
    for kind, answers in sorted(attack.answers.items()):
        listed = ", ".join(f"{answer}: {count}" for answer, count in answers.most_common(12))
        yield f"  {kind:10} {sum(answers.values()):6}  {listed}"
    if attack.held_s:
        yield f"slow loris: {len(attack.held_s)}, borne with for {max(attack.held_s):.0f} s at most"
    yield (
        f"healthy client: {witness.passes} sessions with every word, {len(witness.wrong)} without, "
        f"{witness.refused} turned away while the daemon was full"
    )
    yield (
        f"memory: {memory.before / MEGABYTE:.0f} MB before, {memory.peak / MEGABYTE:.0f} at most, "
        f"{memory.after / MEGABYTE:.0f} after; "
        f"open files: {memory.files_before} before, {memory.files_after} after"
    )
    course = " ".join(f"{part:.0f}" for part in memory.tenths())
    yield f"  over time, the most in each tenth: {course} MB"


def _complaints(witness: Witness, memory: Memory, bound_mb: float) -> list[str]:
    """What is wrong with the daemon as a whole."""
    complaints = []
    if not memory.process.is_alive():
        complaints.append("the daemon is dead")
    if memory.peak - memory.before > bound_mb * MEGABYTE:
        complaints.append(f"expected it to grow by at most {bound_mb} MB")
    if memory.files_after > memory.files_before:
        complaints.append("expected no more open files than before")
    if not witness.passes:
        complaints.append("the healthy client was never heard")
    return complaints


def _say(lines: Iterable[str]) -> None:
    """Print."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def main() -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.daemon.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--url", default="ws://127.0.0.1:8765", help="of the daemon, on this machine"
    )
    parser.add_argument(
        "--dialect", default="native", choices=["all", *DIALECTS], help="(%(default)s)"
    )
    parser.add_argument("--start", action="store_true", help="start a daemon that hears notes")
    parser.add_argument("--count", type=int, default=20_000, help="mutations to send (20000)")
    parser.add_argument("--seed", type=int, default=1, help="for others, change this (1)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="play one mutant alone")
    parser.add_argument("--concurrency", type=int, default=24, help="connections at a time (24)")
    parser.add_argument("--bound-mb", type=float, default=256, help="most it may grow by (256)")
    parser.add_argument("--sound", type=Path, default=Path(CLIP), help="what the healthy one says")
    parser.add_argument("--token", help="of the healthy client, if the daemon asks for one")
    complaints = asyncio.run(campaign(parser.parse_args()))
    _say(f"WRONG: {complaint}" for complaint in complaints)
    _say([f"{len(complaints)} things are wrong" if complaints else "all is well"])
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
