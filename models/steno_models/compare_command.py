"""`steno-models compare`: one command, one table, of every family of recogniser."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.compare.config import read_compare
from steno_models.compare.plot import check_format, plot
from steno_models.compare.run import Wishes, compare
from steno_models.compare.table import Comparison, as_json, as_markdown, as_table, lacking
from steno_models.training.manifest import manifest_name

_DESCRIPTION = """Compare recognisers of every family on the same recordings.

What is not trained is trained first, by the recipe that the file names; a command that was
interrupted goes on. What was measured is remembered by the contents of all files that it depends
on, so only what is new is measured.

The columns:

  PER         phone error rate. The words found without a language model are spelled in phones, as
              the lexicon has them first; the words said in the pronunciations that are nearest to
              that. So families that write phones, subwords or letters are measured alike.
  WER, no LM  word error rate where all words of the lexicon are alike; of models of subwords, which
              spell by themselves, without any lexicon.
  WER, LM     with the language model that the file names.
  parameters  numbers that were learned and that it takes to decode
  training    how long its own training computed, and in all with those that it goes on from
  RTF         seconds of processor time for a second of sound, with the language model, one core
  delay       the longest wait for the end of a chunk and what is seen of the next; or what must be
              heard whole before the first word stays
  memory      the most that a process had which decoded with it, with the language model
"""

_EXAMPLE = """example (compare.toml):

  folder = "$STENO_RUNS/compare"
  manifest = "$STENO_DATA/librispeech_mini/dev.jsonl"

  [language_model]
  bundle = "en"                     # NAME.bin and NAME.lexicon.txt of its folder lm/
  name = "general"

  [[systems]]
  name = "GMM-HMM, triphones"
  kind = "gmm"                      # or tandem, hybrid, ctc, rnnt, las
  recipe = "mini.toml"
  stage = "tri1"                    # of gmm, tandem, hybrid and ctc

  [[systems]]
  name = "the English bundle"
  kind = "bundle"
  bundle = "en"

  steno-models compare compare.toml --no-train --limit 20
  steno-models compare compare.toml --json table.json --plot table.svg --markdown > table.md

The recipe for mini-LibriSpeech is steno_models/compare/librispeech_mini.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models compare`."""
    asked = _parser().parse_args(arguments)
    if asked.plot is not None:
        check_format(asked.plot)
    config = read_compare(asked.config)
    wishes = Wishes(train=not asked.no_train, limit=asked.limit)
    rows = compare(config, wishes, Console(stderr=True))
    some = f", first {asked.limit} utterances" if asked.limit else ""
    compared = Comparison(rows, f"Recognisers on {manifest_name(config.manifest)}{some}")
    if asked.json is not None:
        asked.json.write_bytes(as_json(compared))
    if asked.plot is not None:
        plot(compared, asked.plot)
    if asked.markdown:
        print(as_markdown(compared), end="")  # noqa: T201 - this is what was asked for
        return 0
    console = Console()
    Console(width=None if console.is_terminal else 200).print(as_table(compared))
    for line in lacking(compared):
        console.print(line, highlight=False, soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models compare",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="what to compare")
    parser.add_argument(
        "--no-train", action="store_true", help="show the command of what is not trained instead"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="the first N utterances only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, too")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png|svg", help="draw word error rates with intervals"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number
