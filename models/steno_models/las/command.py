"""`steno-models train` of a file with `family = "las"`."""

from collections.abc import Sequence

from steno_models.las.config import read_config
from steno_models.las.train import train
from steno_models.training.speech_command import SpeechCommand

_DESCRIPTION = """Train an encoder and a speller (listen, attend and spell) as a TOML file says.

Progress, checkpoints, log.jsonl and learning-curves.png are in the run's folder; the same command
goes on after an interruption. At the end the folder acoustic/ there has model.safetensors,
cmvn.safetensors and tokens.txt.
"""

_EXAMPLE = """example (small.toml):

  family = "las"
  folder = "runs/small"
  cache = "runs/features"
  init_encoder = "models/steno_models/bundles/en"   # optional, learns much faster
  units = { kind = "subwords", size = 256 }         # or kind = "characters", or "phones"
  optim = { total_steps = 3000, learning_rate = 5e-4 }

  [speller]
  feeds = "both"                                    # the context: "state", "output" or "both"
  attention = { kind = "location" }                 # or "dot", "additive"

  [[corpora]]
  manifest = "$STENO_DATA/an4/train.jsonl"          # from steno-models manifest

  [[dev]]
  manifest = "$STENO_DATA/an4/test.jsonl"

  steno-models train small.toml
  steno-models train small.toml --export small      write the best checkpoint so far

A recipe for four hours of English is steno_models/las/librispeech_mini.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models train` for listen, attend and spell."""
    return SpeechCommand(_DESCRIPTION, _EXAMPLE, read_config, train).run(arguments)
