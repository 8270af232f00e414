"""`steno-models punctuation`: train, fit the pauses, evaluate.

Examples:
  steno-models punctuation train --text novels.txt.xz news.txt --out punctuation
  steno-models punctuation pauses --model punctuation --prompts prompts.txt --manifest train.jsonl
  steno-models punctuation evaluate --model punctuation --text novels.txt.xz --plot confusion.png
  steno-models punctuation write "how are you it is half past ten" "thank you"
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from steno_models import bundle
from steno_models.errors import DataError
from steno_models.punctuation import corpus, evaluate, pauses
from steno_models.punctuation.labelled import Labelled, Mark
from steno_models.punctuation.model import END, SHIPPED, WITHIN, Punctuator, pause_class
from steno_models.punctuation.train import train
from steno_models.punctuation.written import Hearing, context, written
from steno_models.recogniser import DecodeOptions, Work
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples

STEP_S = 0.04


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models punctuation`."""
    asked = _parser().parse_args(arguments)
    match asked.action:
        case "train":
            return _train(asked)
        case "pauses":
            return _pauses(asked)
        case "evaluate":
            return evaluate.run(asked)
        case _:
            return _write(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models punctuation",
        description="Marks and capitals for recognised words: train, fit, evaluate.",
        epilog=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    training = actions.add_parser("train", help="train a model on written text")
    _add_text(training)
    training.add_argument("--out", type=Path, required=True, help="folder of the model")
    training.add_argument(
        "--bits", type=int, default=19, help="2^BITS rows of weights (%(default)s)"
    )
    fit = actions.add_parser("pauses", help="count what silence tells, into a trained model")
    fit.add_argument("--model", type=Path, required=True, help="folder of the model")
    fit.add_argument("--prompts", type=Path, required=True, help="text, each line cut at silences")
    fit.add_argument("--manifest", type=Path, help="speech with written text; none: ends alone")
    fit.add_argument("--bundle", default="en", help="recognises it (%(default)s)")
    fit.add_argument("--most", type=int, default=200, help="recordings (%(default)s)")
    judging = actions.add_parser("evaluate", help="F1 of marks and cases on held-out text")
    _add_text(judging)
    judging.add_argument("--model", type=Path, default=SHIPPED, help="folder (the shipped one)")
    judging.add_argument("--plot", type=Path, help="confusion of marks, as PNG or SVG")
    write = actions.add_parser("write", help="show how finals would be written")
    write.add_argument("--model", type=Path, default=SHIPPED, help="folder (the shipped one)")
    write.add_argument("finals", nargs="+", help="words of each")
    return parser


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text",
        type=Path,
        nargs="+",
        required=True,
        help="text files, .xz and .gz too; every twelfth book or thousand lines are held out",
    )
    parser.add_argument(
        "--words-of-document",
        type=int,
        default=25_000,
        metavar="N",
        help="no more of each book or thousand lines (%(default)s)",
    )


def _train(asked: argparse.Namespace) -> int:
    console = Console(stderr=True)
    chosen = [one for one in corpus.documents(asked.text) if not one.is_held_out]
    order = np.random.default_rng(0).permutation(len(chosen))
    words = 0

    def texts() -> Iterator[Labelled]:
        nonlocal words
        for number, place in enumerate(order):
            labelled = chosen[place].labelled(asked.words_of_document)
            words += len(labelled)
            if number % 20 == 0:
                console.print(f"{number} of {len(chosen)} documents, {words:,} words")
            yield labelled

    began_s = time.process_time()
    model = train(texts(), np.zeros((WITHIN + 1, len(Mark))), bits=asked.bits)
    sources = ", ".join(path.name for path in asked.text)
    model.write(asked.out, language="en", trained_on=f"{words:,} words of {sources}")
    spent_s = time.process_time() - began_s
    console.print(f"{words:,} words, {spent_s:.0f} s of processor time: {asked.out}")
    return 0


def _pauses(asked: argparse.Namespace) -> int:
    model = Punctuator.load(asked.model)
    prompts = [line for part in corpus.documents([asked.prompts]) for line in part.lines]
    spoken = [] if asked.manifest is None else list(_spoken(asked))
    ended, paused = pauses.ends(prompts), pauses.within(spoken)
    Console().print(f"ends of prompts by mark (within, at the end):\n{ended}")
    Console().print(f"pauses by mark (rows) and class:\n{paused}")
    model.with_pauses(asked.model, pauses.table(ended, paused))
    return 0


def _spoken(asked: argparse.Namespace) -> Iterator[tuple[str, list[str], list[int]]]:
    """Yield the written text of recordings, the words recognised, and the pauses between them."""
    torch.set_num_threads(1)
    recogniser = bundle.load(asked.bundle).recogniser
    for utterance in islice(read_manifest(asked.manifest), asked.most):
        features = recogniser.features().accept(read_samples(utterance))
        work = Work(features, recogniser.start(DecodeOptions()), is_last=True)
        [(update, _)] = recogniser.step([work])
        words = [word.text for word in update.words]
        gaps = [
            pause_class(STEP_S * (two.start_step - one.end_step))
            for one, two in pairwise(update.words)
        ]
        yield utterance.text, words, gaps


def _write(asked: argparse.Namespace) -> int:
    """Print finals as they would be written, one after the other."""
    model = Punctuator.load(asked.model)
    before = None
    for text in asked.finals:
        words = text.lower().split()
        if not words:
            raise DataError("expected words, found none")
        shown = " ".join(
            one.text
            for one in written(Hearing(words, [WITHIN] * (len(words) - 1) + [END], before), model)
        )
        Console(highlight=False).print(shown)
        before = context(text, shown)
    return 0
