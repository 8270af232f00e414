"""A predictor beside a language model, in deep or cold fusion.

    predicted = p + a(p, language model of y),   p = predictor(y),   a as `fusion/layers.py` has it

The predictor's outputs are all that a joiner hears of the labels so far, and it adds them to the
encoder's before its only non-linearity: what is added here stands beside the predictor there.
"""

from math import prod

import torch
from torch import Tensor, nn

from steno_models.fusion.layers import Fusion
from steno_models.rnnt.predictor import RecurrentPredictor, StatelessPredictor


class FusedPredictor(nn.Module):
    """A predictor as `rnnt.predictor` has it, with a language model.

    A state is (K, N) float32: all that both remember, flat, one after the other; numbers of tokens
    are exact in it.

    Args:
        predictor: the predictor.
        fusion: the language model and the layers that let it in, which add to the outputs.
    """

    def __init__(self, predictor: RecurrentPredictor | StatelessPredictor, fusion: Fusion) -> None:
        super().__init__()
        self.width = predictor.width
        self.predictor = predictor
        self.fusion = fusion

    def forward(self, targets: Tensor) -> Tensor:
        """Return (B, U + 1, D) after 0 … U labels of `targets`, (B, U)."""
        # Small steps, one after the other: casting for each costs more than it saves.
        with torch.autocast(targets.device.type, enabled=False):
            predicted: Tensor = self.predictor(targets)
            tokens = nn.functional.pad(targets.long(), (1, 0))
            memory, said = self.fusion.start(len(tokens), 1), []
            for u in range(tokens.shape[1]):
                hidden, memory = self.fusion.read(tokens[:, u : u + 1], memory)
                said.append(hidden)
            found: Tensor = predicted + self.fusion(predicted, torch.cat(said, dim=1))
            return found

    def start(self) -> Tensor:
        """Return the state before the start, (1, N)."""
        return _packed(self.predictor.start(), self.fusion.language.begin())

    def step(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs, (K, D), and states after one more token each, (K,)."""
        own, memory = self._unpacked(states)
        predicted, own = self.predictor.step(tokens, own)
        hidden, memory = self.fusion.read(tokens.unsqueeze(1), memory.unsqueeze(1))
        found = predicted + self.fusion(predicted, hidden.squeeze(1))
        return found, _packed(own, memory.squeeze(1))

    def _unpacked(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the predictor and what the language model remembers, (K, …) each."""
        parts, begin = [], 0
        for like in (self.predictor.start(), self.fusion.language.begin()):
            count = prod(like.shape[1:])
            part = states[:, begin : begin + count].to(like.dtype)
            parts.append(part.view(len(states), *like.shape[1:]))
            begin += count
        return parts[0], parts[1]


def _packed(own: Tensor, memory: Tensor) -> Tensor:
    return torch.cat((own.flatten(1).float(), memory.flatten(1).float()), dim=1)
