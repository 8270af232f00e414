"""`steno-models lm sizes`: what a model loses as it is pruned, as a table and a plot.

Histories are weighed by the model's own probabilities, as where `lm convert` prunes: the counts
behind a stored model are gone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from steno_models.lm.ngram.corpus import SentenceSplitter, read_sentences
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.perplexity import perplexity
from steno_models.lm.ngram.prune import prune
from steno_models.lm.ngram.quantise import BITS, restore
from steno_models.text.normalise import sentences as normalised_sentences

_THRESHOLDS = (1e-9, 3e-9, 1e-8, 3e-8, 1e-7, 3e-7, 1e-6)


class Pruned(Struct, frozen=True, kw_only=True):
    """A model after pruning.

    Attributes:
        threshold: relative rise of the perplexity below which n-grams went; 0 for the whole model.
        ngrams: that it has left.
        megabytes: of its file.
        perplexity: on the held-out text.
    """

    threshold: float
    ngrams: int
    megabytes: float
    perplexity: float


def main(arguments: Sequence[str], *, splitter: SentenceSplitter = normalised_sentences) -> None:
    """Run `steno-models lm sizes` with `arguments`; `splitter` normalises text."""
    asked = _parser().parse_args(arguments)
    text = [s for path in asked.text for s in read_sentences(path, splitter)]
    found = sizes(NgramModel.open(asked.model), text, asked.thresholds, bits=asked.bits)
    if asked.plot is not None:
        plot(found, asked.plot)
    if asked.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    table = Table("threshold", "n-grams", "MB", "perplexity")
    for each in found:
        table.add_row(
            f"{each.threshold:g}",
            f"{each.ngrams}",
            f"{each.megabytes:.1f}",
            f"{each.perplexity:.1f}",
        )
    Console().print(table)


def sizes(
    model: NgramModel, text: Sequence[str], thresholds: Sequence[float], *, bits: int
) -> list[Pruned]:
    """Return `model` whole and pruned by each of `thresholds`, measured on `text`.

    Args:
        model: the model.
        text: held-out sentences.
        thresholds: of `prune`.
        bits: of each log probability in the files whose sizes are told.
    """
    whole = restore(model.vocabulary, model.arrays)
    found = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pruned.bin"
        for threshold in sorted({0.0, *thresholds}):
            kept = prune(whole, threshold=threshold) if threshold else whole
            pruned = NgramModel.from_backoff(kept, bits)
            pruned.write(path)
            found.append(
                Pruned(
                    threshold=threshold,
                    ngrams=len(kept.trie) - 1,
                    megabytes=path.stat().st_size / 1e6,
                    perplexity=perplexity(pruned, text).perplexity,
                )
            )
    return found


def plot(found: Sequence[Pruned], path: Path) -> None:
    """Draw perplexity against size as a PNG at `path`, each point with its threshold."""
    # Imported here: only whoever draws needs matplotlib, and it takes a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    axes.plot([each.megabytes for each in found], [each.perplexity for each in found], marker="o")
    for each in found:
        axes.annotate(f"{each.threshold:g}", (each.megabytes, each.perplexity))
    axes.set_xscale("log")
    axes.set_xlabel("size (MB)")
    axes.set_ylabel("perplexity")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100, format="png")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="steno-models lm sizes", description=__doc__)
    add = parser.add_argument
    # fmt: off
    add("model", type=Path, help="a file of n-grams, not pruned as far as possible")
    add("--text", type=Path, nargs="+", required=True, metavar="FILE", help="held-out text")
    add("--thresholds", type=float, nargs="+", default=_THRESHOLDS, metavar="T",
        help="to prune by (default %(default)s)")
    add("--bits", type=int, choices=BITS, default=max(BITS),
        help="of each log probability (default %(default)s)")
    add("--plot", type=Path, metavar="PNG", help="draw perplexity against size")
    add("--json", action="store_true", help="instead of a table")
    # fmt: on
    return parser
