"""`steno-models crossmodal word2vec`: vectors of words from running text."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models.crossmodal.space import Space
from steno_models.crossmodal.text_parts import read_part, share
from steno_models.crossmodal.word2vec.train import (
    OPEN_EPOCHS,
    OPEN_SAMPLE,
    Word2VecOptions,
    train,
)
from steno_models.crossmodal.word2vec.train import Progress as Stand
from steno_models.crossmodal.word2vec.vocabulary import Text, numbered
from steno_models.crossmodal.word2vec_text import write_text
from steno_models.errors import DataError
from steno_models.text.letters import plain_sentences

# Gives the sentences of a text, and those of a file by such a one.
Splitter = Callable[[str], Iterable[str]]
Reader = Callable[[Path, Splitter], Iterable[str]]

_DESCRIPTION = """Learn vectors of words from running text: skip-gram with negative sampling.

Texts are English and normalised to what is spoken, unless --as-written: then words are in any
language, in small letters and without punctuation. --out gets vectors.safetensors and words.txt.
"""
_EXAMPLE = """examples:
  steno-models crossmodal word2vec --text novels.txt.xz --out novels
  steno-models crossmodal word2vec --text novels.txt.xz --part 1/2 --out first-half
  steno-models crossmodal word2vec --text romans.txt --as-written --out romans
"""
_ABOUT = {
    "dimensions": "of each vector",
    "window": "largest distance of neighbours",
    "negatives": "for each pair",
    "alpha": "first learning rate",
    "threads": "more than one are faster and give no two runs alike",
    "seed": "of everything random",
}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt, for programs.

    Attributes:
        words: with a vector.
        tokens: of the text that are such words.
        loss: mean of the last block's pairs.
        out: where the space is.
        options: as it was learnt.
    """

    words: int
    tokens: int
    loss: float
    out: str
    options: Word2VecOptions


def main(arguments: Sequence[str], *, read: Reader, spoken: Splitter) -> int:
    """Run `steno-models crossmodal word2vec`.

    Args:
        arguments: of the command.
        read: gives the sentences of a file.
        spoken: makes them what is spoken in English.
    """
    asked = _parser().parse_args(arguments)
    options = Word2VecOptions(
        dimensions=asked.dimensions, window=asked.window, negatives=asked.negatives,
        epochs=asked.epochs, alpha=asked.alpha, sample=asked.sample,
        threads=asked.threads, seed=asked.seed,
    )  # fmt: skip
    part = read_part(asked.part)
    splitter = plain_sentences if asked.as_written else spoken
    sentences = [sentence for path in asked.text for sentence in read(path, splitter)]
    if not sentences and not asked.as_written:
        raise DataError("expected words of English, found none; --as-written takes any language")
    text = numbered(share(sentences, part), min_count=asked.min_count, most=asked.words)
    del sentences
    epochs, sample = options.epochs_and_sample(len(text.tokens))
    options = msgspec.structs.replace(options, epochs=epochs, sample=sample)
    space, loss = _learn(text, options, epochs * len(text.tokens))
    space.save(asked.out)
    if asked.text_format is not None:
        write_text(space, asked.text_format)
    if asked.json:
        summary = Summary(
            words=len(space), tokens=len(text.tokens), loss=loss, out=str(asked.out),
            options=options,
        )  # fmt: skip
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    else:
        Console().print(
            f"{len(space)} words of {len(text.tokens)} tokens, {space.dimensions} dimensions: "
            f"{asked.out}",
            highlight=False,
        )
    return 0


def _learn(text: Text, options: Word2VecOptions, words: int) -> tuple[Space, float]:
    """Return the space and the last loss, with a bar of so many words on standard error."""
    bar = Progress(
        TextColumn("word2vec"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TextColumn("loss {task.fields[loss]:.3f}  alpha {task.fields[alpha]:.4f}"),
        TimeRemainingColumn(), console=Console(stderr=True),
    )  # fmt: skip
    last = [0.0]
    with bar:
        task = bar.add_task("", total=words, loss=0.0, alpha=0.0)

        def show(stand: Stand) -> None:
            last[0] = stand.loss
            bar.update(task, completed=stand.words, loss=stand.loss, alpha=stand.alpha)

        return train(text, options, show), last[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal word2vec",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Word2VecOptions()
    add = parser.add_argument
    add("--text", type=Path, nargs="+", required=True, metavar="FILE",
        help="running text, plain, .gz, .bz2 or .xz, or manifests (.jsonl)")  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR", help="of the space")
    add("--as-written", action="store_true", help="words of any language, as they are written")
    add("--part", default="1/1", metavar="K/N",
        help="read only the K-th of N stretches of the sentences")  # fmt: skip
    add("--text-format", type=Path, metavar="FILE", help="write the text format of Word2Vec, too")
    add("--words", type=int, default=20_000, help="at most (%(default)s)")
    add("--min-count", type=int, default=5, help="of each (%(default)s)")
    for name, text in _ABOUT.items():
        value = getattr(default, name)
        about = f"{text} (%(default)s)"
        add(f"--{name}", type=type(value), default=value, help=about)
    add("--epochs", type=int, help=f"over the text ({OPEN_EPOCHS})")
    add("--sample", type=float, help=f"share above which words are thinned out ({OPEN_SAMPLE})")
    add("--json", action="store_true", help="print JSON")
    return parser
