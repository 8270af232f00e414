"""The fault campaign over every dialect: wires that break, daemons and brokers that die.

    python -m tests.daemon.dialect_faults --count 2000 --seed 1

Clients of every dialect stream recordings at once, of hummed notes, each with two notes of its own.
Connections break at message boundaries and inside frames, in both directions; they stall; clients
read slowly; the daemon is killed with SIGKILL or restarted in good order, and the MQTT broker dies.

The native dialect resumes: none of its finals may be lost, repeated or another's. The others begin
anew: up to the break they may only have heard the beginning of what an undisturbed session hears,
in a session without a break all of it, and never another's notes. Over MQTT audio is lost while the
daemon is away from the broker; then only notes of another are wrong. In its log the daemon may have
no error, and in its longest life, behind a warm-up, its memory may grow by 5 %: when there were
faults enough, they go on until one life was long enough to say so. Deaths are counted for each
dialect: how often one struck a session that was under way.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.progress import Progress
from tests.clients.breaking import entrance
from tests.daemon.brokers import Mosquitto, free_port
from tests.daemon.dialect_accounts import LIFE_S, LOOK_S, Account, Life, report, table
from tests.daemon.dialect_wires import (
    CONFIG,
    LOG_OF_FAULTS,
    BrokerWire,
    DialectWire,
    PathWire,
    broker,
)
from tests.daemon.dialects.posters import hermes, plain
from tests.daemon.dialects.speakers import (
    BLOCK_BYTES,
    WEBSOCKETS,
    BrokenError,
    FullError,
    Talk,
    is_prefix,
    wyoming,
)
from tests.daemon.fakes import NOTES, pcm, silence, speak
from tests.daemon.faults import FaultyWire, NotBegunError, Said, Tally, difference, said, words
from tests.daemon.program import Program, Waits
from tests.daemon.soak import GROWTH_MAX

from steno_clients.errors import StenoClientsError
from steno_models.types import FloatArray

BROKERED = ("hermes", "mqtt")
DIALECTS = ("native", *WEBSOCKETS, "wyoming", "wyoming-unix", *BROKERED)
PAIRS = list(itertools.combinations(NOTES, 2))
UTTERANCES = 3
IDLE_S = 30.0
"""What is said over a broker may have no end that the daemon hears of."""
FULL_S = 1.0
SETTLED_S = 0.5
DEATHS = ("kill -9", "restart", "kill -9", "broker")
KILL_EVERY = 20
DYING_SHARE = 0.7
"""Of all faults; behind that the daemon lives on, so that its memory can be looked at."""


def recordings(seed: int, sessions: int) -> list[FloatArray]:
    """Return what each session says: utterances of two notes that are its own, if there are few."""
    found = []
    for number in range(sessions):
        rng = random.Random(f"{seed}/{number}")
        notes = PAIRS[number % len(PAIRS)]
        texts = [" ".join(rng.choices(notes, k=rng.randint(2, 5))) for _ in range(UTTERANCES)]
        sound = np.concatenate([*(speak(text) for text in texts), silence(0.5)])
        whole = BLOCK_BYTES // 2
        found.append(np.pad(sound, (0, -len(sound) % whole)))
    return found


Wire = TypeVar("Wire", bound=FaultyWire)


class Campaign:
    """Runs the faults.

    Args:
        seed: decides about all of them.
        count: how many.
        sessions: at once, of all dialects in turn.
        dialects: those that take part.
        pace: how much faster than speech.
        kill_every: faults between two deaths of the daemon or the broker, 0 for none.

    Attributes:
        life_s: how long the daemon lives at last, however many faults that takes.
    """

    life_s = 0.0

    def __init__(
        self,
        *,
        seed: int,
        count: int,
        sessions: int,
        dialects: Sequence[str] = DIALECTS,
        pace: float = 4.0,
        kill_every: int = KILL_EVERY,
    ) -> None:
        self.tally = Tally()
        self.accounts = {dialect: Account() for dialect in dialects}
        self.lives: list[Life] = []
        self._rng = random.Random(seed)
        self._count = count
        self._pace = pace
        self._kill_every = kill_every
        self._cast = list(itertools.islice(itertools.cycle(dialects), sessions))
        self._recordings = recordings(seed, sessions)
        self._expected: list[Said] = []
        self._epoch = 0  # of the daemon and the broker
        self.deaths: Counter[str] = Counter()  # of either
        self._attempts = itertools.count()
        self._up = asyncio.Event()

        def wire(kind: type[Wire]) -> Wire:
            return kind(random.Random(self._rng.random()), self.tally, lambda: self.is_over)

        self._web, self._tcp = wire(DialectWire), wire(DialectWire)
        self._path, self._link = wire(PathWire), wire(BrokerWire)
        self._broker: Mosquitto | None = None

    @property
    def is_over(self) -> bool:
        """Whether there were faults enough, and the daemon lived on for long enough."""
        enough = self.tally.faults.total() >= self._count
        return enough and self.longest.lasted_s >= self.life_s

    async def run(self, directory: Path, progress: Progress) -> None:
        """Break things until there were faults enough."""
        bar = progress.add_task("undisturbed", total=self._count)
        async with AsyncExitStack() as stack:
            if {*BROKERED} & {*self.accounts}:
                self._broker = stack.enter_context(broker(directory))
            for wire in (self._web, self._tcp, self._path, self._link):
                await stack.enter_async_context(entrance(wire))
            daemon = await self._daemon(directory)
            try:
                await self._break_all(daemon, lambda done: progress.update(bar, completed=done))
            finally:
                await daemon.kill()
            if found := [word for word in LOG_OF_FAULTS if word in daemon.complaints]:
                log = daemon.complaints[-4_000:]
                self.tally.wrong.append(f"the daemon's log has {found}: {log}")
        if (self.longest.grown or 0.0) > GROWTH_MAX:
            self.tally.wrong.append(self.longest.verdict)

    @property
    def longest(self) -> Life:
        """The life that lasted longest."""
        return max(self.lives, key=lambda life: life.lasted_s, default=Life())

    async def _daemon(self, directory: Path) -> Program:
        """Start the daemon, and lay the wires to it."""
        wyoming_port = free_port()
        more = CONFIG.format(
            vosk=free_port(),
            sherpa=free_port(),
            wyoming=wyoming_port,
            directory=directory,
            has_broker=str(self._broker is not None).lower(),
            broker=self._link.url.rpartition(":")[2],
        )
        self._link.port = None if self._broker is None else self._broker.port
        daemon = Program(
            directory,
            max_sessions=3 * len(self._cast),
            module="tests.daemon.humming",
            more=more,
            waits=Waits(idle_s=IDLE_S),
        )
        await daemon.start()
        self._path.path = str(directory / "wyoming.sock")
        self._ports = {self._web: daemon.port, self._tcp: wyoming_port, self._path: 1}
        return daemon

    async def _break_all(self, daemon: Program, report: Callable[[int], None]) -> None:
        self._expected = await asyncio.gather(
            *(said(daemon.url, _in_blocks(sound), pace=self._pace) for sound in self._recordings)
        )
        self._lead(to_it=True)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watch(daemon, report))
            killer = tasks.create_task(self._kill_now_and_then(daemon))
            async with asyncio.TaskGroup() as speakers:
                for number, dialect in enumerate(self._cast):
                    speakers.create_task(self._speak(number, dialect))
            for task in (watch, killer):
                task.cancel()

    def _lead(self, *, to_it: bool) -> None:
        """Let clients find the daemon, or nobody."""
        for wire, port in self._ports.items():
            wire.port = port if to_it else None
        if to_it:
            self._up.set()
        else:
            self._up.clear()

    # Sessions.

    async def _speak(self, number: int, dialect: str) -> None:
        """Say one recording again and again until there were faults enough."""
        while not self.is_over:
            await self._up.wait()
            if dialect in BROKERED and not self._link.is_whole:
                await asyncio.sleep(SETTLED_S)  # what is said now would not be heard
            elif dialect == "native":
                await self._resume(number)
            else:
                await self._begin_anew(number, dialect)

    async def _resume(self, number: int) -> None:
        """Speak in the native dialect, whose finals all come, once each."""
        account = self.accounts["native"]
        blocks = _in_blocks(self._recordings[number])
        deaths = self._deaths_of("native")
        try:
            found = await said(self._web.url, blocks, pace=self._pace)
        except NotBegunError:
            account.full += 1
            await asyncio.sleep(FULL_S)
            return
        except StenoClientsError as error:
            self.tally.wrong.append(f"native {number} was lost: {error}")
            return
        finally:
            account.kills += self._deaths_of("native") - deaths
        account.whole += 1
        account.words += len(words(found))
        self.tally.sessions += 1
        if found != self._expected[number]:
            self.tally.wrong.append(f"native: {difference(number, found, self._expected)}")

    async def _begin_anew(self, number: int, dialect: str) -> None:
        """Speak in another dialect, in a session of its own each time."""
        account = self.accounts[dialect]
        talk = Talk(pcm(self._recordings[number]), self._pace)
        before, deaths = self._state(dialect), self._deaths_of(dialect)
        broken = True
        try:
            await self._speaker(dialect, before)(talk)
            broken = self._state(dialect) != before
        except FullError:
            account.full += 1
            await asyncio.sleep(FULL_S)
            return
        except BrokenError:
            pass
        finally:
            account.kills += self._deaths_of(dialect) - deaths
        self.tally.sessions += 1
        account.words += len(talk.heard)
        account.broken += broken
        account.whole += not broken
        if fault := self._fault(talk.heard, number, dialect, broken=broken):
            self.tally.wrong.append(f"{dialect} {number}: {fault}")
        if broken:
            await asyncio.sleep(0.05)

    def _state(self, dialect: str) -> tuple[int, int]:
        """Return what changes where a session may have lost what it does not know of."""
        return self._epoch, self._link.changes if dialect in BROKERED else 0

    def _deaths_of(self, dialect: str) -> int:
        """Return how often so far something died that sessions of a dialect need."""
        return self.deaths["daemon"] + (self.deaths["broker"] if dialect in BROKERED else 0)

    def _speaker(self, dialect: str, before: tuple[int, int]) -> Callable[[Talk], Awaitable[None]]:
        """Return what speaks a dialect; `before` was its state when it began."""
        match dialect:
            case "wyoming" | "wyoming-unix":
                wire = self._tcp if dialect == "wyoming" else self._path
                return partial(wyoming, address=wire.url.removeprefix("ws://"))
            case "hermes" | "mqtt":
                assert self._broker is not None
                return partial(
                    hermes if dialect == "hermes" else plain,
                    port=self._broker.port,
                    name=f"speaker-{next(self._attempts)}",
                    lost=lambda: self._state(dialect) != before,
                )
            case _:
                return lambda talk: WEBSOCKETS[dialect](talk, self._web.url)

    def _fault(self, heard: list[str], number: int, dialect: str, *, broken: bool) -> str | None:
        """Return in words what is wrong with what was heard."""
        whole = words(self._expected[number])
        if foreign := {*heard} - {*whole}:
            return f"expected notes of its own, found {sorted(foreign)}"
        if not broken and heard != whole:
            return f"expected {whole}, found {heard}"
        if dialect not in BROKERED and not is_prefix(heard, whole):
            return f"expected the beginning of {whole}, found {heard}"
        return None

    # The daemon and the broker.

    async def _kill_now_and_then(self, daemon: Program) -> None:
        done = 0
        deaths = itertools.cycle(DEATHS)
        while self._kill_every:
            await asyncio.sleep(0.05)
            total = self.tally.faults.total()
            if total // self._kill_every > done and total < DYING_SHARE * self._count:
                done = total // self._kill_every
                await self._one_death(daemon, next(deaths))

    async def _one_death(self, daemon: Program, kind: str) -> None:
        self._epoch += 1
        if kind == "broker" and self._broker is not None:
            self.deaths["broker"] += 1
            self.tally.faults["kill -9 of the broker"] += 1
            self._broker.stop()
            await asyncio.to_thread(self._broker.start)
        else:
            self.deaths["daemon"] += 1
            self.tally.faults[kind] += 1
            self._lead(to_it=False)
            if kind == "restart" and (status := await daemon.stop()):
                self.tally.wrong.append(f"expected the daemon to end with 0, found {status}")
            await daemon.kill()
            await daemon.start()
            self.lives.append(Life())
            self._lead(to_it=True)
        self._epoch += 1

    async def _watch(self, daemon: Program, report: Callable[[int], None]) -> None:
        """Look at the memory, and say how far it is."""
        self.lives.append(Life())
        while True:
            report(min(self._count, self.tally.faults.total()))
            if daemon.is_running and self._up.is_set():
                self.lives[-1].memories_mb.append(daemon.resident_mb)
            await asyncio.sleep(LOOK_S)


def _in_blocks(sound: FloatArray) -> list[FloatArray]:
    size = BLOCK_BYTES // 2
    return [sound[at : at + size] for at in range(0, len(sound), size)]


def main() -> int:
    """Run the campaign; returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="faults (%(default)s)")
    parser.add_argument("--sessions", type=int, default=18, help="at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides about all (%(default)s)")
    parser.add_argument("--pace", type=float, default=4.0, help="times speech (%(default)s)")
    parser.add_argument("--kill-every", type=int, default=KILL_EVERY, help="faults (%(default)s)")
    parser.add_argument("--dialects", default=",".join(DIALECTS), help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a report there, too")
    given = parser.parse_args()
    campaign = Campaign(
        seed=given.seed,
        count=given.count,
        sessions=given.sessions,
        dialects=given.dialects.split(","),
        pace=given.pace,
        kill_every=given.kill_every,
    )
    campaign.life_s = LIFE_S
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        asyncio.run(campaign.run(Path(folder), progress))
        lines = [f"{count:6d}  {kind}" for kind, count in sorted(campaign.tally.faults.items())]
        progress.console.print(*lines, sep="\n", highlight=False)
        progress.console.print(table(campaign.accounts))
        wrong = campaign.tally.wrong
        progress.console.print(
            f"{campaign.longest.verdict}; {len(wrong)} things are wrong",
            *wrong, sep="\n", highlight=False, markup=False,
        )  # fmt: skip
    if given.json is not None:
        options = {name: value for name, value in vars(given).items() if name != "json"}
        found = report(campaign.tally, campaign.accounts, campaign.longest)
        given.json.write_text(json.dumps({"options": options, **found}, indent=1))
    return 1 if wrong or not all(one.words for one in campaign.accounts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
