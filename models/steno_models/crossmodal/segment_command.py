"""`steno-models crossmodal segment`: word-like pieces of speech."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from steno_models.crossmodal.segmentation.bes_gmm import BesGmmOptions
from steno_models.crossmodal.segmentation.es_kmeans import EsKmeansOptions
from steno_models.crossmodal.segmentation.landmarks import LandmarkOptions
from steno_models.crossmodal.segmentation.methods import (
    METHODS,
    by_clock,
    by_means,
    by_mixture,
    by_syllables,
)
from steno_models.crossmodal.segmentation.mixture import MixtureOptions
from steno_models.crossmodal.segmentation.segments import Recording, write_segments
from steno_models.crossmodal.segmentation.times import read_times
from steno_models.crossmodal.speech import SHARDS, Speech, read_speech
from steno_models.crossmodal.synthesis.shards import read_words
from steno_models.errors import ConfigError
from steno_models.training.manifest import read_manifest

_log = logging.getLogger(__name__)

FORCED = "forced"

_DESCRIPTION = """Cut speech into word-like pieces, without labels.

es-kmeans and bes-gmm find pieces and what sounds alike together, the latter by sampling; syllables
takes each syllable-like piece; equal takes pieces of equal length. forced takes the words of an
alignment: KEY.json of `steno-models force-align --format json`, KEY.txt of phones, or the words
that synthesised speech brings.
"""
_EXAMPLE = """examples:
  steno-models crossmodal segment dev.jsonl --method es-kmeans --out pieces.jsonl
  steno-models crossmodal segment dev.jsonl --method forced --times aligned --out words.jsonl
  steno-models crossmodal segment-score --truth words.jsonl pieces.jsonl

SPEECH are manifests and folders of `crossmodal synthesize`.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal segment`."""
    asked = _parser().parse_args(arguments)
    if asked.method == FORCED:
        found = _true_words(asked.speech, asked.times)
    else:
        found = _cut(asked, read_speech(asked.speech, asked.cache))
    write_segments(asked.out, found)
    pieces = sum(len(each.segments) for each in found)
    _say(f"{pieces} pieces of {len(found)} recordings: {asked.out}")
    return 0


def left_out(text: str) -> None:
    """Tell of something that is left out."""
    _log.warning("left out: %s", text)


def _true_words(paths: Sequence[Path], times: Path | None) -> list[Recording]:
    found: list[Recording] = []
    for path in paths:
        if (path / SHARDS).is_dir():
            found += read_words(path)
        elif times is None:
            raise ConfigError("expected --times with --method forced, found none")
        else:
            found += read_times(times, read_manifest(path), left_out)
    return found


def _cut(asked: argparse.Namespace, speech: Speech) -> list[Recording]:
    landmarks = LandmarkOptions(
        depth=asked.depth, most=asked.most, longest_frames=round(100 * asked.longest),
        quiet=asked.quiet,
    )  # fmt: skip
    match asked.method:
        case "syllables":
            return by_syllables(speech, landmarks)
        case "equal":
            return by_clock(speech, landmarks, asked.piece)
        case "es-kmeans":
            means = EsKmeansOptions(
                clusters=asked.clusters, rounds=asked.rounds, power=asked.power, seed=asked.seed
            )
            return _with_bars(asked, len(speech), partial(by_means, speech, landmarks, means))
        case _:
            mixture = BesGmmOptions(
                clusters=asked.clusters, sweeps=asked.rounds, from_means=asked.from_means,
                mixture=MixtureOptions(variance=asked.variance), seed=asked.seed,
            )  # fmt: skip
            return _with_bars(asked, len(speech), partial(by_mixture, speech, landmarks, mixture))


def _with_bars(
    asked: argparse.Namespace, recordings: int, work: Callable[..., list[Recording]]
) -> list[Recording]:
    """Return what `work` returns, with a bar of its rounds and one of recordings that are cut."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[value]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        rounds = bar.add_task("segmenting", total=asked.rounds, value="")
        cut = bar.add_task(
            "cutting", total=recordings, value="", visible=asked.taught_by is not None, start=False
        )

        def show(value: float) -> None:
            bar.update(rounds, advance=1, value=f"objective {value:.6g}")

        def cutting(number: int) -> None:
            bar.start_task(cut)
            bar.update(cut, advance=number)

        return work(show, taught_by=asked.taught_by, cutting=cutting)


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal segment",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    landmarks, means, mixture = LandmarkOptions(), EsKmeansOptions(), MixtureOptions()
    add = parser.add_argument
    add("speech", type=Path, nargs="+", metavar="SPEECH", help="what is cut")
    add("--method", choices=(*METHODS, FORCED), required=True)
    add("--out", type=Path, required=True, metavar="FILE.jsonl", help="of the pieces")
    add("--cache", type=Path, default=Path("runs/crossmodal-frames"), metavar="DIR",
        help="where frames are kept (%(default)s)")  # fmt: skip
    add("--times", type=Path, metavar="DIR", help="of forced: KEY.json or KEY.txt")
    add("--clusters", type=int, help="a fifth of the syllables' number, unless given")
    add("--rounds", type=int, default=means.rounds, help="or sweeps, at most (%(default)s)")
    add("--power", type=float, default=means.power, metavar="P",
        help="of es-kmeans: more than 1 makes pieces shorter (%(default)s)")  # fmt: skip
    add("--taught-by", type=int, metavar="N",
        help="recordings that teach es-kmeans its means, or bes-gmm its mixture, by which all "
        "are cut (all)")  # fmt: skip
    add("--from-means", type=int, default=0, metavar="N",
        help="rounds of es-kmeans before bes-gmm (%(default)s)")  # fmt: skip
    add("--variance", type=float, default=mixture.variance, help="of bes-gmm (%(default)s)")
    add("--depth", type=float, default=landmarks.depth,
        help="of a valley of sonority that is a landmark (%(default)s)")  # fmt: skip
    add("--most", type=int, default=landmarks.most, metavar="N",
        help="syllables of a piece (%(default)s)")  # fmt: skip
    add("--longest", type=float, default=landmarks.longest_frames / 100, metavar="SECONDS",
        help="piece of several syllables (%(default)s)")  # fmt: skip
    add("--quiet", type=float, default=landmarks.quiet, metavar="SHARE",
        help="of a recording's range of loudness below which is a pause (%(default)s)")  # fmt: skip
    add("--piece", type=float, default=0.3, metavar="SECONDS", help="of equal (%(default)s)")
    add("--seed", type=int, default=means.seed)
    return parser
