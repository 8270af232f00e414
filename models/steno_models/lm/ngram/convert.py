"""`steno-models lm convert`: from another tool's ARPA file, or a model file, to a model file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.errors import ConfigError
from steno_models.lm.ngram.arpa import read_arpa
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.binary import is_binary
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import prune
from steno_models.lm.ngram.quantise import BITS, restore
from steno_models.lm.ngram.vocabulary import read_vocabulary


def main(arguments: Sequence[str]) -> None:
    """Run `steno-models lm convert` with `arguments`."""
    parser = argparse.ArgumentParser(prog="steno-models lm convert", description=__doc__)
    add = parser.add_argument
    # fmt: off
    add("arpa", type=Path, help="plain, .gz, .bz2 or .xz; or a model file")
    add("out", type=Path)
    add("--vocabulary-file", type=Path, metavar="FILE", help="the order of its words, one a line")
    add("--prune", type=float, default=0.0, metavar="THRESHOLD",
        help="drop n-grams worth less than this share of the perplexity, say 1e-8")
    add("--bits", type=int, choices=BITS, default=max(BITS),
        help="of each log probability (default %(default)s)")
    # fmt: on
    found = parser.parse_args(arguments)
    model = _read(found.arpa, found.vocabulary_file)
    if found.prune > 0:
        model = prune(model, threshold=found.prune)
    NgramModel.from_backoff(model, found.bits).write(found.out)
    summary = f"{found.out}: {model.trie.order} orders, {len(model.trie) - 1} n-grams"
    Console().print(summary, highlight=False, soft_wrap=True)


def _read(path: Path, vocabulary: Path | None) -> BackoffModel:
    """Return the model in `path`, of either form, its words in the order of `vocabulary`."""
    if not is_binary(path):
        return read_arpa(path, None if vocabulary is None else read_vocabulary(vocabulary))
    if vocabulary is not None:
        raise ConfigError(
            f"expected no --vocabulary-file for {path}, which has its own, found {vocabulary}"
        )
    stored = NgramModel.open(path)
    return restore(stored.vocabulary, stored.arrays)
