"""`steno-models train` of a file with `family = "rnnt"`."""

from collections.abc import Sequence

from steno_models.rnnt.config import read_config
from steno_models.rnnt.train import train
from steno_models.training.speech_command import SpeechCommand

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
    return SpeechCommand(_DESCRIPTION, _EXAMPLE, read_config, train).run(arguments)
