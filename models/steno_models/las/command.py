"""`steno-models train` of a file with `family = "las"`."""

from collections.abc import Sequence
from functools import partial

from steno_models.fusion.language import OpenLanguage
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
  attention = { kind = "location" }                 # or "dot", "additive", "forward"

  [[corpora]]
  manifest = "$STENO_DATA/an4/train.jsonl"          # from steno-models manifest

  [[dev]]
  manifest = "$STENO_DATA/an4/test.jsonl"

  steno-models train small.toml
  steno-models train small.toml --export small      write the best checkpoint so far

with a language model that the speller learns to rely on (cold fusion), from `steno-models lm train`
with the same tokens: kind = "subwords" and tokens = "runs/small/tokens.txt" of a training on the
same transcripts, or kind = "characters" for both; another language model of these tokens can take
its place later:

  fusion = { kind = "cold", language_model = "runs/lm/lm" }

with one that a trained speller is joined to; only the gate and the last layers are trained (deep
fusion):

  fusion = { kind = "deep", language_model = "runs/lm/lm", after = "runs/small" }

With freeze_encoder = true the encoder of init_encoder stays as it is: from one that hears well a
speller learns to write within an hour.

Recipes for four hours of English are steno_models/las/librispeech_mini.toml and, on the encoder of
the English bundle, speller.toml, deep.toml and cold.toml in steno_models/fusion_table.
"""


def main(arguments: Sequence[str], *, open_language: OpenLanguage | None = None) -> int:
    """Run `steno-models train` for listen, attend and spell.

    Args:
        arguments: of the command line.
        open_language: opens the language model of a fusion.
    """
    training = partial(train, open_language=open_language)
    return SpeechCommand(_DESCRIPTION, _EXAMPLE, read_config, training).run(arguments)
