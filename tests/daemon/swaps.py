"""How long a swap of the language model takes to count, while people speak.

    python -m tests.daemon.swaps --sessions 20 --domains 5 --seconds 120
    python -m tests.daemon.swaps --load-ngrams 1000000

The first one runs a daemon with the shipped bundle and as many domains as said, lets sessions hear
clips at the speed of speech, and swaps one of them a second, "now" and "segment" in turn. A swap
counts from the administrator's call to the session's `switched`; for "segment" that includes the
rest of what is being said. The second one writes a domain of so many random n-grams, times how
long a daemon takes to load it, off its loop, and how late its loop is meanwhile.
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
from tests.models.domains import write_domain

from steno_clients import admin
from steno_clients.connection import Door
from steno_clients.file import SAMPLE_RATE, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.domains import Domains
from steno_daemon.library import Library
from steno_daemon.wire import Final, Switched, When
from steno_models import bundle
from steno_models.domain import Domain, Loader
from steno_models.text.lexicon import Lexicon

CLIPS = Path(__file__).resolve().parents[1] / "data" / "librivox"
LEXICON = bundle.BUNDLES / "en" / "lm" / "general.lexicon.txt"
CONFIG = """
[server]
port = 0
[engine]
max_sessions = {sessions}
degrade = false
domains_directory = "{folder}"
"""
BLOCK_MS = 40
SENTENCE_WORDS = 12
PAUSE = [np.zeros(SAMPLE_RATE * BLOCK_MS // 1000, np.float32)] * (1200 // BLOCK_MS)
"""Between clips, long enough to end an utterance."""


@dataclass(slots=True)
class Heard:
    """What the sessions said.

    Attributes:
        switched_s: when each session said last that it switched, by the monotonic clock.
        finals: how many finals there were.
    """

    switched_s: dict[str, asyncio.Queue[float]] = field(default_factory=dict)
    finals: int = 0


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def random_sentences(words: Sequence[str], ngrams: int, seed: int) -> list[str]:
    """Sentences with about so many different n-grams in them."""
    rng = random.Random(seed)
    # A sentence of n random words brings about 2 n n-grams of two and three words that are new.
    count = ngrams // (2 * SENTENCE_WORDS)
    return [" ".join(rng.choices(words, k=SENTENCE_WORDS)) for _ in range(count)]


def write_random(folder: Path, name: str, *, words: int, ngrams: int, seed: int = 0) -> Path:
    """A domain of words of the shipped lexicon that follow each other at random."""
    lexicon = Lexicon.read(LEXICON)
    known = sorted(lexicon)
    chosen = random.Random(seed).sample(known, min(words, len(known)))
    sounds = {word: " ".join(lexicon[word][0]) for word in chosen}
    return write_domain(folder, name, random_sentences(chosen, ngrams, seed), sounds, order=3)


def write_config(file: Path, folder: Path, sessions: int) -> Path:
    """The configuration of a daemon with the domains of a folder."""
    file.write_text(CONFIG.format(sessions=sessions, folder=folder))
    return file


@asynccontextmanager
async def daemon(folder: Path, sessions: int) -> AsyncIterator[str]:
    """The address of a daemon, a process of its own, with the domains of a folder."""
    with tempfile.TemporaryDirectory() as made:
        file = write_config(Path(made, "stenod.toml"), folder, sessions)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno_daemon", "--config", file, "--log-level", "error"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            line = (await process.stdout.readline()).decode().split()
            if line[:1] != ["ready:"]:
                raise RuntimeError(f"expected the daemon to get ready, found {line}")
            yield line[1]
        finally:
            process.terminate()
            await process.wait()


async def speak(client: StenoClient, begin: int, until_s: float, heard: Heard) -> None:
    """Let a session hear clips at the speed of speech, and note what it says."""
    clips = sorted(CLIPS.glob("*.flac"))
    clock = asyncio.get_running_loop().time

    async def listen() -> None:
        async for event in client:
            if isinstance(event, Switched):
                await heard.switched_s[client.ready.session].put(time.monotonic())
            heard.finals += isinstance(event, Final)

    listener = asyncio.create_task(listen())
    due_s = clock()
    for clip in itertools.cycle(clips[begin % len(clips) :] + clips[: begin % len(clips)]):
        for block in itertools.chain(read_blocks(clip, block_ms=BLOCK_MS), PAUSE):
            await client.send(block)
            due_s += len(block) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, due_s - clock()))
        if clock() > until_s:
            break
    await client.stop()
    await listener


async def swap(
    url: str, names: Sequence[str], heard: Heard, seconds: float
) -> dict[When, list[float]]:
    """Swap a session a second, and return how long each took to count."""
    taken: dict[When, list[float]] = {when: [] for when in When}
    rng = random.Random(0)
    waiting: list[asyncio.Task[None]] = []

    async def one(session: str, name: str, when: When) -> None:
        began_s = time.monotonic()
        await asyncio.to_thread(admin.swap_domain, Door(url=url), session, name, at=when)
        taken[when].append(await heard.switched_s[session].get() - began_s)
        idle.append(session)

    # A session that has not changed yet is left alone: another swap would take the place of it.
    idle = deque(heard.switched_s)
    whens = itertools.cycle(When)
    for _ in range(round(seconds)):
        if idle:
            swapping = one(idle.popleft(), rng.choice(names), next(whens))
            waiting.append(asyncio.create_task(swapping))
        await asyncio.sleep(1.0)
    _, late = await asyncio.wait(waiting, timeout=60)
    for task in late:
        task.cancel()
    if late:
        say(f"{len(late)} swaps did not count before the end")
    return taken


async def measure_swaps(sessions: int, domains: int, seconds: float, ngrams: int) -> None:
    """Print how long swaps take."""
    with tempfile.TemporaryDirectory() as made:
        names = [f"domain{number}" for number in range(domains)]
        for number, name in enumerate(names):
            write_random(Path(made, name), name, words=5_000, ngrams=ngrams, seed=number)
        heard = Heard()
        async with daemon(Path(made), sessions) as url:
            clients = [StenoClient.connect(url, rate=SAMPLE_RATE) for _ in range(sessions)]
            opened = [await client.__aenter__() for client in clients]
            heard.switched_s |= {client.ready.session: asyncio.Queue() for client in opened}
            until_s = asyncio.get_running_loop().time() + seconds + 5
            talks = [
                asyncio.create_task(speak(client, number, until_s, heard))
                for number, client in enumerate(opened)
            ]
            taken = await swap(url, names, heard, seconds)
            await asyncio.gather(*talks)
            for client in clients:
                await client.__aexit__(None, None, None)
    for when, times in taken.items():
        say(f"{when.value:8} {_summary(times)}")
    say(f"{heard.finals} finals of {sessions} sessions")


def _summary(times: Sequence[float]) -> str:
    if not times:
        return "no swap"
    p95 = float(np.quantile(times, 0.95))
    return (
        f"{len(times)} swaps: median {1000 * statistics.median(times):.0f} ms, "
        f"p95 {1000 * p95:.0f} ms, longest {1000 * max(times):.0f} ms"
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
