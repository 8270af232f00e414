"""`steno-models train` of a file with `family = "speech2vec"`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.crossmodal.speech2vec.config import read_config
from steno_models.crossmodal.speech2vec.train import best_model, train
from steno_models.training.distributed import joined_ranks

_DESCRIPTION = """Train Speech2Vec as a TOML file says: vectors of pieces of speech by context.

Progress, checkpoints, log.jsonl and learning-curves.png are in the run's folder; the same command
goes on after an interruption. At the end the folder speech2vec/ there has model.safetensors and
options.json, for `steno-models crossmodal cluster --model`.
"""

_EXAMPLE = """example (small.toml):

  family = "speech2vec"
  folder = "runs/small"
  cache = "runs/crossmodal-frames"
  speech = ["spoken"]                     # manifests, and folders of crossmodal synthesize
  segments = ["words.jsonl"]              # of crossmodal segment
  form = "skip-gram"                      # or "cbow"
  window = 3
  optim = { total_steps = 5000 }
  model = { dimensions = 50, width = 100 }
  run = { pieces_per_batch = 512 }

  steno-models train small.toml
  steno-models train small.toml --export model      write the best checkpoint so far
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models train` for Speech2Vec."""
    asked = _parser().parse_args(arguments)
    config = read_config(asked.config)
    if asked.export is not None:
        step, model = best_model(config)
        model.save(asked.export)
        _say(f"step {step} written to {asked.export}")
        return 0
    with joined_ranks(asked.device) as ranks:
        outcome = train(config, ranks)
        if not ranks.is_first:
            return 0
        if outcome.interrupted:
            _say(f"stopped after step {outcome.step}; the same command goes on from there")
            return 0
        folder = config.folder / "speech2vec"
        step, model = best_model(config)
        model.save(folder)
        _say(f"best: step {step}, written to {folder}")
    return 0


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)


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
