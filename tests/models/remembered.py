"""Features that need no audio file, for what trains on them or reads them."""

import numpy as np

from steno_models.features.cmvn import GlobalCmvn
from steno_models.types import FloatArray, IntArray

UNTOUCHED = GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32))


class Memory:
    """Features that are there already, a row of variants for each utterance."""

    def __init__(self, *utterances: list[FloatArray]) -> None:
        self._utterances = utterances
        self.keys = [f"u{i}" for i in range(len(utterances))]
        self.lengths: IntArray = np.array([[len(v) for v in u] for u in utterances], np.int32)

    def read(self, utterance: int, variant: int) -> FloatArray:
        return self._utterances[utterance][variant]
