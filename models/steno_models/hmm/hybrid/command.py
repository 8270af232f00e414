"""`steno-models hmm hybrid`: networks in the place of Gaussians, round after round."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models.hmm.hybrid.config import read_hybrid
from steno_models.hmm.hybrid.rounds import PLOT, SEQUENCE, TABLE, Rounds, train_rounds
from steno_models.training.allocator import keep_freed_memory
from steno_models.training.distributed import joined_ranks

_DESCRIPTION = """Train hybrids as a TOML file says: a network that classifies frames by the states
of a forced alignment, on the alignments of Gaussians first, then a network on the alignments of
that network, and so on until the phone error on held-out speech falls by less than a margin.

Each round has a folder: checkpoints, log.jsonl, learning-curves.png and the system itself
(network.safetensors, network.toml, states.npz). rounds.json and rounds.png tell what each round
brought. With a table [sequence] the best network then learns from whole sequences (LF-MMI), in the
folder sequence/. The same command goes on after an interruption, with the same results as without.
"""

_EXAMPLE = """example (hybrid.toml, after steno-models hmm train mini.toml):

  kind = "hybrid"
  folder = "$STENO_RUNS/hybrid"
  gmm = "mini.toml"
  cache = "$STENO_RUNS/features"
  dev = ["$STENO_DATA/librispeech_mini/dev.jsonl"]
  optim = { total_steps = 3000 }
  encoder = { kind = "conformer", width = 144, layers = 6, feed_forward = 432 }

  OMP_NUM_THREADS=1 steno-models hmm hybrid hybrid.toml
  steno-models hmm evaluate hybrid.toml --manifest $STENO_DATA/librispeech_mini/dev.jsonl

The recipe for mini-LibriSpeech is steno_models/hmm/librispeech_mini-hybrid.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm hybrid`."""
    asked = _parser().parse_args(arguments)
    config = read_hybrid(asked.config)
    console = Console(stderr=True, soft_wrap=True)
    keep_freed_memory()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with joined_ranks(asked.device) as ranks:
        table = train_rounds(
            config, ranks, lambda: Progress(*columns, TimeRemainingColumn(), console=console)
        )
    if table is None:
        console.print("stopped; the same command goes on from there", highlight=False)
        return 0
    console.print(_told(table, config.folder), highlight=False)
    return 0


def _told(table: Rounds, folder: Path) -> str:
    """Return the table for people."""
    lines = ["round   phone error   frame error   frames realigned"]
    lines += [
        f"{row.round:5}   {row.phone_error:11.2%}   {row.frame_error:11.2%}   {row.moved:16.2%}"
        for row in table.rows
    ]
    if table.sequence is not None:
        after = table.sequence
        lines.append(f"{SEQUENCE:5}{after.phone_error:11.2%}   {after.frame_error:11.2%}")
    best = folder / table.best_name
    return "\n".join([*lines, f"the best is {best}; see {TABLE} and {PLOT} in {folder}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models hmm hybrid",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser
