"""Products of 16-bit numbers, for models that are trained.

Processors that multiply bfloat16 (AVX-512 BF16, AMX) do that two to three times as fast as 32 bits,
and read half as much memory for it. Sums are made in 32 bits.

A row must come to the same whoever is beside it in a batch: else what one client says would change
the words of another. Sums of more than a few hundred products are cut into pieces by oneDNN, where
depends on the number of rows, and rounding to 16 bits then turns the last bit of a sum into the
last bit of a much shorter number. So layers with many inputs are summed here piece by piece.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_FEATURES = ("amx_bf16", "avx512_bf16")
_PIECE = 256
"""Inputs of a product that is not cut, whatever the number of rows."""


def multiplies_bfloat16() -> bool:
    """Say whether this processor has instructions for products of bfloat16."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in _FEATURES)


class NarrowLinear(nn.Module):
    """A trained linear layer in bfloat16, between tensors of float32.

    Args:
        wide: the layer that it stands for.
    """

    def __init__(self, wide: nn.Linear) -> None:
        super().__init__()
        weight = wide.weight.detach().bfloat16()
        self._starts = range(0, weight.shape[1], _PIECE)
        self._weights = tuple(weight[:, at : at + _PIECE].contiguous() for at in self._starts)
        self._bias = None if wide.bias is None else wide.bias.detach().bfloat16()

    def forward(self, x: Tensor, outputs: slice | None = None) -> Tensor:
        """Return (…, out) for (…, in), to the eight bits that bfloat16 has.

        Args:
            x: what goes in.
            outputs: which ones are asked for; all where None.
        """
        weights, bias = self._weights, self._bias
        if outputs is not None:
            weights = tuple(weight[outputs] for weight in weights)
            bias = None if bias is None else bias[outputs]
        x = x.bfloat16()
        if len(weights) == 1:
            return linear(x, weights[0], bias).float()
        total = linear(x[..., :_PIECE], weights[0], bias).float()
        for at, weight in zip(self._starts[1:], weights[1:], strict=True):
            total += linear(x[..., at : at + _PIECE], weight)
        return total
