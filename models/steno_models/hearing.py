"""What a bundle's acoustic model hears in samples, for whoever needs no words."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from steno_models import bundle
from steno_models.crossmodal.posteriors import STEP_S
from steno_models.crossmodal.synthesis.shards import Ear
from steno_models.errors import ConfigError
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.types import FloatArray


def ear_of(name: str) -> Ear:
    """Return what keeps the posteriors of a bundle, by its name or path.

    Raises:
        BundleError: there is none.
    """
    description = bundle.describe(bundle.find(name))
    return Ear(Hearing(name), STEP_S, f"{description.name} {description.version}")


@dataclass(frozen=True, slots=True)
class Hearing:
    """From samples to posteriors; other processes may have it, and load the bundle once each.

    Attributes:
        bundle: its name or path.
    """

    bundle: str

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Return (S, V) ln p(token) of (N,) `samples` at 16 kHz, a row every 40 ms.

        Raises:
            ConfigError: the bundle has no phones that are heard while people speak.
            DataError: it is missing or damaged.
        """
        features = fbank(samples)
        if len(features) == 0:
            return np.zeros((0, 1), np.float32)
        return _first_pass(self.bundle).log_probs(features)


@cache
def _first_pass(name: str) -> LexiconRecogniser:
    torch.set_num_threads(1)  # the processes that listen are as many as the cores
    loaded = bundle.load(name)
    first = loaded.first_pass
    if not isinstance(first, LexiconRecogniser):
        raise ConfigError(
            f"expected a bundle of the family ctc, found {loaded.name} "
            f"({loaded.description.family})"
        )
    return first
