"""`steno-models crossmodal align`: from one space of words to another, without a dictionary."""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import torch
from msgspec import Struct
from rich.console import Console

from steno_models.crossmodal.align_table import (
    Row,
    Success,
    print_successes,
    print_table,
    successes,
)
from steno_models.crossmodal.alignment.adversarial import AdversarialOptions, Epoch
from steno_models.crossmodal.alignment.alignment import (
    AlignOptions,
    Found,
    StartName,
    aligned,
    best,
    find,
)
from steno_models.crossmodal.alignment.evaluation import precision, random_rotation, read_pairs
from steno_models.crossmodal.alignment.procrustes import procrustes
from steno_models.crossmodal.alignment.refinement import fit
from steno_models.crossmodal.space import Space, normalised, same_spelling
from steno_models.crossmodal.word2vec_text import read_text
from steno_models.errors import ConfigError
from steno_models.pictures import save
from steno_models.types import FloatArray, LongArray

STARTS: tuple[StartName, ...] = ("gromov-wasserstein", "sorted-similarity", "adversarial")

_DESCRIPTION = """Find the rotation of SOURCE onto TARGET, without a dictionary.

Each start is tried with each seed and refined; the map with the highest mean CSLS of frequent
words is kept: no label is looked at. With --truth, tables say how often true partners are found;
rows for chance and for supervised maps stand beside, and how many seeds of each start are worth
the supervised map. --out gets alignment.safetensors.
"""
_EXAMPLE = """examples:
  steno-models crossmodal align speech text --out map --plot map.png
  steno-models crossmodal align first second --truth same --supervised 5000 --seeds 10 \\
      --keep maps --processes 2 --plot halves.png
  steno-models crossmodal align en.vec de.vec --start adversarial --truth en-de.txt

SOURCE and TARGET are folders of `crossmodal word2vec` or files in the text format of Word2Vec.
The adversarial start takes ten minutes or more an epoch on one core; the others take seconds to
minutes. With --keep the same command goes on after an interruption, and more --seeds
add to it.
"""


class Report(Struct, frozen=True, kw_only=True):
    """What was found, for programs.

    Attributes:
        source: where the spaces are.
        target: likewise.
        rows: of the table.
        chosen: the number of the row that was kept, by its fit alone.
        successes: how often each start was worth a supervised map, where there is one.
    """

    source: str
    target: str
    rows: list[Row]
    chosen: int
    successes: list[Success]


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal align`."""
    asked = _parser().parse_args(arguments)
    source, target = (_read(path).most_frequent(asked.words) for path in asked.spaces)
    truth = _truth(asked.truth, source, target)
    if asked.supervised and truth is None:
        raise ConfigError("expected --truth with --supervised, found none")
    if asked.seeds < 1 or asked.processes < 1:
        raise ConfigError(
            "expected --seeds and --processes of 1 or more, "
            f"found {asked.seeds} and {asked.processes}"
        )
    options = AlignOptions(
        words=asked.refine_words,
        rounds=asked.rounds,
        start_words=asked.start_words,
        adversarial=AdversarialOptions(
            epochs=asked.epochs, samples=asked.samples, judged=asked.refine_words
        ),
    )
    known = min(asked.supervised or 5000, len(truth) // 2) if truth is not None else 0
    test = truth[known : known + asked.held_out] if truth is not None else None
    bench = _Bench(source, target, test, options, asked.keep)
    bench.unsupervised(
        [
            (start, seed)
            for start in asked.start or STARTS
            for seed in range(1 if start == "gromov-wasserstein" else asked.seeds)
        ],
        asked.processes,
    )
    if truth is not None and asked.supervised:
        bench.supervised(truth[:known])
    if test is not None:
        bench.chance()
    _write(asked, bench, bench.found.index(best(bench.found)), source, target)
    return 0


class _Bench:
    """Both spaces, the true pairs that test, and the rows of the table so far."""

    def __init__(
        self, source: Space, target: Space, test: LongArray | None, options: AlignOptions,
        keep: Path | None,
    ) -> None:  # fmt: skip
        self._spaces = source, target
        self.x, self.y = normalised(source.vectors), normalised(target.vectors)
        self._test, self._options, self._keep = test, options, keep
        self.rows: list[Row] = []
        self.found: list[Found] = []

    def unsupervised(self, begins: Sequence[tuple[StartName, int]], processes: int) -> None:
        """Find the maps to which starts with their seeds lead, and add their rows."""
        look = partial(_look, self._spaces, self._options, self._keep)
        if processes == 1:
            self._add_found(map(look, begins))
            return
        fresh = multiprocessing.get_context("spawn")  # threads of torch do not survive a fork
        with ProcessPoolExecutor(processes, mp_context=fresh, initializer=_be_one_thread) as pool:
            self._add_found(pool.map(look, begins))

    def _add_found(self, all_found: Iterable[tuple[Found, float]]) -> None:
        for found, seconds in all_found:
            self._add(
                found.rotation, start=found.start, seed=found.seed, rounds=found.rounds,
                seconds=seconds,
            )  # fmt: skip
            self.found.append(found)

    def supervised(self, pairs: LongArray) -> None:
        """Add the row of Procrustes with `pairs`."""
        begun = time.perf_counter()
        rotation = procrustes(self.x[pairs[:, 0]], self.y[pairs[:, 1]])
        seconds = time.perf_counter() - begun
        name = f"supervised, {len(pairs)} pairs"
        self._add(rotation, start=name, seconds=seconds, supervised=True)

    def chance(self) -> None:
        """Add the row of a rotation that knows nothing."""
        self._add(random_rotation(self.x.shape[1], 0), start="random rotation")

    def _add(self, rotation: FloatArray, *, start: str, seed: int | None = None,
             rounds: int = 0, seconds: float = 0.0, supervised: bool = False) -> None:  # fmt: skip
        words = self._options.words
        found = None if self._test is None else precision(self.x, self.y, rotation, self._test)
        self.rows.append(
            Row(
                start=start, seed=seed, rounds=rounds, seconds=seconds, precision=found,
                supervised=supervised, fit=fit(self.x[:words], self.y[:words], rotation),
            )
        )  # fmt: skip


def _look(
    spaces: tuple[Space, Space], options: AlignOptions, keep: Path | None,
    begin: tuple[StartName, int],
) -> tuple[Found, float]:  # fmt: skip
    """Return the map to which a start with a seed leads, and how many seconds that took."""
    name = f"{begin[0]}, seed {begin[1]}"
    _say(f"{name} …")
    begun = time.perf_counter()
    found = find(spaces, *begin, options, partial(_show_epoch, name), keep)
    return found, time.perf_counter() - begun


def _be_one_thread() -> None:
    torch.set_num_threads(1)


def _write(
    asked: argparse.Namespace, bench: _Bench, chosen: int, source: Space, target: Space
) -> None:
    rotation = bench.found[chosen].rotation
    if asked.out is not None:
        aligned(source, target, rotation).save(asked.out)
    if asked.plot is not None:
        from steno_models.crossmodal.plots import draw  # noqa: PLC0415

        save(draw((source.words, target.words), (bench.x, bench.y), rotation), asked.plot)
    if asked.json:
        one, other = (str(path) for path in asked.spaces)
        report = Report(source=one, target=other, rows=bench.rows, chosen=chosen,
                        successes=successes(bench.rows))  # fmt: skip
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        print_table(bench.rows, chosen)
        if found := successes(bench.rows):
            print_successes(found)


def _truth(asked: str | None, source: Space, target: Space) -> LongArray | None:
    """Return (P, 2) the true pairs, the most frequent source words first."""
    match asked:
        case None:
            return None
        case "same":
            return same_spelling(source, target)
        case path:
            return read_pairs(Path(path), source, target)


def _read(path: Path) -> Space:
    return Space.load(path) if path.is_dir() else read_text(path)


def _show_epoch(name: str, epoch: Epoch) -> None:
    _say(
        f"{name}, epoch {epoch.number}: discriminator {epoch.discriminator_loss:.3f}, "
        f"mean CSLS {epoch.fit.csls:.4f}, mutual {100 * epoch.fit.mutual:.0f} %"
    )


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal align",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("spaces", type=Path, nargs=2, metavar="SPACE", help="SOURCE and TARGET")
    add("--out", type=Path, metavar="DIR", help="where the map goes")
    add("--start", action="append", choices=STARTS, help="again for several (all three)")
    add("--seeds", type=int, default=1, help="of each start that has chance in it (%(default)s)")
    add("--processes", type=int, default=1, metavar="N",
        help="seeds that are tried at a time, on a core each (%(default)s)")  # fmt: skip
    add("--truth", metavar="same|FILE", help="true pairs, words spelled alike or from a file: "
        "they measure and choose nothing")  # fmt: skip
    add("--supervised", type=int, metavar="N", help="a row for the N most frequent true pairs")
    add("--held-out", type=int, default=1500, metavar="N",
        help="true pairs that are tested, the most frequent after those (%(default)s)")  # fmt: skip
    add("--words", type=int, default=20_000, help="of each space (%(default)s)")
    options, game = AlignOptions(), AdversarialOptions()
    add("--refine-words", type=int, default=options.words, metavar="N",
        help="frequent words that refine and judge (%(default)s)")  # fmt: skip
    add("--start-words", type=int, default=options.start_words, metavar="N",
        help="words that gromov-wasserstein couples (%(default)s)")  # fmt: skip
    add("--rounds", type=int, default=options.rounds, help="of refinement (%(default)s)")
    add("--epochs", type=int, default=game.epochs, help="of the adversary (%(default)s)")
    add("--samples", type=int, default=game.samples, help="in each of them (%(default)s)")
    add("--keep", type=Path, metavar="DIR", help="of maps and the adversary's epochs so far")
    add("--plot", type=Path, metavar="FILE", help="a PNG or SVG of both spaces before and after")
    add("--json", action="store_true", help="print JSON")
    return parser
