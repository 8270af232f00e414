"""`steno-models lm`: language models from plain text, and how well they know a text."""

import sys
from collections.abc import Sequence

HELP = """usage: steno-models lm {build,perplexity,convert} …

  build        estimate, mix and prune an n-gram model from texts
  perplexity   measure a model on texts or manifests
  convert      turn an ARPA file into the binary form

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
            from steno_models.lm.ngram.perplexity import main as perplexity  # noqa: PLC0415

            perplexity(rest)
            return 0
        case ["convert", *rest]:
            from steno_models.lm.ngram.convert import main as convert  # noqa: PLC0415

            convert(rest)
            return 0
        case found:
            sys.stdout.write(HELP)
            return 0 if found in ([], ["-h"], ["--help"]) else 2
