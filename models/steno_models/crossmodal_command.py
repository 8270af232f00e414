"""`steno-models crossmodal`: words by how they are used, in text and in speech."""

import sys
from collections.abc import Sequence

_HELP = """usage: steno-models crossmodal COMMAND …

Spaces of words and the map from one to another that no dictionary taught.

commands (each has its own --help):
  word2vec     learn vectors of words from running text
  align        find the rotation of one space onto another, without labels; measure it with them
  synthesize   let eSpeak NG read texts aloud, in many voices
  segment      cut speech into word-like pieces, without labels
  segment-score  measure such pieces against true words
  cluster      make a space of words from pieces of speech
  encodes      measure what such a space encodes: sound or meaning
  classify     name pieces of speech by the words of a text that they are mapped to
  synonyms     find words of a text that mean the same as a piece of speech
  translate    find words of another language that mean the same
  lookup       put a map into one folder, for unknown words to be named with
  low-resource  measure what hours and minutes of a language with little data are worth
"""


def main(arguments: Sequence[str]) -> int:  # noqa: C901, PLR0911 - one for each command
    """Run `steno-models crossmodal`; 0 if it went well, 2 on a wrong call."""
    match list(arguments):
        case ["word2vec", *rest]:
            from steno_models.crossmodal.word2vec_command import main as word2vec  # noqa: PLC0415
            from steno_models.lm.ngram.corpus import read_sentences  # noqa: PLC0415
            from steno_models.text.normalise import sentences  # noqa: PLC0415

            return word2vec(rest, read=read_sentences, spoken=sentences)
        case ["align", *rest]:
            from steno_models.crossmodal.align_command import main as align  # noqa: PLC0415

            return align(rest)
        case ["synthesize", *rest]:
            from steno_models.crossmodal import synthesize_command  # noqa: PLC0415
            from steno_models.hearing import ear_of  # noqa: PLC0415
            from steno_models.lm.ngram.corpus import read_sentences  # noqa: PLC0415
            from steno_models.text.normalise import sentences  # noqa: PLC0415

            return synthesize_command.main(
                rest, read=lambda path: read_sentences(path, sentences), hearing=ear_of
            )
        case ["segment", *rest]:
            from steno_models.crossmodal.segment_command import main as segment  # noqa: PLC0415

            return segment(rest)
        case ["segment-score", *rest]:
            from steno_models.crossmodal import segment_score_command  # noqa: PLC0415

            return segment_score_command.main(rest)
        case ["cluster", *rest]:
            from steno_models.crossmodal.cluster_command import main as cluster  # noqa: PLC0415

            return cluster(rest)
        case ["encodes", *rest]:
            from steno_models.crossmodal.encodes_command import main as encodes  # noqa: PLC0415

            return encodes(rest)
        case [("classify" | "synonyms" | "translate") as task, *rest]:
            from steno_models.crossmodal.tasks.command import main as run  # noqa: PLC0415

            return run(task, rest)
        case ["lookup", *rest]:
            from steno_models.crossmodal.lookup_command import main as lookup  # noqa: PLC0415

            return lookup(rest)
        case ["low-resource", *rest]:
            from steno_models.crossmodal.low_resource import command  # noqa: PLC0415

            return command.main(rest)
        case [] | ["-h" | "--help"]:
            sys.stdout.write(_HELP)
            return 0
        case found:
            sys.stderr.write(f"expected a command, found {found[0]}\n\n{_HELP}")
            return 2
