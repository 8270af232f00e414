"""`steno-models crossmodal classify`, `… synonyms` and `… translate`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from steno_models.crossmodal.alignment.alignment import (
    AlignOptions,
    Found,
    StartName,
    best,
    find,
)
from steno_models.crossmodal.alignment.evaluation import random_rotation
from steno_models.crossmodal.alignment.procrustes import procrustes
from steno_models.crossmodal.heard import PIECES, Heard, kept_vectors
from steno_models.crossmodal.segmentation.segments import Recording, read_segments
from steno_models.crossmodal.space import Space, centre_of, normalised
from steno_models.crossmodal.tasks.answers import both_ways, read_answers
from steno_models.crossmodal.tasks.identity import Identities, identities, piece_identities
from steno_models.crossmodal.tasks.measure import (
    Exam,
    Right,
    answers_of,
    constant_shares,
    exam,
    itself,
    right_shares,
)
from steno_models.crossmodal.word2vec_text import read_text
from steno_models.errors import ConfigError, DataError
from steno_models.pictures import save
from steno_models.types import FloatArray

STARTS: tuple[StartName, ...] = ("gromov-wasserstein", "sorted-similarity", "adversarial")
_WIDTH = 130

_DESCRIPTIONS = {
    "classify": "Name pieces of speech by the words of a text onto which they are mapped.",
    "synonyms": "Find the words of a text that mean the same as a piece of speech (--pairs).",
    "translate": "Find the words of another language that a piece of speech means (--pairs).",
}
_MORE = """
Each --system is a folder of `crossmodal cluster`. For each there are maps onto TEXT by chance, with
supervision (by the half of the words that is not tested) and without any, and what answering the
same to everything is worth. True words test, and never choose an unsupervised map.
"""
_EXAMPLE = """example:
  steno-models crossmodal {task} text --truth words.jsonl{pairs} \\
      --system oracle=heard/oracle --system es-kmeans=heard/es-kmeans --plot {task}.png
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one map of one system is worth, for programs.

    Attributes:
        system: its name.
        map: how it was found.
        csls: right answers under CSLS; of constant answers, those.
        nearest: right answers by the cosine; None for constant ones.
        tested: pieces.
        answerable: percent of the pieces asked for that the text has an answer to.
        purity: percent of the system's pieces that are their cluster's majority word.
    """

    system: str
    map: str
    csls: Right
    nearest: Right | None
    tested: int
    answerable: float
    purity: float


class _Work(NamedTuple):
    """A system with what is tested: its words, and each piece with its own vector, if asked for."""

    name: str
    heard: Heard
    found: Identities
    test: Exam
    pieces: tuple[Exam, FloatArray] | None = None


def main(task: str, arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal` for the task of that name."""
    rows = measured(task, arguments)
    if _parser(task).parse_args(arguments).json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    else:
        _print(task, rows)
    return 0


def measured(task: str, arguments: Sequence[str]) -> list[Row]:
    """Return the rows of the task of that name, and draw what the arguments ask for."""
    asked = _parser(task).parse_args(arguments)
    if task != "classify" and asked.pairs is None:
        raise ConfigError("expected --pairs, found none")
    text = _read(asked.text).most_frequent(asked.words)
    truth = read_segments(asked.truth)
    answers = _answers(task, asked.pairs if task != "classify" else None)
    if asked.closed:
        text = _closed(text, truth, answers)
    rows: list[Row] = []
    for name, folder in map(_named, asked.system):
        heard = Heard.load(folder)
        set_exam = _examiner(task, text, answers)
        found = identities(heard, truth)
        work = _Work(name, heard, found, set_exam(found))
        if asked.pieces:
            vectors = normalised(kept_vectors(folder, PIECES), centre_of(heard.space.vectors))
            work = work._replace(pieces=(set_exam(piece_identities(heard, truth)), vectors))
        rows += _rows(asked, work, text)
    return rows


def _answers(task: str, pairs: Path | None) -> Callable[[str], set[str]]:
    """Return what gives the right answers to a word."""
    if pairs is None:
        return itself
    known = read_answers(pairs)
    return answers_of(both_ways(known) if task == "synonyms" else known)


def _examiner(
    task: str, text: Space, answers: Callable[[str], set[str]]
) -> Callable[[Identities], Exam]:
    """Return what sets the exam of the task."""
    if task == "synonyms":
        return lambda found: exam(found, text.words, answers, itself, bar_itself=True)
    return lambda found: exam(found, text.words, answers, answers)


def _closed(text: Space, truth: Sequence[Recording], answers: Callable[[str], set[str]]) -> Space:
    """Return the space of those words of `text` that are an answer to some spoken word."""
    spoken = {segment.name for each in truth for segment in each.segments}
    right = {answer for word in spoken for answer in answers(word)}
    kept = np.flatnonzero([word in right for word in text.words])
    words = tuple(text.words[place] for place in kept)
    return Space(words, text.vectors[kept], text.counts[kept])


def _rows(asked: argparse.Namespace, work: _Work, text: Space) -> list[Row]:
    """Return the rows of one system, and draw its map if that was asked for."""
    space = work.heard.space
    if space.dimensions != text.dimensions:
        raise DataError(
            f"{work.name}: expected a space of {text.dimensions} dimensions like the text, "
            f"found {space.dimensions}"
        )
    x, y = normalised(space.vectors), normalised(text.vectors)
    known = work.test.known[: asked.supervised]

    rows: list[Row] = []

    def add(how: str, rotation: FloatArray) -> None:
        rows.append(_measured(work.name, how, work, work.test, (x, y, rotation)))
        if work.pieces is not None:
            test, vectors = work.pieces
            name = f"{work.name}, each piece"
            rows.append(_measured(name, how, work, test, (vectors, y, rotation)))

    rows.append(_row(work.name, "same answer to all", work, work.test, constant_shares(work.test)))
    add("random rotation", random_rotation(text.dimensions, 0))
    if len(known):
        rotation = procrustes(x[known[:, 0]], y[known[:, 1]])
        add(f"supervised, {len(known)} pairs", rotation)
    tried = _unsupervised(asked, space, text)
    if tried:
        kept = best(tried)
        rotation = kept.rotation
        add(f"unsupervised, {kept.start}", rotation)
    if asked.plot is not None and (len(known) or tried):
        _plot(asked, work, text, (x, y), rotation)
    return rows


def _measured(
    name: str,
    how: str,
    work: _Work,
    test: Exam,
    mapped: tuple[FloatArray, FloatArray, FloatArray],
) -> Row:
    csls = right_shares(test, *mapped)
    return _row(name, how, work, test, csls, right_shares(test, *mapped, csls=False))


def _row(
    name: str, how: str, work: _Work, test: Exam, csls: Right, nearest: Right | None = None
) -> Row:
    return Row(
        system=name, map=how, csls=csls, nearest=nearest, tested=test.pieces,
        answerable=100.0 * test.pieces / max(test.asked, 1), purity=work.found.purity(),
    )  # fmt: skip


def _unsupervised(asked: argparse.Namespace, space: Space, text: Space) -> list[Found]:
    found: list[Found] = []
    options = AlignOptions(start_words=asked.start_words)
    for start in asked.start or STARTS[:2]:
        for seed in range(1 if start == "gromov-wasserstein" else asked.seeds):
            try:
                found.append(find((space, text), start, seed, options))
            except DataError as error:
                _say(f"{start}, seed {seed}: no map: {error}")
    return found


def _plot(
    asked: argparse.Namespace,
    work: _Work,
    text: Space,
    vectors: tuple[FloatArray, FloatArray],
    rotation: FloatArray,
) -> None:
    from steno_models.crossmodal.plots import draw  # noqa: PLC0415

    path: Path = asked.plot
    if len(asked.system) > 1:
        path = path.with_name(f"{path.stem}-{work.name}{path.suffix}")
    names = [most or "?" for most in work.found.majority()]
    try:
        save(draw((names, text.words), vectors, rotation), path)
    except DataError as error:
        _say(f"{work.name}: no picture: {error}")


def _named(text: str) -> tuple[str, Path]:
    name, sign, folder = text.partition("=")
    if not sign or not name or not folder:
        raise ConfigError(f"expected --system NAME=FOLDER, found {text}")
    return name, Path(folder)


def _read(path: Path) -> Space:
    return Space.load(path) if path.is_dir() else read_text(path)


def _print(task: str, rows: Sequence[Row]) -> None:
    table = Table("system", "map", "CSLS P@1/5/10 %", "NN P@1/5/10 %", "CSLS, mean of words",
                  title=task)  # fmt: skip
    before = ""
    for row in rows:
        if before and row.system != before:
            table.add_section()
        table.add_row(
            row.system if row.system != before else "", row.map, _shares(row.csls.pieces),
            "" if row.nearest is None else _shares(row.nearest.pieces), _shares(row.csls.words),
        )  # fmt: skip
        before = row.system
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=_WIDTH)
    console.print(table)
    for row in {each.system: each for each in rows}.values():
        console.print(
            f"{row.system}: tested on {row.tested} pieces, {row.answerable:.0f} % of those of "
            f"tested words; purity {row.purity:.1f} %",
            highlight=False,
        )


def _shares(found: tuple[float, float, float]) -> str:
    return " / ".join(f"{share:.1f}" for share in found)


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)


def _parser(task: str) -> argparse.ArgumentParser:
    pairs = "" if task == "classify" else " --pairs pairs.txt"
    parser = argparse.ArgumentParser(
        prog=f"steno-models crossmodal {task}",
        description=_DESCRIPTIONS[task] + "\n" + _MORE,
        epilog=_EXAMPLE.format(task=task, pairs=pairs),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Callable[..., object] = parser.add_argument
    add("text", type=Path, metavar="TEXT", help="a space of words of a text")
    add("--truth", type=Path, required=True, metavar="FILE", help="true words in time")
    add("--system", action="append", required=True, metavar="NAME=DIR",
        help="of `crossmodal cluster`; again for several")  # fmt: skip
    add("--pairs", type=Path, metavar="FILE", help='lines "word answer"')
    add("--pieces", action="store_true",
        help="answer for each piece by its own vector, too (`cluster --keep-pieces`)")  # fmt: skip
    add("--words", type=int, default=20_000, help="of the text (%(default)s)")
    add("--closed", action="store_true",
        help="only answers to spoken words are candidates: for little speech")  # fmt: skip
    add("--supervised", type=int, default=5000, metavar="N",
        help="pairs at most that teach the supervised map (%(default)s)")  # fmt: skip
    add("--start", action="append", choices=STARTS,
        help="of the unsupervised map; again for several (the first two)")  # fmt: skip
    add("--seeds", type=int, default=1, help="of each start that has chance in it (%(default)s)")
    add("--start-words", type=int, default=1000, metavar="N",
        help="words that gromov-wasserstein couples (%(default)s)")  # fmt: skip
    add("--plot", type=Path, metavar="FILE", help="a PNG or SVG of both spaces before and after")
    add("--json", action="store_true", help="print JSON")
    return parser
