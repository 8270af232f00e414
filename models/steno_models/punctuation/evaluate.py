"""F1 of marks and cases on held-out text, with intervals, beside a baseline that knows no words.

The text is cut into finals where speech would pause, by the model's own ln p(end | mark), and each
final is read with what the one before left, as the daemon does. Intervals resample finals by
thousands, for neighbours are wrong together. The baseline ends every final with a full stop,
begins each with a capital, and writes "I".
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from steno_models.errors import DataError
from steno_models.punctuation import corpus
from steno_models.punctuation.labelled import UNKNOWN_CASE, Bytes, Case, Labelled, Mark
from steno_models.punctuation.model import END, WITHIN, Punctuator
from steno_models.punctuation.written import Hearing, context, written

REPLICATES = 1_000
_BLOCK_FINALS = 50
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Judged:
    """Words with what is true of them and what was decided.

    Attributes:
        marks: (N, 2) true and decided marks.
        cases: (N, 2) likewise cases as written, capitals of sentences included; true ones may be
            `UNKNOWN_CASE`.
        blocks: (N,) number of the block of finals that is resampled as one.
    """

    marks: Bytes
    cases: Bytes
    blocks: NDArray[np.int64]


def finals(
    text: Labelled, ends: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Yield beginning and end of each final; `ends` is p(end | mark)."""
    begin = 0
    chance = rng.random(len(text)) < ends[text.marks]
    for n in range(len(text)):
        if chance[n] or n + 1 == len(text) or n + 1 - begin >= _LONGEST:
            yield begin, n + 1
            begin = n + 1


def judge(model: Punctuator, texts: Sequence[Labelled]) -> tuple[Judged, Judged, float]:
    """Return what the model and the baseline decide, and the model's seconds for one final."""
    rng = np.random.default_rng(1)
    ends = np.exp(model.pauses[END]) if model.pauses.any() else np.full(len(Mark), 1 / 12)
    ours: list[tuple[Bytes, Bytes]] = []
    baseline: list[tuple[Bytes, Bytes]] = []
    blocks: list[int] = []
    spent_s, count = 0.0, 0
    for text in texts:
        before = None
        for begin, end in finals(text, ends, rng):
            words = text.words[begin:end]
            began_s = time.perf_counter()
            at_end = END if end - begin < _LONGEST else None
            hearing = Hearing(words, [*[WITHIN] * (len(words) - 1), at_end], before)
            shown = [one.text for one in written(hearing, model, numbers=False)]
            spent_s += time.perf_counter() - began_s
            before = context(" ".join(words), " ".join(shown))
            truth = text.marks[begin:end], _true_cases(text, begin, end)
            ours.append(_pairs(truth, shown))
            baseline.append(_pairs(truth, _plainest(words)))
            blocks += [count // _BLOCK_FINALS] * len(words)
            count += 1
    if not count:
        raise DataError("expected held-out text with marks, found none")
    numbers = np.array(blocks)
    return _joined(ours, numbers), _joined(baseline, numbers), spent_s / count


def _true_cases(text: Labelled, begin: int, end: int) -> Bytes:
    """Return cases as written: words behind the end of a sentence are capitalised."""
    cases = text.cases[begin:end].copy()
    before = np.concatenate([[Mark.STOP if begin == 0 else text.marks[begin - 1]],
                             text.marks[begin : end - 1]])  # fmt: skip
    known = (text.cases != UNKNOWN_CASE).any()
    cases[(before >= Mark.STOP) & known & (cases == UNKNOWN_CASE)] = Case.CAPITALISED
    return cases


def _pairs(truth: tuple[Bytes, Bytes], shown: Sequence[str]) -> tuple[Bytes, Bytes]:
    """Return (N, 2) marks and cases, true and as they were shown."""
    by_text = {mark.text: mark for mark in Mark if mark}
    marks = np.array([by_text.get(one[-1], Mark.NONE) for one in shown], np.uint8)
    cases = np.array([_case(one.rstrip(",.?!")) for one in shown], np.uint8)
    return np.stack([truth[0], marks], axis=1), np.stack([truth[1], cases], axis=1)


def _case(word: str) -> Case:
    letters = word.partition("'")[0]
    if len(letters) > 1 and letters.isupper():
        return Case.UPPER
    return Case.CAPITALISED if word[:1].isupper() else Case.LOWER


def _plainest(words: Sequence[str]) -> list[str]:
    shown = ["I" + word[1:] if word == "i" or word.startswith("i'") else word for word in words]
    shown[0] = Case.CAPITALISED.apply(shown[0])
    shown[-1] += "."
    return shown


def _joined(parts: Sequence[tuple[Bytes, Bytes]], blocks: NDArray[np.int64]) -> Judged:
    return Judged(
        np.concatenate([marks for marks, _ in parts]),
        np.concatenate([cases for _, cases in parts]),
        blocks,
    )


def f1(pairs: Bytes, blocks: NDArray[np.int64], wanted: Sequence[int]) -> tuple[float, ...]:
    """Return precision, recall, F1 = 2 TP / (2 TP + FP + FN), and the ends of its 95 % interval.

    Args:
        pairs: (N, 2) what is true and what was decided.
        blocks: (N,) what is resampled together.
        wanted: the classes that count as found.
    """
    true, found = np.isin(pairs[:, 0], wanted), np.isin(pairs[:, 1], wanted)
    length = int(blocks.max()) + 1
    counts = np.stack(
        [np.bincount(blocks, weights=one, minlength=length) for one in (true & found, true, found)]
    )
    hits, truth, claims = counts.sum(axis=1)
    drawn = np.random.default_rng(2004).integers(0, length, (REPLICATES, length))
    again = counts[:, drawn].sum(axis=2)
    replicates = 2 * again[0] / np.maximum(again[1] + again[2], 1)
    low, high = np.quantile(replicates, (0.025, 0.975))
    both = truth + claims
    return (
        float(hits / claims) if claims else 0.0,
        float(hits / truth) if truth else 0.0,
        float(2 * hits / both) if both else 0.0,
        float(low),
        float(high),
    )


def table(ours: Judged, baseline: Judged, title: str) -> Table:
    """Return F1 of each mark, of the ends of sentences, and of each case."""
    shown = Table("", "in text", "precision", "recall", "F1 [95 %]", "baseline F1", title=title)
    rows: list[tuple[str, Sequence[int], Bytes, Bytes]] = [
        *((mark.text, [mark], ours.marks, baseline.marks) for mark in Mark if mark),
        (". ? ! alike", [m for m in Mark if m.ends_sentence], ours.marks, baseline.marks),
        *((case.name.lower(), [case], ours.cases, baseline.cases) for case in Case),
    ]
    for name, wanted, pairs, plain in rows:
        known = pairs[:, 0] != UNKNOWN_CASE
        if not known.any():
            continue
        true = int(np.isin(pairs[known, 0], wanted).sum())
        precision, recall, score, low, high = f1(pairs[known], ours.blocks[known], wanted)
        base = f1(plain[known], ours.blocks[known], wanted)[2]
        shown.add_row(
            name,
            f"{true:,}",
            f"{precision:.3f}",
            f"{recall:.3f}",
            f"{score:.3f} [{low:.3f}, {high:.3f}]",
            f"{base:.3f}",
        )
    return shown


def plot(judged: Judged, path: Path) -> None:
    """Save which marks are taken for which, as shares of the true ones."""
    names = [mark.text or "none" for mark in Mark]
    counts = np.zeros((len(Mark), len(Mark)))
    np.add.at(counts, (judged.marks[:, 0], judged.marks[:, 1]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.2f}", ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("written by the model")
    axes.set_ylabel("in the text")
    axes.set_title("Marks behind words, held-out text")
    figure.colorbar(image, label="share of the true ones")
    figure.savefig(path, dpi=150)


def run(asked: argparse.Namespace) -> int:
    """Run `steno-models punctuation evaluate`."""
    model = Punctuator.load(asked.model)
    texts: dict[str, list[Labelled]] = {}
    for document in corpus.documents(asked.text):
        if document.is_held_out:
            labelled = document.labelled(asked.words_of_document)
            texts.setdefault(document.source, []).append(labelled)
    console = Console()
    shown = []
    for source, parts in texts.items():
        ours, baseline, cost_s = judge(model, parts)
        shown.append(ours)
        title = f"{source}: {len(ours.marks):,} words held out, {1000 * cost_s:.2f} ms for a final"
        console.print(table(ours, baseline, title))
    if asked.plot is not None:
        every = np.concatenate([one.marks for one in shown])
        plot(Judged(every, every, np.zeros(len(every), np.int64)), asked.plot)
    return 0
