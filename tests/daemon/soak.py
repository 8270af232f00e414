"""The soak: an hour of speech, faster than it is spoken, over sessions that come and go.

    python -m tests.daemon.soak --hours 1
    python -m tests.daemon.soak --hours 2 --dialects all

One session hears the same clips over and over: the words of its last round have to be those of its
second, one after the other and exactly as much later as the clips are long. Others come, say some
clips and go, three at a time, in the native dialect or in turn in those that are named; each of
them has to be heard. The memory of the daemon is looked at all the while: from the end of the
warm-up to the end of the speech it may grow by 5 %. A line every half minute says how far it is;
the last one is the verdict, and the exit status 0 or 1.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from tests.daemon.dialect_talk import talked
from tests.daemon.dialects.speakers import FullError
from tests.daemon.mutation_place import DIALECTS, Place, every_dialect
from tests.daemon.process import Process, listener
from tests.daemon.program import WAIT_S

from steno_clients.file import SAMPLE_RATE, FloatArray, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.wire import Final, Word

CLIPS = Path(__file__).resolve().parents[1] / "data" / "librivox"
GUESTS = 3
WARM_SHARE = 0.2
"""Of the speech, before memory is looked at: caches fill and allocators settle."""
WARM_S = 300.0
"""Of speech, which that takes at least; at most half of a short soak is warm-up all the same."""
WINDOW_SHARE = 0.1
"""Of the looks at memory, at either end: their medians are compared, for guests come and go."""
GROWTH_MAX = 0.05
EXACT_S = 0.001
"""Times are told in tenths of a millisecond."""
GRID_SAMPLES = 10_240
"""Clips are as long as some of these: each round meets frames and chunks at the same place."""
GIVE_WAY_S = 3.0
"""How long the long session waits with its next clip while the daemon is too busy for a guest."""
LOOK_EVERY_S = 1.0
LOOKS_PER_LINE = 30


def clips() -> list[FloatArray]:
    """Return the recordings, (N,) each, with two seconds or more of silence behind them."""
    found = []
    for path in sorted(CLIPS.glob("*.flac")):
        sound = np.concatenate(list(read_blocks(path, block_ms=100)))
        silence = 2 * SAMPLE_RATE + -(len(sound) + 2 * SAMPLE_RATE) % GRID_SAMPLES
        found.append(np.pad(sound, (0, silence)))
    return found


class Soak:
    """One long session and guests.

    Args:
        hours: of speech in the long session.
        seed: decides who says what.
        dialects: of the guests, in turn.
        guests: so many at a time.

    Attributes:
        heard_s: how much of the long session's speech was heard so far.
        words: of the long session.
        memories_mb: of the daemon, every second, once the warm-up is over.
        guests: how many came, were heard and went.
        guests_by_dialect: the same by the names of dialects.
        unheard: how many of whom no word was heard.
        refused: how often one was told to come again, for the daemon was busy.
    """

    def __init__(
        self,
        *,
        hours: float,
        seed: int,
        dialects: Sequence[str] = ("native",),
        guests: int = GUESTS,
    ) -> None:
        self._dialects = itertools.cycle(dialects)
        self._places = guests
        self.guests_by_dialect = Counter(dict.fromkeys(dialects, 0))
        self.complaints: list[str] = []
        self._rng = random.Random(seed)
        self._clips = clips()
        self._round_s = sum(map(len, self._clips)) / SAMPLE_RATE
        self._rounds = max(3, round(3600 * hours / self._round_s))
        self._over = asyncio.Event()
        self.heard_s = 0.0
        self.words: list[Word] = []
        self.memories_mb: list[float] = []
        self.guests = 0
        self.unheard = 0
        self.refused = 0
        self._outside: set[int] = set()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def speech_s(self) -> float:
        """How much the long session says."""
        return self._rounds * self._round_s

    @property
    def warm_s(self) -> float:
        """After how much of it memory counts."""
        return max(WARM_SHARE * self.speech_s, min(WARM_S, self.speech_s / 2))

    async def run(self, module: str = "steno_daemon") -> None:
        """Let everybody speak to a daemon of its own, until the long session has said all."""
        async with every_dialect(module, seats=self._places + 1) as place:
            async with asyncio.TaskGroup() as sessions:
                watch = sessions.create_task(self._watch(listener(place.port)))
                for guest in range(self._places):
                    sessions.create_task(self._come_and_go(guest, place))
                said = finals(place.url, self._clips * self._rounds, before=self._give_way)
                async for final in said:
                    self.heard_s = final.end
                    self.words += final.words or ()
                self._over.set()
                watch.cancel()
            self.complaints = place.complaints()

    def round(self, number: int) -> list[Word]:
        """Return the words of a round, with times from its start; the last one is -1."""
        begin_s = number % self._rounds * self._round_s
        return [
            Word(text=w.text, start=w.start - begin_s, end=w.end - begin_s, confidence=w.confidence)
            for w in self.words
            if begin_s <= w.start < begin_s + self._round_s
        ]

    async def _come_and_go(self, guest: int, place: Place) -> None:
        while not self._over.is_set():
            dialect = next(self._dialects)
            sounds = self._rng.choices(self._clips, k=self._rng.randint(1, 3))
            try:
                heard = await talked(dialect, place, np.concatenate(sounds))
            except FullError:
                self.refused += 1
                self._outside.add(guest)
                self._room.clear()
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            self._let_in(guest)
            self.guests += 1
            self.guests_by_dialect[dialect] += 1
            self.unheard += not heard

    async def _give_way(self) -> None:
        """Wait until nobody is outside, for a while."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), GIVE_WAY_S)

    def _let_in(self, guest: int) -> None:
        self._outside.discard(guest)
        if not self._outside:
            self._room.set()

    async def _watch(self, process: Process) -> None:
        begin_s = time.monotonic()
        for look in itertools.count():
            memory_mb = process.resident_bytes() / 2**20
            if self.heard_s >= self.warm_s:
                self.memories_mb.append(memory_mb)
            if look % LOOKS_PER_LINE == 0:
                say(
                    f"{time.monotonic() - begin_s:6.0f} s: {self.heard_s:.0f} of "
                    f"{self.speech_s:.0f} s of speech heard, {self.guests} sessions came and went, "
                    f"memory {memory_mb:.0f} MB"
                )
            await asyncio.sleep(LOOK_EVERY_S)


async def at_once() -> None:
    """Wait for nothing."""


async def finals(
    url: str, sounds: Sequence[FloatArray], *, before: Callable[[], Awaitable[None]] = at_once
) -> AsyncIterator[Final]:
    """Yield what is heard in a session that says these clips as fast as it is let.

    Args:
        url: where the daemon listens.
        sounds: (N,) each.
        before: waited for before each of them.
    """
    async with StenoClient.connect(
        url, rate=SAMPLE_RATE, word_times=True, timeout_s=WAIT_S
    ) as client:

        async def speak() -> None:
            for sound in sounds:
                await before()
                await client.send(sound)
            await client.stop()

        speaking = asyncio.create_task(speak())
        async for event in client:
            if isinstance(event, Final):
                yield event
        await speaking


def growth(memories_mb: Sequence[float]) -> float:
    """Return by what share memory is larger at the end than at the beginning."""
    window = max(1, round(WINDOW_SHARE * len(memories_mb)))
    before, after = (
        statistics.median(part) for part in (memories_mb[:window], memories_mb[-window:])
    )
    return after / before - 1


def drift_s(early: Sequence[Word], late: Sequence[Word]) -> float:
    """Return how far the same words are apart at most, at their starts and at their ends."""
    pairs = zip(early, late, strict=True)
    return max(max(abs(a.start - b.start), abs(a.end - b.end)) for a, b in pairs)


def complaints(soaked: Soak) -> Iterator[str]:
    """What is wrong; also says what was measured."""
    say(
        f"{soaked.guests} sessions came and went beside one of {soaked.speech_s:.0f} s, "
        f"{soaked.refused} were told to come again"
    )
    for dialect, guests in sorted(soaked.guests_by_dialect.items()):
        say(f"{guests:6d} of them in {dialect}")
        if not guests:
            yield f"expected somebody to be heard in {dialect}, found nobody"
    yield from soaked.complaints
    if not soaked.guests or soaked.unheard:
        yield f"expected every session to be heard, found {soaked.unheard} that were not"
    if not soaked.memories_mb:
        yield "expected memory to be looked at, found that everything was over too soon"
    else:
        grown = growth(soaked.memories_mb)
        low, high = min(soaked.memories_mb), max(soaked.memories_mb)
        say(f"memory after the warm-up {low:.0f} to {high:.0f} MB, grown by {grown:+.1%}")
        if grown > GROWTH_MAX:
            yield f"expected memory to grow by at most {GROWTH_MAX:.0%}, found {grown:+.1%}"
    early, late = soaked.round(1), soaked.round(-1)
    if not early or [word.text for word in late] != [word.text for word in early]:
        yield (
            f"expected the {len(early)} words of the second round in the last one, found "
            f"{' '.join(word.text for word in late)}"
        )
        return
    apart_s = drift_s(early, late)
    say(f"{len(late)} words of the last round, at most {apart_s:.4f} s from those of the second")
    if apart_s > EXACT_S:
        yield f"expected the times of words to stay, found them {apart_s:.4f} s apart"


def say(line: str) -> None:
    """Print at once, into files too."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the soak; returns 1 where memory grew, words moved or somebody was not heard."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.daemon.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hours", type=float, default=1.0, help="of speech (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides who comes (%(default)s)")
    parser.add_argument(
        "--dialects",
        default="native",
        help="of the guests, in turn; or all (%(default)s)",
    )
    parser.add_argument("--guests", type=int, default=GUESTS, help="at a time (%(default)s)")
    given = parser.parse_args()
    dialects = DIALECTS if given.dialects == "all" else given.dialects.split(",")

    async def soak() -> Soak:
        soaking = Soak(hours=given.hours, seed=given.seed, dialects=dialects, guests=given.guests)
        await soaking.run()
        return soaking

    wrong = list(complaints(asyncio.run(soak())))
    for complaint in wrong:
        say(f"WRONG: {complaint}")
    say(f"{len(wrong)} things are wrong" if wrong else "all is well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
