"""`steno-models hmm`: the classic recogniser, from mixtures of Gaussians to words."""

import sys
from collections.abc import Callable, Sequence

_HELP = """usage: steno-models hmm COMMAND …

Hidden Markov models with Gaussian mixtures, with a network in their place or before them.

commands (each has its own --help):
  train        train phones, triphones, triphones on discriminants and for each speaker
  hybrid       train networks on the alignments of a stage, then on their own
  tandem       train Gaussians on what such a network hears
  evaluate     measure any of them on a manifest: word error rate with a bundle's language model
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm`."""
    match list(arguments[:1]):
        case ["-h" | "--help"] | []:
            sys.stdout.write(_HELP)
            return 0
        case [name, *_]:
            command = _command(name)
            if command is not None:
                return command(arguments[1:])
            sys.stderr.write(f"expected a command, found {name}\n\n{_HELP}")
    return 2


def _command(name: str) -> Callable[[Sequence[str]], int] | None:
    """Return the command of that name; None if there is none."""
    match name:
        case "train":
            from steno_models.hmm.recipe import main as train  # noqa: PLC0415

            return train
        case "hybrid":
            from steno_models.hmm.hybrid.command import main as hybrid  # noqa: PLC0415

            return hybrid
        case "tandem":
            from steno_models.hmm.tandem.command import main as tandem  # noqa: PLC0415

            return tandem
        case "evaluate":
            from steno_models.hmm_evaluate import main as evaluate  # noqa: PLC0415

            return evaluate
    return None
