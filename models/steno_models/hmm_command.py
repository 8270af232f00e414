"""`steno-models hmm`: the classic recogniser, from mixtures of Gaussians to words."""

import sys
from collections.abc import Sequence

_HELP = """usage: steno-models hmm COMMAND …

Hidden Markov models with Gaussian mixtures.

commands (each has its own --help):
  train        train phones, triphones, triphones on discriminants and for each speaker
  evaluate     measure a stage on a manifest: word error rate with a bundle's language model
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm`."""
    match list(arguments[:1]):
        case ["train"]:
            from steno_models.hmm.recipe import main as train  # noqa: PLC0415

            return train(arguments[1:])
        case ["evaluate"]:
            from steno_models.hmm_evaluate import main as evaluate  # noqa: PLC0415

            return evaluate(arguments[1:])
        case ["-h" | "--help"] | []:
            sys.stdout.write(_HELP)
            return 0
        case [other]:
            sys.stderr.write(f"expected a command, found {other}\n\n{_HELP}")
            return 2
    return 2
