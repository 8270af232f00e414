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
ALL = slice(None)


def multiplies_bfloat16() -> bool:
    """Say whether this processor has instructions for products of bfloat16."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in _FEATURES)


class NarrowLinear(nn.Module):
    """A trained linear layer in bfloat16, between tensors of float32.

    Args:
        wide: the layer that it stands for.
    """

    bias: Tensor | None

    def __init__(self, wide: nn.Linear) -> None:
        super().__init__()
        pieces = torch.split(wide.weight.detach().bfloat16(), _PIECE, dim=1)
        self._weights = nn.ParameterList(
            nn.Parameter(piece.contiguous(), requires_grad=False) for piece in pieces
        )
        self.register_buffer("bias", None if wide.bias is None else wide.bias.detach().clone())

    def forward(self, x: Tensor, outputs: slice = ALL) -> Tensor:
        """Return (…, out) for (…, in), to the eight bits that bfloat16 has.

        Args:
            x: what goes in.
            outputs: which ones are asked for.
        """
        pieces = torch.split(x.bfloat16(), _PIECE, dim=-1)
        first, *others = (
            linear(piece, weight[outputs]).float()
            for piece, weight in zip(pieces, self._weights, strict=True)
        )
        for other in others:
            first += other
        return first if self.bias is None else first.add_(self.bias[outputs])
