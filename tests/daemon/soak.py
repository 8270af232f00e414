"""The soak: an hour of speech, faster than it is spoken, over sessions that come and go.

    python -m tests.daemon.soak --hours 1

One session hears the same clips over and over: the words of its last round have to be those of its
second, one after the other and exactly as much later as the clips are long. Others come, say some
clips and go. The memory of the daemon is looked at all the while.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress, TaskID
from tests.daemon.program import WAIT_S, Program

from steno_clients.file import SAMPLE_RATE, FloatArray, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.wire import Final, Word

CLIPS = Path(__file__).resolve().parents[1] / "data" / "librivox"
GUESTS = 3
WARM_SHARE = 0.2
"""Of the speech, before memory is looked at: caches fill and allocators settle."""
EXACT_S = 0.001
"""Times are told in tenths of a millisecond."""
GRID_SAMPLES = 1_280
"""Clips are as long as some of these, so that each round meets the frames at the same place."""


def clips() -> list[FloatArray]:
    """Return the recordings, (N,) each, with two seconds or more of silence behind them."""
    found = []
    for path in sorted(CLIPS.glob("*.flac")):
        sound = np.concatenate(list(read_blocks(path, block_ms=100)))
        silence = 2 * SAMPLE_RATE + -(len(sound) + 2 * SAMPLE_RATE) % GRID_SAMPLES
        found.append(np.pad(sound, (0, silence)))
    return found


async def words_of(url: str, sounds: Sequence[FloatArray]) -> list[Word]:
    """Return the words of a session that says these clips."""
    async with StenoClient.connect(
        url, rate=SAMPLE_RATE, word_times=True, timeout_s=WAIT_S
    ) as client:

        async def speak() -> None:
            for sound in sounds:
                await client.send(sound)
            await client.stop()

        speaking = asyncio.create_task(speak())
        found = [event async for event in client]
        await speaking
    return [word for event in found if isinstance(event, Final) for word in event.words or ()]


class Soak:
    """One long session and guests.

    Args:
        hours: of speech in the long session.
        seed: decides who says what.
    """

    def __init__(self, *, hours: float, seed: int) -> None:
        self._rng = random.Random(seed)
        self._clips = clips()
        length_s = sum(map(len, self._clips)) / SAMPLE_RATE
        self._round_s = length_s
        self._rounds = max(3, round(3600 * hours / length_s))
        self._over = asyncio.Event()
        self.memories_mb: list[float] = []
        self.guests = 0

    async def run(self, directory: Path, progress: Progress) -> tuple[list[Word], list[Word]]:
        """Return the words of the last round and of the second, from the start of each."""
        program = Program(directory, max_sessions=GUESTS + 1)
        await program.start()
        bar = progress.add_task("speech", total=self._rounds)
        try:
            async with asyncio.TaskGroup() as sessions:
                for _ in range(GUESTS):
                    sessions.create_task(self._come_and_go(program))
                watch = sessions.create_task(self._watch(program))
                words = await self._talk(program, progress, bar)
                self._over.set()
                watch.cancel()
        finally:
            await program.kill()
        return self._round(words, self._rounds - 1), self._round(words, 1)

    def _round(self, words: Sequence[Word], number: int) -> list[Word]:
        """Return the words of a round, with times from its start."""
        begin_s = number * self._round_s
        return [
            Word(text=w.text, start=w.start - begin_s, end=w.end - begin_s, confidence=w.confidence)
            for w in words
            if begin_s <= w.start < begin_s + self._round_s
        ]

    async def _talk(self, program: Program, progress: Progress, bar: TaskID) -> list[Word]:
        """Say everything in one session; return its words."""
        words: list[Word] = []
        async with StenoClient.connect(
            program.url, rate=SAMPLE_RATE, word_times=True, timeout_s=WAIT_S
        ) as client:

            async def speak() -> None:
                for _ in range(self._rounds):
                    for sound in self._clips:
                        await client.send(sound)
                    progress.advance(bar)
                await client.stop()

            speaking = asyncio.create_task(speak())
            async for event in client:
                if isinstance(event, Final):
                    words += event.words or ()
            await speaking
        return words

    async def _come_and_go(self, program: Program) -> None:
        while not self._over.is_set():
            await words_of(program.url, self._rng.choices(self._clips, k=self._rng.randint(1, 3)))
            self.guests += 1

    async def _watch(self, program: Program) -> None:
        while True:
            self.memories_mb.append(program.resident_mb)
            await asyncio.sleep(1.0)


def main() -> int:
    """Run the soak; returns 1 where memory grew or words moved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1.0, help="of speech (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides who comes (%(default)s)")
    given = parser.parse_args()

    async def soak(progress: Progress) -> tuple[Soak, list[Word], list[Word]]:
        soaking = Soak(hours=given.hours, seed=given.seed)
        with tempfile.TemporaryDirectory() as folder:
            return soaking, *await soaking.run(Path(folder), progress)

    with Progress() as progress:
        soaked, last, second = asyncio.run(soak(progress))
        settled = soaked.memories_mb[int(WARM_SHARE * len(soaked.memories_mb)) :]
        growth = settled[-1] / settled[0] - 1
        same = [word.text for word in last] == [word.text for word in second]
        pairs = zip(last, second, strict=False)
        drift_s = max((abs(a.start - b.start) for a, b in pairs), default=0.0)
        progress.console.print(
            f"{soaked.guests} sessions came and went",
            f"memory {settled[0]:.0f} MB, at the end {settled[-1]:.0f} MB ({growth:+.1%})",
            f"the {len(last)} words of the last round {'are' if same else 'are NOT'} those of the "
            f"second, at most {drift_s:.4f} s apart",
            sep="\n",
            highlight=False,
        )
    return 0 if same and drift_s <= EXACT_S and growth <= 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
