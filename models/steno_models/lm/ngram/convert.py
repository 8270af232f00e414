"""`steno-models lm convert`: from another tool's ARPA file to a model file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.lm.ngram.arpa import read_arpa
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import prune
from steno_models.lm.ngram.vocabulary import read_vocabulary


def main(arguments: Sequence[str]) -> None:
    """Run `steno-models lm convert` with `arguments`."""
    parser = argparse.ArgumentParser(prog="steno-models lm convert", description=__doc__)
    add = parser.add_argument
    # fmt: off
    add("arpa", type=Path, help="plain, .gz, .bz2 or .xz")
    add("out", type=Path)
    add("--vocabulary-file", type=Path, metavar="FILE", help="the order of its words, one a line")
    add("--prune", type=float, default=0.0, metavar="THRESHOLD",
        help="drop n-grams worth less than this share of the perplexity, say 1e-8")
    # fmt: on
    found = parser.parse_args(arguments)
    words = None if found.vocabulary_file is None else read_vocabulary(found.vocabulary_file)
    model = read_arpa(found.arpa, words)
    if found.prune > 0:
        model = prune(model, threshold=found.prune)
    NgramModel.from_backoff(model).write(found.out)
    summary = f"{found.out}: {model.trie.order} orders, {len(model.trie) - 1} n-grams"
    Console().print(summary, highlight=False, soft_wrap=True)
