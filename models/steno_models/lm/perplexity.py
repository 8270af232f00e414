"""`steno-models lm perplexity`: how well language models of any kind predict texts.

All are measured on the same tokens: the sentence ends, and the words that every model knows.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from steno_models.errors import DataError
from steno_models.lm.em import em_weights
from steno_models.lm.ngram.corpus import SentenceSplitter, read_sentences
from steno_models.lm.open_model import open_model
from steno_models.lm.scorer import LogProbs, Scorer, Sentence, State
from steno_models.text.normalise import sentences as normalised_sentences

# Sentences that are walked through together.
_TOGETHER = 64


class Measured(Struct, frozen=True, kw_only=True):
    """How one model, or their mixture, did on one text.

    Attributes:
        text: which.
        model: which; the mixture is called `interpolated`.
        megabytes: on disk.
        perplexity: over sentence ends and the words that all models know.
        words: of the text.
        sentences: of the text.
        unknown: share of the words that this model does not know.
        words_per_s: how fast it was, in this process.
        weight: in the mixture, if there is one.
    """

    text: str
    model: str
    megabytes: float
    perplexity: float
    words: int
    sentences: int
    unknown: float
    words_per_s: float
    weight: float | None = None


def main(arguments: Sequence[str], *, splitter: SentenceSplitter = normalised_sentences) -> int:
    """Run `steno-models lm perplexity` with `arguments`; `splitter` normalises text."""
    asked = _parser().parse_args(arguments)
    scorers = [open_model(path) for path in asked.model]
    weights: list[float] = []
    if asked.interpolate:
        weights = tuned(scorers, _read(asked.interpolate, splitter), carry=asked.carry)
    found = [
        measured
        for path in asked.text
        for measured in measure(
            asked.model, scorers, path, splitter, weights=weights, carry=asked.carry
        )
    ]
    if asked.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        Console(soft_wrap=True).print(_table(found))
    return 0


def measure(
    paths: Sequence[Path],
    scorers: Sequence[Scorer],
    text: Path,
    splitter: SentenceSplitter,
    *,
    weights: Sequence[float] = (),
    carry: bool = False,
) -> list[Measured]:
    """Return how the models of `paths`, and their mixture by `weights`, do on `text`.

    Args:
        paths: of the models.
        scorers: the models themselves.
        text: a text or a manifest.
        splitter: normalises it.
        weights: of the mixture; none for no mixture.
        carry: whether each sentence is read after those before it.

    Raises:
        DataError: the text has no word.
    """
    sentences = _read([text], splitter)
    known = np.column_stack([known_words(scorer, sentences) for scorer in scorers])
    words = sum(map(len, sentences))
    timed = [_timed(scorer, sentences, carry=carry) for scorer in scorers]
    speeds = [words / took_s for _, took_s in timed]
    scores, counted = np.column_stack([found for found, _ in timed]), known.all(axis=1)
    rows = [
        Measured(
            text=str(text),
            model=str(path),
            megabytes=_bytes(path) / 1e6,
            perplexity=_perplexity(scores[counted, i]),
            words=words,
            sentences=len(sentences),
            unknown=float((~known[:, i]).sum()) / words,
            words_per_s=speeds[i],
            weight=weights[i] if weights else None,
        )
        for i, path in enumerate(paths)
    ]
    if weights:
        with np.errstate(divide="ignore"):
            mixed = np.logaddexp.reduce(scores + np.log(np.array(weights)), axis=1)
        rows.append(
            Measured(
                text=str(text),
                model="interpolated",
                megabytes=sum(row.megabytes for row in rows),
                perplexity=_perplexity(mixed[counted]),
                words=words,
                sentences=len(sentences),
                unknown=float((~counted).sum()) / words,
                words_per_s=1 / sum(1 / speed for speed in speeds),
            )
        )
    return rows


def tuned(scorers: Sequence[Scorer], sentences: Sequence[Sentence], *, carry: bool) -> list[float]:
    """Return the weights of the mixture that predicts `sentences` best."""
    known = np.column_stack([known_words(scorer, sentences) for scorer in scorers]).all(axis=1)
    scores = [log_probs(scorer, sentences, carry=carry) for scorer in scorers]
    return em_weights(np.exp(np.column_stack(scores)[known]))


def log_probs(scorer: Scorer, sentences: Sequence[Sentence], *, carry: bool) -> LogProbs:
    """Return (N,) ln p of all words and ends of `sentences`, one after the other."""
    if not carry:
        parts = [
            found
            for group in _groups(sentences)
            for found in scorer.score_sentences(group).log_probs
        ]
        return np.concatenate(parts)
    state: State = scorer.start()
    parts = []
    for sentence in sentences:
        scored = scorer.score_sentences([sentence], state)
        state = scored.states[0]
        parts += scored.log_probs
    return np.concatenate(parts)


def known_words(scorer: Scorer, sentences: Iterable[Sentence]) -> NDArray[np.bool_]:
    """Return (N,) whether `scorer` knows each word of `sentences`; it knows each end."""
    return np.array(
        [known for s in sentences for known in (*(scorer.knows(word) for word in s), True)]
    )


def _timed(scorer: Scorer, sentences: Sequence[Sentence], *, carry: bool) -> tuple[LogProbs, float]:
    """Return `log_probs` and the seconds that they took."""
    began_s = time.perf_counter()
    found = log_probs(scorer, sentences, carry=carry)
    return found, time.perf_counter() - began_s


def _read(paths: Iterable[Path], splitter: SentenceSplitter) -> list[list[str]]:
    found = [s.split() for path in paths for s in read_sentences(path, splitter)]
    if not any(found):
        raise DataError(f"expected text in {', '.join(map(str, paths))}, found none")
    return found


def _groups(sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    """Give sentences a few at a time."""
    rest = iter(sentences)
    while group := list(islice(rest, _TOGETHER)):
        yield group


def _perplexity(log_probs: LogProbs) -> float:
    return math.exp(-float(log_probs.mean()))


def _bytes(path: Path) -> int:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _table(rows: Sequence[Measured]) -> Table:
    table = Table()
    table.add_column("text")
    table.add_column("model")
    for name in ("weight", "MB", "perplexity", "unknown", "words/s"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            f"{row.text} ({row.words} words)",
            row.model,
            "" if row.weight is None else f"{row.weight:.3f}",
            f"{row.megabytes:.1f}",
            f"{row.perplexity:.1f}",
            f"{100 * row.unknown:.2f} %",
            f"{row.words_per_s:.0f}",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="steno-models lm perplexity", description=__doc__)
    add = parser.add_argument
    # fmt: off
    add("model", type=Path, nargs="+", help="files of n-grams, or folders of trained models")
    add("--text", type=Path, nargs="+", required=True, metavar="FILE",
        help="text or manifests (.jsonl)")
    add("--interpolate", type=Path, nargs="+", default=[], metavar="DEV",
        help="measure their mixture too, with the weights that suit these texts best")
    add("--carry", action="store_true", help="read each sentence after those before it")
    add("--json", action="store_true", help="instead of a table")
    # fmt: on
    return parser
