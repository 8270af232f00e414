"""`steno-models manifest CORPUS FOLDER --out FILE.jsonl`: one manifest out of a corpus on disk."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from steno_models.errors import DataError
from steno_models.training.corpora import common_voice, librispeech, ljspeech, tedlium
from steno_models.training.manifest import Utterance, check_manifest, read_manifest, write_manifest

_CORPORA = ("librispeech", "ljspeech", "common-voice", "tedlium", "kaldi", "nemo")
_EXAMPLE = """\
examples:
  steno-models manifest librispeech ~/corpora/dev-clean --out dev.jsonl --check
  steno-models manifest common-voice ~/corpora/cv-en --split test --out test.jsonl

Exit status: 0 when the manifest is written, 1 when something is wrong with the corpus, which
standard error names, 2 when the command line is wrong.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the manifest that `arguments` ask for; return 0, or 1 if the corpus is bad."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        with _progress(console) as progress:
            _write(options, progress)
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models manifest",
        description="List a speech corpus as a JSON-lines manifest: a line for each utterance,\n"
        "with its recording, where in there it is (in seconds) and what is said.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", choices=_CORPORA, help="the form that the corpus is in")
    parser.add_argument("folder", type=Path, help="where it is")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    parser.add_argument("--split", default="train", help="the list of Common Voice (train)")
    parser.add_argument("--check", action="store_true", help="decode every recording as well")
    return parser


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _write(options: argparse.Namespace, progress: Progress) -> None:
    corpus = _utterances(options.corpus, options.folder, options.split)
    utterances = list(_counted(corpus, progress))
    if options.check:
        task = progress.add_task("checking recordings", total=len(utterances))
        check_manifest(utterances, on_checked=lambda: progress.advance(task))
    write_manifest(options.out, utterances)
    hours = sum(utterance.duration_s for utterance in utterances) / 3600
    progress.console.print(f"{options.out}: {len(utterances)} utterances, {hours:.2f} h")


def _utterances(corpus: str, folder: Path, split: str) -> Iterable[Utterance]:
    match corpus:
        case "librispeech":
            return librispeech.read(folder)
        case "ljspeech":
            return ljspeech.read(folder)
        case "common-voice":
            return common_voice.read(folder, split=split)
        case "tedlium":
            return tedlium.read(folder)
        case _:
            return read_manifest(folder)


def _counted(utterances: Iterable[Utterance], progress: Progress) -> Iterator[Utterance]:
    task = progress.add_task("reading the corpus", total=None)
    for utterance in utterances:
        progress.advance(task)
        yield utterance
