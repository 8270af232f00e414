"""`steno-models lm train`: a trained language model from one TOML file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.errors import ConfigError
from steno_models.lm.ngram.corpus import SentenceSplitter
from steno_models.text.normalise import sentences as normalised_sentences
from steno_models.training.distributed import Ranks, joined_ranks
from steno_models.training.loop import Outcome
from steno_models.training.toml_file import read_table

_DESCRIPTION = """Train a language model as a TOML file says: recurrent, feedforward or factorized.

Progress, checkpoints, log.jsonl and learning-curves.png are in the run's folder; the same command
goes on after an interruption. At the end the folder lm/ there is the model. In the log, a unit of
text stands for 0.4 s of speech.
"""

_EXAMPLE = """example (small.toml):

  kind = "recurrent"                        # or "feedforward", "factorized"
  folder = "runs/small-lm"
  text = ["novels.txt.xz"]
  dev = ["held-out.txt"]
  units = { kind = "words", size = 20000 }  # or { kind = "subwords", size = 2000 }
  network = { width = 128, cells = 384 }
  optim = { total_steps = 5000 }

  steno-models lm train small.toml
  steno-models lm train small.toml --export small     write the best checkpoint so far
  steno-models lm perplexity small general.bin --text test.txt --interpolate held-out.txt

Recipes are novels.toml in the rooms recurrent, feedforward and factorized of steno_models/lm.
"""


def main(arguments: Sequence[str], *, splitter: SentenceSplitter = normalised_sentences) -> int:
    """Run `steno-models lm train` with `arguments`; `splitter` normalises text."""
    asked = _parser().parse_args(arguments)
    if asked.export is not None:
        _say(f"step {_export(asked.config, asked.export, splitter)} written to {asked.export}")
        return 0
    with joined_ranks(asked.device) as ranks:
        folder, outcome = _train(asked.config, ranks, splitter)
    if outcome.interrupted:
        _say(f"stopped after step {outcome.step}; the same command goes on from there")
        return 0
    _say(f"best: step {_export(asked.config, folder / 'lm', splitter)}, written to {folder / 'lm'}")
    return 0


def _train(path: Path, ranks: Ranks, splitter: SentenceSplitter) -> tuple[Path, Outcome]:
    """Train what the file `path` describes; return the run's folder and how it ended."""
    match read_table(path).get("kind"):
        case "recurrent":
            from steno_models.lm.recurrent.config import read_config as recurrent  # noqa: PLC0415
            from steno_models.lm.recurrent.train import train as train_recurrent  # noqa: PLC0415

            config = recurrent(path)
            return config.folder, train_recurrent(config, ranks, splitter)
        case "feedforward":
            from steno_models.lm.feedforward.config import read_config as ahead  # noqa: PLC0415
            from steno_models.lm.feedforward.train import train as train_ahead  # noqa: PLC0415

            settings = ahead(path)
            return settings.folder, train_ahead(settings, ranks, splitter)
        case "factorized":
            from steno_models.lm.factorized.config import read_config as factors  # noqa: PLC0415
            from steno_models.lm.factorized.train import train as train_factors  # noqa: PLC0415

            factorized = factors(path)
            return factorized.folder, train_factors(factorized, ranks, splitter)
        case other:
            raise _no_such(path, other)


def _export(path: Path, folder: Path, splitter: SentenceSplitter) -> int:
    """Write the best weights of the training that `path` describes; return their step."""
    match read_table(path).get("kind"):
        case "recurrent":
            from steno_models.lm.recurrent.config import read_config as recurrent  # noqa: PLC0415
            from steno_models.lm.recurrent.train import export  # noqa: PLC0415

            return export(recurrent(path), folder)
        case "feedforward":
            from steno_models.lm.feedforward.config import read_config as ahead  # noqa: PLC0415
            from steno_models.lm.feedforward.train import export as write_ahead  # noqa: PLC0415

            return write_ahead(ahead(path), folder)
        case "factorized":
            from steno_models.lm.factorized.config import read_config as factors  # noqa: PLC0415
            from steno_models.lm.factorized.train import export as write_factors  # noqa: PLC0415

            return write_factors(factors(path), folder, splitter)
        case other:
            raise _no_such(path, other)


def _no_such(path: Path, found: object) -> ConfigError:
    kinds = "recurrent, feedforward, factorized"
    return ConfigError(f"{path}: expected a kind of: {kinds}, found {found!r}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models lm train",
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
