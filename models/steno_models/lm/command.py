"""`steno-models lm`: language models from plain text, and how well they know a text."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.lm.ngram.corpus import read_sentences
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.perplexity import perplexity
from steno_models.text.normalise import sentences

HELP = """usage: steno-models lm {build,perplexity} …

  build        estimate, mix and prune an n-gram model from texts
  perplexity   measure a model on texts or manifests

Each has its own --help.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models lm`; 0 if it went well, 2 on a wrong call."""
    match list(arguments):
        case ["build", *rest]:
            from steno_models.lm.ngram.build import main as build  # noqa: PLC0415

            build(rest)
            return 0
        case ["perplexity", *rest]:
            return _perplexity(rest)
        case found:
            Console().print(HELP, end="", markup=False, highlight=False)
            return 0 if found in ([], ["-h"], ["--help"]) else 2


def _perplexity(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="steno-models lm perplexity",
        description="Perplexity per word and share of unknown words, text by text.",
    )
    parser.add_argument("model", type=Path, help="a binary model, such as a bundle's lm/general.bin")
    parser.add_argument("text", type=Path, nargs="+", help="plain or packed text, or a manifest")
    asked = parser.parse_args(arguments)
    model = NgramModel.open(asked.model)
    for path in asked.text:
        found = perplexity(model, read_sentences(path, sentences))
        Console().print(f"{path}: {found}", highlight=False, soft_wrap=True)
    return 0
