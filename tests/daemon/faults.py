"""The fault campaign: sessions that stream known recordings over wires that break all the time.

    python -m tests.daemon.faults --count 1000 --sessions 10 --seed 1

Connections break at message boundaries and inside frames, in both directions; they stall; clients
read slowly; and now and then the daemon is killed with SIGKILL and started again. After each
session its finals are compared with those of an undisturbed one: none may be lost, repeated or
another's. So that the two hear the same, chunks are not made to end together with those of others:
where they end would hang on when a session began, and a word in some hundred hangs on that.
"""

import argparse
import asyncio
import itertools
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import Progress
from tests.clients.breaking import Break, Cut, Wire, entrance
from tests.daemon.program import WAIT_S, Program, Waits

from steno_clients.errors import (
    ConnectionFailedError,
    ConnectionLostError,
    ServerError,
    StenoClientsError,
)
from steno_clients.file import FloatArray, read_blocks
from steno_clients.websocket import Resumption, StenoClient
from steno_daemon.wire import ErrorCode, Final

CLIPS = Path(__file__).resolve().parents[1] / "data" / "librivox"
BLOCK_MS = 100
RATE = 16_000

Said = list[tuple[str, float, float]]


@dataclass(slots=True)
class Tally:
    """What happened so far.

    Attributes:
        faults: by kind.
        sessions: that came to their end.
        unopened: connections that broke before there was a session.
        wrong: what was lost, repeated or foreign, in words.
    """

    faults: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    unopened: int = 0
    wrong: list[str] = field(default_factory=list)


class _Reader:
    """A reader that stalls now and then, and may end at a message boundary."""

    def __init__(self, reader: asyncio.StreamReader, wire: "FaultyWire") -> None:
        self._reader = reader
        self._wire = wire
        self._left = wire.rng.randrange(*wire.reads)

    async def read(self, most: int) -> bytes:
        """Return the next bytes, late or never."""
        self._left -= 1
        if self._left == 0 and self._wire.breaks("at a boundary"):
            return b""
        if self._wire.rng.random() < self._wire.stall_share and self._wire.breaks("stall"):
            await asyncio.sleep(self._wire.rng.uniform(0.05, 0.6))
        if self._wire.rng.random() < self._wire.stall_share and self._wire.breaks("slow reader"):
            most = 64
        return await self._reader.read(most)


class FaultyWire(Wire):
    """Breaks connections at random until it has done so often enough.

    Args:
        rng: decides.
        tally: counts.
        is_enough: says whether there were faults enough.

    Attributes:
        reads: after how many pieces of data a connection may end at a message boundary.
        median_bytes: after how many bytes of audio it breaks inside a frame, typically.
        downward_share: so many bytes come back for each that goes up.
        stall_share: of the pieces of data that are held up, and as many are read slowly.
    """

    reads = (5, 120)
    median_bytes = 60_000
    stall_share = 0.01
    downward_share = 1 / 32

    def __init__(self, rng: random.Random, tally: Tally, is_enough: Callable[[], bool]) -> None:
        super().__init__(None, self._random_cuts())
        self.rng = rng
        self._tally = tally
        self._is_enough = is_enough

    def breaks(self, kind: str) -> bool:
        """Count a fault and say that it may happen, unless there were enough."""
        if self._is_enough():
            return False
        self._tally.faults[kind] += 1
        return True

    async def _pump(  # the one step of the wire that faults are in
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: list[asyncio.StreamWriter],
        cut: Cut | None,
        left: int | None,
    ) -> None:
        stalling: object = _Reader(reader, self)
        assert isinstance(stalling, _Reader)
        await super()._pump(stalling, writer, ends, cut, left)  # type: ignore[arg-type]

    async def _break(self, how: Break, ends: list[asyncio.StreamWriter]) -> None:
        if self.breaks(f"inside a frame: {how.value}"):
            await super()._break(how, ends)

    def _random_cuts(self) -> Iterator[Cut]:
        """Yield where connections break: two in three somewhere, one nowhere by a count."""
        while True:
            how = self.rng.choice([Break.RESET, Break.EOF])
            at = int(self.rng.lognormvariate(math.log(self.median_bytes), 1.5))
            yield self.rng.choice(
                [
                    Cut(upward=at, downward=None, how=how),
                    Cut(upward=None, downward=round(at * self.downward_share) + 400, how=how),
                    Cut(upward=None, downward=None, how=how),
                ]
            )


def recordings(seed: int, sessions: int) -> list[list[FloatArray]]:
    """Return what each session says, in blocks: the clips in an order of its own."""
    clips = [list(read_blocks(path, block_ms=BLOCK_MS)) for path in sorted(CLIPS.glob("*.flac"))]
    orders = list(itertools.permutations(range(len(clips)), 3))
    random.Random(seed).shuffle(orders)
    pause = [np.zeros(len(clips[0][0]), np.float32)] * 12
    return [
        [block for clip in order for block in (*clips[clip], *pause)] for order in orders[:sessions]
    ]


class NotBegunError(StenoClientsError):
    """The connection broke before a session began that could be resumed.

    Nothing was said by then, and nothing acknowledged: whoever is left without `ready` begins anew.
    """


class NoRoomError(NotBegunError):
    """The daemon has no room for a session now."""


async def said(url: str, blocks: Sequence[FloatArray], *, pace: float) -> Said:
    """Stream a recording at `pace` times the speed of speech; return the finals.

    Raises:
        NoRoomError: it was turned away.
        NotBegunError: the connection broke before `ready`.
        StenoClientsError: the session was refused or lost.
    """
    stubborn = Resumption(resume_s=WAIT_S)
    async with AsyncExitStack() as stack:
        link = StenoClient.connect(url, rate=RATE, timeout_s=WAIT_S, resume=stubborn)
        try:
            client = await stack.enter_async_context(link)
        except (ConnectionFailedError, ConnectionLostError) as error:
            raise NotBegunError(f"expected a session, found: {error}") from error
        except ServerError as error:
            if error.error.code is not ErrorCode.OVERLOADED:
                raise
            raise NoRoomError(str(error)) from error

        async def speak() -> None:
            due_s = time.monotonic()
            for block in blocks:
                await client.send(block)
                due_s += len(block) / RATE / pace
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await client.stop()

        speaking = asyncio.create_task(speak())
        found = [event async for event in client]
        await speaking
    return [(event.text, event.start, event.end) for event in found if isinstance(event, Final)]


def words(finals: Said) -> list[str]:
    """Return the words of finals."""
    return [word for text, _, _ in finals for word in text.split()]


class Campaign:
    """Runs the faults.

    Args:
        seed: decides about all of them.
        count: how many.
        sessions: at once.
        pace: how much faster than speech.
        kill_every: faults between two deaths of the daemon, 0 for none.
    """

    def __init__(
        self, *, seed: int, count: int, sessions: int, pace: float = 4.0, kill_every: int = 100
    ) -> None:
        self.tally = Tally()
        self._wire = FaultyWire(random.Random(seed), self.tally, lambda: self.is_over)
        self._count = count
        self._recordings = recordings(seed, sessions)
        self._pace = pace
        self._kill_every = kill_every

    @property
    def is_over(self) -> bool:
        """Whether there were faults enough."""
        return self.tally.faults.total() >= self._count

    async def run(self, directory: Path, progress: Progress) -> Tally:
        """Return what happened."""
        bar = progress.add_task("undisturbed", total=self._count)
        daemon = Program(directory, max_sessions=2 * len(self._recordings), waits=Waits(batch_ms=0))
        await daemon.start()
        try:
            expected = await asyncio.gather(
                *(
                    said(f"ws://127.0.0.1:{daemon.port}", blocks, pace=self._pace)
                    for blocks in self._recordings
                )
            )
            async with AsyncExitStack() as stack:
                self._wire.port = daemon.port
                await stack.enter_async_context(entrance(self._wire))
                progress.update(bar, description="faults")
                killer = asyncio.create_task(self._kill_now_and_then(daemon))
                try:
                    async with asyncio.TaskGroup() as speakers:
                        for number, blocks in enumerate(self._recordings):
                            speakers.create_task(self._speak(number, blocks, expected))
                        while not self.is_over:
                            progress.update(bar, completed=self.tally.faults.total())
                            await asyncio.sleep(0.5)
                finally:
                    killer.cancel()
        finally:
            await daemon.kill()
        return self.tally

    async def _speak(
        self, number: int, blocks: Sequence[FloatArray], expected: Sequence[Said]
    ) -> None:
        """Say one recording again and again until there were faults enough."""
        while not self.is_over:
            if self._wire.port is None:  # killed: who has no session yet cannot resume one
                await asyncio.sleep(0.05)
                continue
            try:
                found = await said(self._wire.url, blocks, pace=self._pace)
            except NotBegunError:
                self.tally.unopened += 1
                await asyncio.sleep(0.05)
                continue
            except StenoClientsError as error:
                self.tally.wrong.append(f"session {number} was lost: {error}")
                continue
            self.tally.sessions += 1
            if found != expected[number]:
                self.tally.wrong.append(difference(number, found, expected))

    async def _kill_now_and_then(self, daemon: Program) -> None:
        done = 0
        while self._kill_every:
            await asyncio.sleep(0.05)
            if self.tally.faults.total() // self._kill_every > done and not self.is_over:
                done = self.tally.faults.total() // self._kill_every
                self.tally.faults["kill -9"] += 1
                self._wire.port = None
                await daemon.kill()
                await daemon.start()
                self._wire.port = daemon.port


def difference(number: int, found: Said, expected: Sequence[Said]) -> str:
    """Return in words what is wrong with a session."""
    mine = Counter(expected[number])
    lost, more = mine - Counter(found), Counter(found) - mine
    others = {text for i, other in enumerate(expected) if i != number for text, _, _ in other}
    foreign = [
        entry for entry in more if entry[0] in others and entry[0] not in {t for t, *_ in mine}
    ]
    return f"session {number}: lost {list(lost)}, more {list(more)}, of others {foreign}"


def main() -> int:
    """Run the campaign; returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="faults (%(default)s)")
    parser.add_argument("--sessions", type=int, default=10, help="at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides about all (%(default)s)")
    parser.add_argument("--pace", type=float, default=4.0, help="times speech (%(default)s)")
    parser.add_argument("--kill-every", type=int, default=100, help="faults (%(default)s)")
    given = parser.parse_args()
    campaign = Campaign(
        seed=given.seed,
        count=given.count,
        sessions=given.sessions,
        pace=given.pace,
        kill_every=given.kill_every,
    )
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        tally = asyncio.run(campaign.run(Path(folder), progress))
        lines = [f"{count:6d}  {kind}" for kind, count in sorted(tally.faults.items())]
        lines.append(f"{tally.unopened:6d}  connections broke before there was a session")
        lines.append(f"{tally.sessions:6d}  sessions ended, {len(tally.wrong)} were wrong")
        progress.console.print(*lines, *tally.wrong, sep="\n", highlight=False)
    return 1 if tally.wrong or not tally.sessions else 0


if __name__ == "__main__":
    sys.exit(main())
