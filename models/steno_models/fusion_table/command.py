"""`steno-models fusion-table`: language models joined to a speller in every way, in one table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.fusion_table.config import read_fusion_table
from steno_models.fusion_table.curves import draw_curves
from steno_models.fusion_table.measure import rows
from steno_models.fusion_table.table import as_json, as_markdown, as_table
from steno_models.fusion_table.trainings import ensure_trained

_DESCRIPTION = """Compare ways of joining a language model to a speller, on several domains.

What is not trained is trained first, by the recipes that the file names; a command that was
interrupted goes on. Each row is measured with the language model of each domain: a fusion that was
trained with that of the first domain hears the others after its language model was replaced.

  no language model              the speller alone
  shallow                        ln p of the language model is added in the search
  shallow, internal taken away   … less what the speller says without sound
  shallow, density ratio         … less what the language model of the first domain says
  deep                           the language model's hidden state, through a gate, trained after
                                 the speller; one of another width has no row
  cold                           its logits, gated unit by unit, trained together with the speller

curves.png in the table's folder shows the losses of held-out speech over the trainings.
"""

_EXAMPLE = """example (table.toml):

  folder = "table"
  plain = "plain.toml"              # recipes of `steno-models train`
  deep = "deep.toml"
  cold = "cold.toml"
  search = { beam = 8, ctc_weight = 0.2, lm_weight = 0.3, subtracted_weight = 0.15 }

  [[domains]]                       # the first one is what the spellers were trained on
  name = "novels"
  language_model = "lm-novels.toml" # a recipe of `steno-models lm train`
  manifest = "novels-test.jsonl"

  [[domains]]
  name = "medical"
  language_model = "lm-medical.toml"
  manifest = "medical-test.jsonl"

  steno-models fusion-table table.toml
  steno-models fusion-table table.toml --no-train --limit 50 --markdown

The recipe for mini-LibriSpeech is steno_models/fusion_table/librispeech_mini.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models fusion-table`."""
    asked = _parser().parse_args(arguments)
    config, progress = read_fusion_table(asked.config), Console(stderr=True)
    ensure_trained(config, progress, train=not asked.no_train)
    found = rows(config, progress, asked.limit)
    names = [domain.name for domain in config.domains]
    runs = {name: speller.folder for name, speller in config.spellers().items()}
    draw_curves(runs, config.folder / "curves.png")
    if asked.json is not None:
        asked.json.write_bytes(as_json(found))
    if asked.markdown:
        print(as_markdown(found, names), end="")  # noqa: T201 - this is what was asked for
        return 0
    console = Console()
    Console(width=None if console.is_terminal else 140).print(as_table(found, names))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models fusion-table",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="what to compare")
    parser.add_argument(
        "--no-train", action="store_true", help="say how to train what is lacking instead"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="N utterances of each domain")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, too")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number
