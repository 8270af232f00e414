"""`steno-models train`: from a TOML file to the acoustic part of a bundle.

The only place that knows both the models that align and the models that learn from alignments.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.ctc.config import TrainConfig, read_stages, to_align, with_alignments
from steno_models.ctc.train import export, is_finished, train
from steno_models.errors import ConfigError
from steno_models.hmm.command import ensure_alignments
from steno_models.training.allocator import keep_freed_memory
from steno_models.training.distributed import Ranks, joined_ranks

_DESCRIPTION = """Train a streaming CTC acoustic model as a TOML file says.

Progress, checkpoints, log.jsonl and learning-curves.png are in the run's folder, or in a folder of
each stage there; the same command goes on after an interruption, with the same results as without.
At the end the folder acoustic/ has model.safetensors, cmvn.safetensors and tokens.txt, the
acoustic part of a bundle.
"""

_EXAMPLE = """example (small.toml):

  folder = "runs/small"
  cache = "runs/features"
  align = "runs/align"                  # phone alignments, made first; optional, much faster
  speeds = [1.0, 0.9, 1.1]
  optim = { total_steps = 5000 }
  encoder = { width = 144, layers = 6, feed_forward = 432 }

  [[corpora]]
  manifest = "$STENO_DATA/an4/train.jsonl"          # from steno-models manifest

  [[dev]]
  manifest = "$STENO_DATA/an4/test.jsonl"

  [music]                               # half an hour made by a program, to hear nothing in

  steno-models train small.toml
  steno-models train small.toml --export bundles/small    write the best checkpoint so far

to begin with the weights of a bundle, or of an earlier training:

  init = "models/steno_models/bundles/en"

in two stages, the second from the best weights of the first; fields of [optim], [noise], [music],
[chunks], [augment], [loss] and [run] take the place of those outside:

  [[stages]]
  name = "first"

  [[stages]]
  name = "further"
  optim = { total_steps = 2000, learning_rate = 4e-4 }

on two processes, each with half of every batch (on one, all cores work on every batch):

  OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m steno_models train small.toml

The recipe of the embedded English bundle is steno_models/bundles/en.train.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models train`."""
    asked = _parser().parse_args(arguments)
    stages = read_stages(asked.config)
    if asked.export is not None:
        _say(f"{_export_last(stages, asked.export)} written to {asked.export}")
        return 0
    keep_freed_memory()
    with joined_ranks(asked.device) as ranks:
        _ensure_alignments(stages[0], ranks)
        return _train(stages, ranks)


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


def _ensure_alignments(config: TrainConfig, ranks: Ranks) -> None:
    """Make the alignments that the training lacks; all ranks go on when they are there."""
    if config.align is not None and ranks.is_first:
        ensure_alignments(
            [corpus.manifest for corpus in config.corpora if to_align(corpus)],
            config.align,
            held_out=[dev.manifest for dev in config.dev if to_align(dev)],
        )
    ranks.summed([0.0])


def _train(stages: Sequence[TrainConfig], ranks: Ranks) -> int:
    """Train the stages that are not finished, and write the last one's best weights."""
    for stage in stages:
        if is_finished(stage):
            continue
        if ranks.is_first and len(stages) > 1:
            _say(f"stage {stage.folder.name}")
        outcome = train(with_alignments(stage), ranks)
        if outcome.interrupted:
            if ranks.is_first:
                _say(f"stopped after step {outcome.step}; the same command goes on from there")
            return 0
    if ranks.is_first:
        folder = _top(stages) / "acoustic"
        _say(f"best: {_export_last(stages, folder)}, written to {folder}")
    return 0


def _export_last(stages: Sequence[TrainConfig], folder: Path) -> str:
    """Write the best weights of the last stage that has any; return which they are.

    Raises:
        ConfigError: none has.
    """
    for stage in reversed(stages):
        step = export(stage, folder)
        if step is not None:
            return f"stage {stage.folder.name}, step {step}" if len(stages) > 1 else f"step {step}"
    raise ConfigError(f"expected checkpoints of a training in {_top(stages)}, found none")


def _top(stages: Sequence[TrainConfig]) -> Path:
    return stages[0].folder.parent if len(stages) > 1 else stages[0].folder


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)
