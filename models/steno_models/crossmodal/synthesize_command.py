"""`steno-models crossmodal synthesize`: hours of speech of many voices for a text."""

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from steno_models.crossmodal.synthesis.shards import Ear, Recipe, claim, make_shard
from steno_models.crossmodal.text_parts import read_part, share, shuffled
from steno_models.errors import ConfigError, DataError

# Gives the normalised sentences of a file.
Reader = Callable[[Path], Iterable[str]]

# Gives what keeps the posteriors of the bundle of some name.
Hearing = Callable[[str], Ear]

_DESCRIPTION = """Let eSpeak NG read texts aloud, in many voices.

Only frames are kept (14 half-precision numbers every 10 ms: 10 MB an hour), and when each word is
spoken, for scoring alone. What is there already is not made again: the same command goes on after
an interruption, and more --hours add to it. With --shuffle a few hours are of the whole text and
not of its first pages; with --part the rest of it can teach vectors of written words. With --bundle
the posteriors of its phones are kept in the place of frames (7 MB an hour): what a recogniser hears
is alike where voices differ, and `crossmodal lookup` needs it.
"""
_EXAMPLE = """example:
  steno-models crossmodal synthesize --text novels.txt.xz --part 1/2 --shuffle --hours 100 \\
      --out spoken --processes 2
"""


def main(arguments: Sequence[str], *, read: Reader, hearing: Hearing) -> int:
    """Run `steno-models crossmodal synthesize`.

    Args:
        arguments: of the command line.
        read: gives the sentences of a file.
        hearing: gives what keeps the posteriors of a bundle.
    """
    asked = _parser().parse_args(arguments)
    if asked.hours <= 0 or asked.processes < 1:
        raise ConfigError("expected hours above 0 and a process or more")
    part = read_part(asked.part)
    sentences = share([sentence for path in asked.text for sentence in read(path)], part)
    if asked.shuffle:
        sentences = shuffled(sentences, asked.seed)
    if not sentences:
        raise DataError("expected sentences to be spoken, found none")
    ear = Ear() if asked.bundle is None else hearing(asked.bundle)
    recipe = Recipe(
        texts=tuple(path.name for path in asked.text), sentences=len(sentences),
        voices=asked.voices, shard_sentences=asked.shard_sentences, seed=asked.seed,
        part=asked.part, shuffled=asked.shuffle, heard_by=ear.bundle,
    )  # fmt: skip
    claim(asked.out, recipe)
    hours = _made(asked, sentences, recipe, ear)
    Console(file=sys.stderr, soft_wrap=True).print(
        f"{hours:.2f} hours of speech: {asked.out}", highlight=False
    )
    if hours < asked.hours:
        raise DataError(
            f"expected texts for {asked.hours:g} hours, found that they last {hours:.2f}"
        )
    return 0


def _made(asked: argparse.Namespace, sentences: Sequence[str], recipe: Recipe, ear: Ear) -> float:
    """Make shards until there are the hours asked for; return how many there are."""
    columns = (
        TextColumn("speaking"), BarColumn(),
        TextColumn("{task.completed:.2f}/{task.total:g} hours"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    hours = 0.0
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=asked.hours)
        for made in _hours(asked.out, sentences, recipe, asked.processes, ear):
            hours += made
            bar.update(task, completed=min(hours, asked.hours))
            if hours >= asked.hours:
                break
    return hours


def _hours(
    folder: Path, sentences: Sequence[str], recipe: Recipe, processes: int, ear: Ear
) -> Iterator[float]:
    """Yield the hours of each shard, as they are made or found."""
    size = recipe.shard_sentences
    starts = range(0, len(sentences), size)
    if processes == 1:
        for number, start in enumerate(starts):
            yield make_shard(folder, number, sentences[start : start + size], recipe, ear=ear)
        return
    fresh = multiprocessing.get_context("spawn")  # the library must not be shared by a fork
    with ProcessPoolExecutor(processes, mp_context=fresh) as pool:
        waiting: set[Future[float]] = set()
        try:
            for number, start in enumerate(starts):
                part = sentences[start : start + size]
                waiting.add(pool.submit(make_shard, folder, number, part, recipe, ear=ear))
                if len(waiting) > processes:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            yield from (each.result() for each in waiting)
        finally:
            for each in waiting:
                each.cancel()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal synthesize",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--text", type=Path, nargs="+", required=True, metavar="FILE",
        help="running text, plain, .gz, .bz2 or .xz")  # fmt: skip
    add("--part", default="1/1", metavar="K/N",
        help="speak only the K-th of N stretches of the sentences")  # fmt: skip
    add("--shuffle", action="store_true", help="speak the sentences in an order of chance")
    add("--hours", type=float, required=True, help="of speech, or a little more")
    add("--out", type=Path, required=True, metavar="DIR", help="of the shards")
    add("--bundle", metavar="NAME", help="keep what its acoustic model hears, not frames")
    add("--voices", type=int, default=40, help="how many speak (%(default)s)")
    add("--shard-sentences", type=int, default=500, metavar="N",
        help="in each shard, some 45 minutes (%(default)s)")  # fmt: skip
    add("--processes", type=int, default=1, help="that speak at once (%(default)s)")
    add("--seed", type=int, default=0, help="of voices and noise (%(default)s)")
    return parser
