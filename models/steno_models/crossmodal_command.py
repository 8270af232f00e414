"""`steno-models crossmodal`: words by how they are used, in text and in speech."""

import sys
from collections.abc import Sequence

_HELP = """usage: steno-models crossmodal COMMAND …

Spaces of words and the map from one to another that no dictionary taught.

commands (each has its own --help):
  word2vec     learn vectors of words from running text
  align        find the rotation of one space onto another, without labels; measure it with them
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal`; 0 if it went well, 2 on a wrong call."""
    match list(arguments):
        case ["word2vec", *rest]:
            from steno_models.crossmodal.word2vec_command import main as word2vec  # noqa: PLC0415
            from steno_models.lm.ngram.corpus import read_sentences  # noqa: PLC0415
            from steno_models.text.normalise import sentences  # noqa: PLC0415

            return word2vec(rest, read=lambda path: read_sentences(path, sentences))
        case ["align", *rest]:
            from steno_models.crossmodal.align_command import main as align  # noqa: PLC0415

            return align(rest)
        case [] | ["-h" | "--help"]:
            sys.stdout.write(_HELP)
            return 0
        case found:
            sys.stderr.write(f"expected a command, found {found[0]}\n\n{_HELP}")
            return 2
