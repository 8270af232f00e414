"""How many sessions a daemon carries: a real `stenod`, and clients that speak in real time.

Every client speaks recordings at the speed of speech, none in step with another. Delays count from
the sound itself: from the end of a word to the hypothesis that shows it to stay, from an endpoint
to its final. What the daemon spends is read from /proc and from its own metrics.
"""

import asyncio
import http.client
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from steno_daemon.talkers import Cue, Listener, Talk, speak
from steno_models.errors import DataError
from steno_models.types import FloatArray

TERMINATE_S = 10.0
ANSWER_S = 60.0
SAMPLE_S = 0.25
"""Between two looks at the daemon's memory."""
RAMP_S = 1.0
"""Between two clients that come until one is refused."""
REST_S = 6.0
"""Before each level, so that the daemon knows nothing of the one before."""
SHARE = 0.8
"""Of the most sessions that are let in: up to there delays are promised."""
ENGINE = ("steno_batch_size_count", "steno_batch_size_sum", "steno_engine_busy_seconds_total")


@dataclass(frozen=True, slots=True)
class Target:
    """A running daemon: its address, and its process on this machine."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What so many sessions at once cost and how long they waited; times are in seconds.

    Attributes:
        sessions: how many clients asked to speak.
        refused: how many of them were not let in.
        degraded: how many of them were decoded with less effort for a time.
        audio_s: speech of those that were let in, added up.
        cpu_s: what the daemon's process took meanwhile.
        memory_mb: its largest resident memory.
        batch: how many pieces of work were decoded together, on average.
        busy: share of the time in which the engine decoded.
        word_delays_s: from the end of each word to the hypothesis that shows it as it stays.
        final_delays_s: from each endpoint to its final.
        refusal_delays_s: from `start` to each refusal.
    """

    sessions: int
    refused: int
    degraded: int
    audio_s: float
    cpu_s: float
    memory_mb: float
    batch: float
    busy: float
    word_delays_s: tuple[float, ...]
    final_delays_s: tuple[float, ...]
    refusal_delays_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was measured.

    Attributes:
        limit: how many sessions the daemon let in before it refused one, or says that it lets in.
        levels: in the order in which they were measured.
    """

    limit: int
    levels: tuple[Level, ...]


def measure(
    bundle: str,
    recordings: Sequence[FloatArray],
    *,
    sessions: Sequence[int] = (),
    audio_s: float = 30.0,
    config: Path | None = None,
    report: Callable[[Level], None] = lambda _: None,
) -> Capacity:
    """Return what a daemon of its own carries.

    Args:
        bundle: that it serves.
        recordings: what clients say, each (N,) float32 at 16 kHz.
        sessions: how many at once; without any, what follows from where the daemon refuses one.
        audio_s: how long each client speaks.
        config: of the daemon.
        report: hears of each level once it is measured.

    Raises:
        DataError: the daemon did not start.
    """
    talk = Talk(recordings=recordings, audio_s=audio_s)

    async def every_level() -> Capacity:
        async with started(bundle, config) as target:
            return await measure_levels(target, talk, sessions, report)

    return asyncio.run(every_level())


async def measure_levels(
    target: Target, talk: Talk, sessions: Sequence[int], report: Callable[[Level], None]
) -> Capacity:
    """Return what a running daemon carries."""
    limit = await limit_of(target)
    if not sessions:
        limit = await refusal_point(target, talk, most=limit)
    levels = []
    for count in sessions or levels_up_to(limit):
        await asyncio.sleep(REST_S / talk.speed)
        level = await measure_level(target, talk, count)
        report(level)
        levels.append(level)
    return Capacity(limit, tuple(levels))


def levels_up_to(limit: int) -> list[int]:
    """Return how many sessions to measure: powers of two, the share, the limit and twice that."""
    powers = [1 << power for power in range(limit.bit_length()) if 1 << power < limit]
    return sorted({*powers, max(1, int(SHARE * limit)), limit, 2 * limit})


async def refusal_point(target: Target, talk: Talk, *, most: int) -> int:
    """Return how many clients speak at once when the daemon refuses the next one.

    One comes after the other, so that the daemon has time to see how busy it is; those who are in
    speak on until one is refused, or `most` have come.
    """
    enough = asyncio.Event()
    long = replace(talk, audio_s=(most + 1) * RAMP_S + talk.audio_s)
    tasks: set[asyncio.Task[Listener]] = set()
    over: set[asyncio.Task[Listener]] = set()
    async with asyncio.TaskGroup() as clients:
        while len(tasks) < most and not over:
            cue = Cue(enough)
            tasks.add(clients.create_task(speak(target.url, long, len(tasks), cue)))
            await cue.answered.wait()
            over, _ = await asyncio.wait(
                tasks, timeout=RAMP_S / talk.speed, return_when=asyncio.FIRST_COMPLETED
            )
        enough.set()
    return max(1, sum(task.result().refused_at_s is None for task in tasks))


@asynccontextmanager
async def started(bundle: str, config: Path | None = None) -> AsyncIterator[Target]:
    """Run a daemon for the length of an `async with` block."""
    command = [sys.executable, "-m", "steno_daemon", "--port", "0", "--bundle", bundle]
    command += ["--log-level", "warning", *(["--config", str(config)] if config else [])]
    with tempfile.TemporaryFile() as complaints:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=complaints
        )
        try:
            yield Target(await _address(process.stdout, complaints), process.pid)
        finally:
            await _end(process)


async def _address(said: asyncio.StreamReader | None, complaints: IO[bytes]) -> str:
    """Return the address that a daemon says once it is ready."""
    while said is not None and (line := await said.readline()):
        if found := re.match(rb"ready: (?:ws|http)(://\S+)", line):
            return "ws" + found.group(1).decode().rstrip("/")
    complaints.seek(0)
    last = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
    raise DataError(f"expected a daemon that says `ready: ws://…`, found: {last or 'nothing'}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a daemon, gently first."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(TERMINATE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def limit_of(target: Target) -> int:
    """Return how many sessions a daemon lets in."""
    health = json.loads(await asyncio.to_thread(_get, target.url, "/healthz"))
    return int(health["max_sessions"])


@dataclass(frozen=True, slots=True)
class _Spending:
    """What a daemon has spent since its start: CPU time, batches, their pieces, engine time."""

    cpu_s: float
    batches: float
    pieces: float
    busy_s: float

    def since(self, before: "_Spending") -> "_Spending":
        """Return what was spent since then."""
        return _Spending(
            self.cpu_s - before.cpu_s,
            self.batches - before.batches,
            self.pieces - before.pieces,
            self.busy_s - before.busy_s,
        )


async def measure_level(target: Target, talk: Talk, sessions: int) -> Level:
    """Return what `sessions` clients at once cost, and how long they wait."""
    loop = asyncio.get_running_loop()
    before, began_s = await _spending(target), loop.time()
    memories_mb = [_memory_mb(target.pid)]
    watch = asyncio.create_task(_watch_memory(target.pid, memories_mb))
    try:
        async with asyncio.TaskGroup() as clients:
            tasks = [
                clients.create_task(speak(target.url, talk, number)) for number in range(sessions)
            ]
    finally:
        watch.cancel()
    spent = (await _spending(target)).since(before)
    return _level(
        [task.result() for task in tasks],
        talk,
        spent,
        wall_s=loop.time() - began_s,
        memory_mb=max(memories_mb),
    )


def _level(
    heard: Sequence[Listener], talk: Talk, spent: _Spending, *, wall_s: float, memory_mb: float
) -> Level:
    refusals_s = tuple(one.refused_at_s for one in heard if one.refused_at_s is not None)
    return Level(
        sessions=len(heard),
        refused=len(refusals_s),
        degraded=sum(one.degraded for one in heard),
        audio_s=(len(heard) - len(refusals_s)) * talk.audio_s,
        cpu_s=spent.cpu_s,
        memory_mb=memory_mb,
        batch=spent.pieces / spent.batches if spent.batches else 0.0,
        busy=spent.busy_s / wall_s,
        word_delays_s=tuple(delay for one in heard for delay in one.word_delays_s),
        final_delays_s=tuple(delay for one in heard for delay in one.final_delays_s),
        refusal_delays_s=refusals_s,
    )


async def _spending(target: Target) -> _Spending:
    text = (await asyncio.to_thread(_get, target.url, "/metrics")).decode()
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in ENGINE
    }
    return _Spending(_cpu_s(target.pid), *(found[name] for name in ENGINE))


async def _watch_memory(pid: int, memories_mb: list[float]) -> None:
    """Note the resident memory of a process now and then."""
    while True:
        await asyncio.sleep(SAMPLE_S)
        memories_mb.append(_memory_mb(pid))


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process, of user and system: proc(5), stat 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    """Return the resident memory of a process: proc(5), statm 2."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _get(url: str, path: str) -> bytes:
    """Return what a daemon answers to a plain request."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise DataError(f"expected status 200 of {path}, found {answer.status} {answer.reason}")
    return body
