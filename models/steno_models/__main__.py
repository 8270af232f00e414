"""`steno-models`: everything that happens offline, one subcommand each."""

import sys
from collections.abc import Sequence

from steno_models.errors import StenoModelsError

HELP = """usage: steno-models COMMAND …

Train and measure speech and language models.

commands (each has its own --help):
  train        train a model from one TOML file
  evaluate     measure a bundle on a manifest: error rate, speed, delays
  compare      train and measure every family of recogniser, in one table
  fusion-table  compare ways of joining language models to a speller, on several domains
  bench        measure what each part of recognition costs, or how many sessions a daemon carries
  replay       decode recorded sessions again and show what became different
  calibrate    fit the confidence of words on a manifest
  weights      how weights of language models change the error rate, as a table and a plot
  tune-second-pass  give a bundle models that read whole sentences, and weigh them
  speech-gate  fit the gate that keeps noise and music without words
  bundle       put trained parts together as a bundle, or check one
  force-align  say when each word of a known text is spoken: TextGrid, CTM, SRT, VTT, JSON
  alignments   draw where a text is: trellises of HMM, CTC and RNN-T, attention, spectrogram
  hmm          train GMM-HMMs in the classic stages, and measure each of them
  unknown-words  find words that no lexicon holds, and propose which they are
  crossmodal   map spaces of words onto each other without a dictionary
  manifest     turn a corpus on disk into a manifest
  lm           estimate, prune and measure n-gram language models
  g2p          train the grapheme-to-phoneme model
  punctuation  train and measure the model of marks and capitals

examples:
  steno-models manifest librispeech ~/corpora/dev-clean --out dev.jsonl
  steno-models evaluate --bundle en --manifest dev.jsonl

Exit status: 0 when it went well, 1 when something is wrong with what was given, which standard
error names, 2 when the command line is wrong.
"""


def run(command: str, arguments: Sequence[str]) -> int:  # noqa: PLR0912
    """Run one subcommand; only what it needs is imported."""
    match command:
        case "train":
            from steno_models.train_family import main as train

            return train(arguments)
        case "evaluate":
            from steno_models.evaluate import main as evaluate

            return evaluate(arguments)
        case "compare":
            from steno_models.compare_command import main as compare

            return compare(arguments)
        case "fusion-table":
            from steno_models.fusion_table.command import main as fusion_table

            return fusion_table(arguments)
        case "bench":
            from steno_models.bench import main as bench

            return bench(arguments)
        case "replay":
            from steno_models.replay_command import main as replay

            return replay(arguments)
        case "bundle":
            from steno_models.bundle_command import main as bundle

            return bundle(arguments)
        case "calibrate":
            from steno_models.calibrate import main as calibrate

            return calibrate(arguments)
        case "weights":
            from steno_models.weights_command import main as weights

            return weights(arguments)
        case "tune-second-pass":
            from steno_models.second_pass_command import main as tune_second_pass

            return tune_second_pass(arguments)
        case "speech-gate":
            from steno_models.speech_gate_command import main as speech_gate

            return speech_gate(arguments)
        case "manifest":
            from steno_models.training.manifest_command import main as manifest

            return manifest(arguments)
        case "force-align":
            from steno_models.alignments.force_align_command import main as force_align

            return force_align(arguments)
        case "alignments":
            from steno_models.alignments.command import main as alignments

            return alignments(arguments)
        case "hmm":
            from steno_models.hmm_command import main as hmm

            return hmm(arguments)
        case "unknown-words":
            from steno_models.unknown.command import main as unknown_words

            return unknown_words(arguments)
        case "crossmodal":
            from steno_models.crossmodal_command import main as crossmodal

            return crossmodal(arguments)
        case "lm":
            from steno_models.lm.command import main as lm

            return lm(arguments)
        case "g2p":
            from steno_models.text.g2p_train import main as g2p

            return g2p(arguments)
        case "punctuation":
            from steno_models.punctuation.command import main as punctuation

            return punctuation(arguments)
        case "-h" | "--help":
            print(HELP, end="")
            return 0
        case other:
            print(f"expected a command, found {other}\n\n{HELP}", end="", file=sys.stderr)
            return 2


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
