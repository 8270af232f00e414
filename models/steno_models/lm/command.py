"""`steno-models lm`: language models from plain text, and how well they know a text."""

import sys
from collections.abc import Sequence

HELP = """usage: steno-models lm {build,train,perplexity,convert,quantise} …

  build        estimate, mix and prune an n-gram model from texts; with --name a whole domain,
               for a running daemon (`lm build --name x --help`)
  train        train a network, as a configuration says
  perplexity   measure a model on texts or manifests
  convert      turn an ARPA file into the binary form, or prune a model file
  quantise     store a trained network at eight bits a weight

Each has its own --help.
"""


def main(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one for each command
    """Run `steno-models lm`; 0 if it went well, 2 on a wrong call."""
    match list(arguments):
        case ["build", *rest] if _is_domain(rest):
            from steno_models.lm.domain.command import main as domain  # noqa: PLC0415

            domain(rest)
            return 0
        case ["build", *rest]:
            from steno_models.lm.ngram.build import main as build  # noqa: PLC0415

            build(rest)
            return 0
        case ["perplexity", *rest]:
            from steno_models.lm.perplexity import main as perplexity  # noqa: PLC0415

            return perplexity(rest)
        case ["train", *rest]:
            from steno_models.lm.train_command import main as train  # noqa: PLC0415

            return train(rest)
        case ["sizes", *rest]:
            from steno_models.lm.ngram.sizes import main as sizes  # noqa: PLC0415

            sizes(rest)
            return 0
        case ["convert", *rest]:
            from steno_models.lm.ngram.convert import main as convert  # noqa: PLC0415

            convert(rest)
            return 0
        case ["quantise", *rest]:
            from steno_models.lm.neural.quantise import main as quantise  # noqa: PLC0415

            quantise(rest)
            return 0
        case found:
            sys.stdout.write(HELP)
            return 0 if found in ([], ["-h"], ["--help"]) else 2


def _is_domain(arguments: Sequence[str]) -> bool:
    """Return whether the arguments of `build` ask for a whole domain."""
    return any(one == "--name" or one.startswith("--name=") for one in arguments)
