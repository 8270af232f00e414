"""How long a swap of the language model takes to count, while people speak.

    python -m tests.daemon.swaps --sessions 20 --domains 5 --seconds 120
    python -m tests.daemon.swaps --load-ngrams 1000000

The first one runs a daemon with the shipped bundle and as many domains as said, lets sessions hear
clips at the speed of speech, and swaps one of them a second, "now" and "segment" in turn. It counts
from the administrator's call to the session's `switched`, and to the effect: where words were shown
that count anew, the first partial under the other model, else `switched`. For "segment" the call
includes the rest of what is being said, so there it also counts from the endpoint. Beside that it
says how busy the daemon's engine was and how late this program itself, and what memory the daemon
has after the last domain was retired, compared with how it was after a short round of the same. The
second one writes a domain of so many random n-grams, times how long a daemon takes to load it, off
its loop, and how late its loop is meanwhile.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests.daemon.random_domains import write_random
from tests.daemon.seen_from_outside import engine_busy_s, mapped_files, memory_mb

from steno_clients import admin
from steno_clients.connection import Door
from steno_clients.file import SAMPLE_RATE, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.domains import Domains
from steno_daemon.library import Library
from steno_daemon.wire import Endpoint, Final, Load, Partial, ServerMessage, Switched, When
from steno_models import bundle
from steno_models.domain import Domain, Loader

CLIPS = Path(__file__).resolve().parents[1] / "data" / "librivox"
CONFIG = """
[server]
port = 0
[engine]
max_sessions = {sessions}
degrade = false
batch_wait_ms = {wait_ms}
domains_directory = "{folder}"
"""
BLOCK_MS = 40
WARM_UP_S = 10.0
"""Of swaps before anything is measured: what is made once is there then."""
SETTLE_S = 6.0
"""A daemon gives memory back after so long at the latest."""
PAUSE = [np.zeros(SAMPLE_RATE * BLOCK_MS // 1000, np.float32)] * (1200 // BLOCK_MS)
"""Between clips, long enough to end an utterance."""


@dataclass(frozen=True, slots=True)
class Counted:
    """When a swap counted, by the monotonic clock: told of, seen in words, and what it waited for.

    Attributes:
        told_s: when `switched` came.
        effect_s: when the first words under the other model came, where there were words.
        free_s: the last endpoint before it; 0 where there was none.
    """

    told_s: float
    effect_s: float
    free_s: float


@dataclass(slots=True)
class Took:
    """How long the swaps of one kind took, in seconds, as in `Counted`."""

    told_s: list[float] = field(default_factory=list)
    effect_s: list[float] = field(default_factory=list)
    free_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Heard:
    """What the sessions said.

    Attributes:
        swaps: of each session.
        finals: how many finals there were.
        late_s: how late blocks were sent.
        degraded: how often a session was decoded with less effort.
    """

    swaps: dict[str, asyncio.Queue[Counted]] = field(default_factory=dict)
    finals: int = 0
    late_s: list[float] = field(default_factory=list)
    degraded: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """What came of it when sessions spoke for a while.

    Attributes:
        heard: what they said.
        taken: how long swaps took.
        share: of the time, how long the engine worked.
    """

    heard: Heard
    taken: dict[When, Took]
    share: float


class Watch:
    """Follows what one session says, and notes its swaps.

    Args:
        swaps: takes them.
    """

    def __init__(self, swaps: asyncio.Queue[Counted]) -> None:
        self._swaps = swaps
        self._shows_words = False  # of the segment that is open
        self._free_s = 0.0
        self._told_s: float | None = None

    def hear(self, event: ServerMessage) -> None:
        """Take the next event."""
        now_s = time.monotonic()
        if self._told_s is not None and isinstance(event, Partial | Final | Endpoint):
            self._swaps.put_nowait(Counted(self._told_s, now_s, self._free_s))
            self._told_s = None
        match event:
            case Partial():
                self._shows_words = bool(event.text)
            case Endpoint():
                self._shows_words, self._free_s = False, now_s
            case Switched() if event.segment is not None and self._shows_words:
                self._told_s = now_s
            case Switched():
                self._swaps.put_nowait(Counted(now_s, now_s, self._free_s))
            case _:
                pass


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def write_config(file: Path, folder: Path, sessions: int, wait_ms: int) -> Path:
    """The configuration of a daemon with the domains of a folder."""
    file.write_text(CONFIG.format(sessions=sessions, folder=folder, wait_ms=wait_ms))
    return file


@asynccontextmanager
async def daemon(folder: Path, sessions: int) -> AsyncIterator[str]:
    """The address of a daemon with the domains of a folder, in which nobody waits for others."""
    async with daemon_process(folder, sessions, wait_ms=0) as (url, _):
        yield url


@asynccontextmanager
async def daemon_process(
    folder: Path, sessions: int, *, wait_ms: int = 200
) -> AsyncIterator[tuple[str, int]]:
    """The address and the number of a daemon, a process of its own."""
    with tempfile.TemporaryDirectory() as made:
        file = write_config(Path(made, "stenod.toml"), folder, sessions, wait_ms)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno_daemon", "--config", file, "--log-level", "error"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            line = (await process.stdout.readline()).decode().split()
            if line[:1] != ["ready:"]:
                raise RuntimeError(f"expected the daemon to get ready, found {line}")
            yield line[1], process.pid
        finally:
            process.terminate()
            await process.wait()


async def speak(client: StenoClient, begin: int, until_s: float, heard: Heard) -> None:
    """Let a session hear clips at the speed of speech, and note what it says."""
    clips = sorted(CLIPS.glob("*.flac"))
    clock = asyncio.get_running_loop().time

    async def listen() -> None:
        watch = Watch(heard.swaps[client.ready.session])
        async for event in client:
            watch.hear(event)
            heard.finals += isinstance(event, Final)
            heard.degraded += isinstance(event, Load) and event.degraded > 0

    listener = asyncio.create_task(listen())
    due_s = clock()
    for clip in itertools.cycle(clips[begin % len(clips) :] + clips[: begin % len(clips)]):
        for block in itertools.chain(read_blocks(clip, block_ms=BLOCK_MS), PAUSE):
            await client.send(block)
            due_s += len(block) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, due_s - clock()))
            heard.late_s.append(clock() - due_s)
        if clock() > until_s:
            break
    await client.stop()
    await listener


async def swap(url: str, names: Sequence[str], heard: Heard, seconds: float) -> dict[When, Took]:
    """Swap a session a second, and return how long each took to count."""
    taken = {when: Took() for when in When}
    rng = random.Random(0)
    waiting: list[asyncio.Task[None]] = []

    async def one(session: str, name: str, when: When) -> None:
        began_s = time.monotonic()
        await asyncio.to_thread(admin.swap_domain, Door(url=url), session, name, at=when)
        counted = await heard.swaps[session].get()
        taken[when].told_s.append(counted.told_s - began_s)
        taken[when].effect_s.append(counted.effect_s - began_s)
        taken[when].free_s.append(counted.told_s - max(began_s, counted.free_s))
        idle.append(session)

    # A session that has not changed yet is left alone: another swap would take the place of it.
    idle = deque(heard.swaps)
    has: dict[str, str] = {}
    whens = itertools.cycle(When)
    for _ in range(round(seconds)):
        if idle:
            session = idle.popleft()
            # Another one than it has: to go on with that would change no words.
            has[session] = rng.choice([name for name in names if name != has.get(session)])
            waiting.append(asyncio.create_task(one(session, has[session], next(whens))))
        await asyncio.sleep(1.0)
    done, late = await asyncio.wait(waiting, timeout=60)
    for task in done:
        task.result()
    if late:
        for task in late:
            task.cancel()
        say(f"{len(late)} swaps did not count before the end")
    return taken


async def talk(url: str, sessions: int, names: Sequence[str], seconds: float) -> Round:
    """Let sessions hear clips while their language models are swapped."""
    heard, busy_s = Heard(), engine_busy_s(url)
    clients = [StenoClient.connect(url, rate=SAMPLE_RATE) for _ in range(sessions)]
    opened = [await client.__aenter__() for client in clients]
    heard.swaps |= {client.ready.session: asyncio.Queue() for client in opened}
    began_s = time.monotonic()
    until_s = asyncio.get_running_loop().time() + seconds + 5
    talks = [
        asyncio.create_task(speak(client, number, until_s, heard))
        for number, client in enumerate(opened)
    ]
    taken = await swap(url, names, heard, seconds)
    await asyncio.gather(*talks)
    share = (engine_busy_s(url) - busy_s) / (time.monotonic() - began_s)
    for client in clients:
        await client.__aexit__(None, None, None)
    return Round(heard, taken, share)


async def retired_mb(url: str, pid: int, names: Sequence[str]) -> float:
    """The memory of a daemon once all domains are retired, and it has given back what was free."""
    for name in names:
        await asyncio.to_thread(admin.retire_domain, Door(url=url), name)
    await asyncio.sleep(SETTLE_S)
    return memory_mb(pid)


async def measure_swaps(sessions: int, domains: int, seconds: float, ngrams: int) -> None:
    """Print how long swaps take."""
    with tempfile.TemporaryDirectory() as made:
        names = [f"domain{number}" for number in range(domains)]
        for number, name in enumerate(names):
            write_random(Path(made, name), name, words=5_000, ngrams=ngrams, seed=number)
        async with daemon_process(Path(made), sessions) as (url, pid):
            await talk(url, sessions, names, WARM_UP_S)
            before = await retired_mb(url, pid, names)
            for name in names:
                await asyncio.to_thread(admin.load_domain, Door(url=url), name)
            found = await talk(url, sessions, names, seconds)
            spoken = memory_mb(pid)
            retired = await retired_mb(url, pid, names)
            mapped = mapped_files(pid, Path(made))
    heard = found.heard
    for when, took in found.taken.items():
        say(f"{when.value:8} told:   {_summary(took.told_s)}")
        say(f"{when.value:8} effect: {_summary(took.effect_s)}")
    say(f"segment, counted from the endpoint: {_summary(found.taken[When.SEGMENT].free_s)}")
    say(
        f"{heard.finals} finals of {sessions} sessions, {heard.degraded} times with less effort; "
        f"the engine worked {found.share:.0%} of the time; blocks were sent "
        f"{1000 * float(np.quantile(heard.late_s, 0.95)):.0f} ms late (p95)"
    )
    say(
        f"memory: {before:.0f} MB without domains, {spoken:.0f} MB after the swaps, "
        f"{retired:.0f} MB after the last domain was retired ({retired / before - 1:+.1%}), with "
        f"{mapped} files of domains mapped"
    )


def _summary(times: Sequence[float]) -> str:
    if not times:
        return "none"
    p95 = float(np.quantile(times, 0.95))
    return (
        f"{len(times)}: median {1000 * statistics.median(times):.0f} ms, p95 {1000 * p95:.0f} ms, "
        f"longest {1000 * max(times):.0f} ms"
    )


async def measure_load(ngrams: int) -> None:
    """Print how long a domain of so many n-grams takes to load, and how late the loop was."""
    loader, worked_s = Loader(bundle.load("en")), list[float]()

    def load(path: Path) -> Domain:
        began_s = time.thread_time()
        domain = loader(path)
        worked_s.append(time.thread_time() - began_s)
        return domain

    with tempfile.TemporaryDirectory() as made:
        folder = write_random(Path(made, "large"), "large", words=50_000, ngrams=ngrams)
        size_mb = (folder / "large.bin").stat().st_size / 1e6
        domains = Domains()
        library = Library(domains, load, Path(made))
        worst_s, running = 0.0, True

        async def watch() -> None:
            nonlocal worst_s
            while running:
                began_s = time.monotonic()
                await asyncio.sleep(0.005)
                worst_s = max(worst_s, time.monotonic() - began_s - 0.005)

        watcher = asyncio.create_task(watch())
        times = []
        for _ in range(3):
            began_s = time.monotonic()
            version = await library.load("large")
            times.append(time.monotonic() - began_s)
        running = False
        await watcher
        found = version.domain.description.ngrams if version.domain else ()
    say(
        f"{sum(found):,} n-grams, {size_mb:.1f} MB: loaded in {min(times):.2f} s at best, "
        f"{max(times):.2f} s at worst, {1000 * min(worked_s):.0f} ms of a processor; the loop was "
        f"late by {1000 * worst_s:.0f} ms at most"
    )


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=20, help="that speak at once (%(default)s)")
    parser.add_argument("--domains", type=int, default=5, help="to swap between (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of swaps (%(default)s)")
    parser.add_argument("--ngrams", type=int, default=50_000, help="of each domain (%(default)s)")
    parser.add_argument("--load-ngrams", type=int, metavar="N", help="time a load instead")
    given = parser.parse_args()
    if given.load_ngrams:
        asyncio.run(measure_load(given.load_ngrams))
    else:
        asyncio.run(measure_swaps(given.sessions, given.domains, given.seconds, given.ngrams))


if __name__ == "__main__":
    main()
