"""`steno-models`: everything that happens offline, one subcommand each."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

from steno_models.errors import StenoModelsError


class Command(NamedTuple):
    """A subcommand.

    Attributes:
        module: that has its `main(arguments) -> int`; imported when it is asked for.
        about: what it does, in a line.
    """

    module: str
    about: str


COMMANDS = {
    "train": Command("steno_models.train_family", "train a model from one TOML file"),
    "evaluate": Command(
        "steno_models.evaluate", "measure a bundle on a manifest: error rate, speed, delays"
    ),
    "compare": Command(
        "steno_models.compare_command", "train and measure every family of recogniser, in one table"
    ),
    "fusion-table": Command(
        "steno_models.fusion_table.command",
        "compare ways of joining language models to a speller, on several domains",
    ),
    "bench": Command(
        "steno_models.bench",
        "measure what each part of recognition costs, or how many sessions a daemon carries",
    ),
    "replay": Command(
        "steno_models.replay_command",
        "decode recorded sessions again and show what became different",
    ),
    "calibrate": Command("steno_models.calibrate", "fit the confidence of words on a manifest"),
    "weights": Command(
        "steno_models.weights_command",
        "how weights of language models change the error rate, as a table and a plot",
    ),
    "tune-second-pass": Command(
        "steno_models.second_pass_command",
        "give a bundle models that read whole sentences, and weigh them",
    ),
    "speech-gate": Command(
        "steno_models.speech_gate_command", "fit the gate that keeps noise and music without words"
    ),
    "bundle": Command(
        "steno_models.bundle_command", "put trained parts together as a bundle, or check one"
    ),
    "force-align": Command(
        "steno_models.alignments.force_align_command",
        "say when each word of a known text is spoken: TextGrid, CTM, SRT, VTT, JSON",
    ),
    "alignments": Command(
        "steno_models.alignments.command",
        "draw where a text is: trellises of HMM, CTC and RNN-T, attention, spectrogram",
    ),
    "hmm": Command(
        "steno_models.hmm_command", "train GMM-HMMs in the classic stages, and measure each of them"
    ),
    "unknown-words": Command(
        "steno_models.unknown.command",
        "find words that no lexicon holds, and propose which they are",
    ),
    "crossmodal": Command(
        "steno_models.crossmodal_command",
        "map spaces of words onto each other without a dictionary",
    ),
    "manifest": Command(
        "steno_models.training.manifest_command", "turn a corpus on disk into a manifest"
    ),
    "lm": Command("steno_models.lm.command", "estimate, train, prune and measure language models"),
    "g2p": Command("steno_models.text.g2p_train", "train the grapheme-to-phoneme model"),
    "punctuation": Command(
        "steno_models.punctuation.command", "train and measure the model of marks and capitals"
    ),
}
_LINES = (f"  {name:17} {command.about}" for name, command in COMMANDS.items())
HELP = f"""usage: steno-models COMMAND …

Train and measure speech and language models.

commands (each has its own --help):
{chr(10).join(_LINES)}

examples:
  steno-models manifest librispeech ~/corpora/dev-clean --out dev.jsonl
  steno-models evaluate --bundle en --manifest dev.jsonl

Exit status: 0 when it went well, 1 when something is wrong with what was given, which standard
error names, 2 when the command line is wrong.
"""


def run(command: str, arguments: Sequence[str]) -> int:
    """Run one subcommand; only what it needs is imported."""
    if command in {"-h", "--help"}:
        print(HELP, end="")
        return 0
    if command not in COMMANDS:
        near = get_close_matches(command, COMMANDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"expected a command, found {command}{hint}\n\n{HELP}", end="", file=sys.stderr)
        return 2
    return int(import_module(COMMANDS[command].module).main(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `steno-models`; 0 if it went well, 1 on an error, 2 on a wrong call."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return run(given[0], given[1:])
    except StenoModelsError as error:
        print(f"steno-models {given[0]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
