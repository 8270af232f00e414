"""What a speller has learnt of its training texts: its internal language model.

    p_internal(y) = Π_u p(y_u | y_1 … y_{u−1}, c = 0)

All that the speller finds wherever it looks is 0 (Meng et al. 2021, arXiv:2011.01991, §3.1). In
shallow fusion it is the source of a density ratio, whose target is the language model.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from steno_models.las.attention import Memory
from steno_models.las.speller import Speller, SpellerState


class InternalSteps:
    """A speller as a model of texts, step by step, as `fusion.scorer` asks for."""

    def __init__(self, speller: Speller) -> None:
        self._speller = speller
        weight = speller.attention.key.weight
        self._silence = Memory(
            values=weight.new_zeros(1, 1, weight.shape[1]),
            keys=weight.new_zeros(1, 1, weight.shape[0]),
            mask=torch.ones(1, 1, dtype=torch.bool, device=weight.device),
        )

    @torch.inference_mode()
    def begin(self) -> SpellerState:
        """Return what is remembered before anything was written."""
        return self._speller.start(self._silence)

    @torch.inference_mode()
    def read(self, token: int, memory: SpellerState) -> tuple[NDArray[np.float64], SpellerState]:
        """Return (V,) ln p of what follows after one more `token`, and the memory."""
        tokens = torch.tensor([[token]], device=memory.hidden.device)
        logits, after = self._speller.step(tokens, memory, self._silence)
        found: NDArray[np.float64] = logits[0, 0].double().log_softmax(dim=-1).cpu().numpy()
        return found, after
