"""One step of an LSTM for many hypotheses at once, in bfloat16 where the processor multiplies it.

    i, f, g, o = W (x, h) + b,   c' = σ(f) c + σ(i) tanh g,   h' = σ(o) tanh c'

(Hochreiter & Schmidhuber 1997; Gers et al. 2000 for f.) A dozen hypotheses a step are few rows for
a matrix of a million weights: fetching those is what costs, and half as wide they cost half.
"""

import torch
from torch import Tensor, nn

from steno_models.narrow import NarrowLinear


class NarrowCell(nn.Module):
    """A trained cell whose product is in bfloat16; all else stays in float32.

    Args:
        weights: W_ih (4 H, D), W_hh (4 H, H), b_ih and b_hh (4 H,), as `nn.LSTM` has them.
    """

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        into, back, into_bias, back_bias = weights
        joined = nn.Linear(into.shape[1] + back.shape[1], len(into), bias=False)
        joined.weight = nn.Parameter(torch.cat((into, back), dim=1), requires_grad=False)
        self._product = NarrowLinear(joined)
        self.register_buffer("_bias", into_bias + back_bias)

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return h' and c', (K, H) each, of x, (K, D), and (h, c)."""
        h, c = memory
        gates = self._product(torch.cat((x, h), dim=1)) + self._bias
        come, stay, new, out = gates.chunk(4, dim=1)
        c = torch.sigmoid(stay) * c + torch.sigmoid(come) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(c), c
