"""`steno-models train` of a file with `family = "rnnt"`."""

from collections.abc import Sequence
from functools import partial

from steno_models.fusion.language import OpenLanguage
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

beside a language model of the same tokens, from `steno-models lm train`, learning to rely on it
(cold fusion), or after a training without one (deep fusion; only a gate and the output learn):

  fusion = { kind = "cold", language_model = "runs/lm/lm" }
  fusion = { kind = "deep", language_model = "runs/lm/lm", after = "runs/small" }

A recipe for English is steno_models/bundles/en-rnnt.train.toml.
"""


def main(arguments: Sequence[str], *, open_language: OpenLanguage | None = None) -> int:
    """Run `steno-models train` for a transducer.

    Args:
        arguments: of the command line.
        open_language: opens the language model of a fusion.
    """
    training = partial(train, open_language=open_language)
    return SpeechCommand(_DESCRIPTION, _EXAMPLE, read_config, training).run(arguments)
