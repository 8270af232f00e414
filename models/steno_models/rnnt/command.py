"""`steno-models train` of a file with `family = "rnnt"`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.rnnt.config import read_config
from steno_models.rnnt.train import export, train
from steno_models.training.distributed import joined_ranks

_DESCRIPTION = """Train a streaming transducer as a TOML file says.

Progress, checkpoints, log.jsonl and learning-curves.png are in the run's folder; the same command
goes on after an interruption. At the end the folder acoustic/ there has model.safetensors,
cmvn.safetensors and tokens.txt.
"""

_EXAMPLE = """example (small.toml):

  family = "rnnt"
  folder = "runs/small"
  cache = "runs/features"
  init_encoder = "models/steno_models/bundles/en"   # optional, learns much faster
  units = { kind = "subwords", size = 256 }         # or { kind = "phones" }
  optim = { total_steps = 3000, learning_rate = 5e-4 }

  [[corpora]]
  manifest = "$STENO_DATA/an4/train.jsonl"          # from steno-models manifest

  [[dev]]
  manifest = "$STENO_DATA/an4/test.jsonl"

  steno-models train small.toml
  steno-models train small.toml --export small      write the best checkpoint so far

A recipe for English is steno_models/bundles/en-rnnt.train.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models train` for a transducer."""
    asked = _parser().parse_args(arguments)
    config = read_config(asked.config)
    if asked.export is not None:
        _say(f"step {export(config, asked.export)} written to {asked.export}")
        return 0
    with joined_ranks(asked.device) as ranks:
        outcome = train(config, ranks)
        if not ranks.is_first:
            return 0
        if outcome.interrupted:
            _say(f"stopped after step {outcome.step}; the same command goes on from there")
            return 0
        folder = config.folder / "acoustic"
        _say(f"best: step {export(config, folder)}, written to {folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models train",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="the TOML file")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--export", type=Path, metavar="DIR", help="do not train, write weights")
    return parser


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)
