"""Products of 16-bit numbers, for models that are trained.

Processors that multiply bfloat16 (AVX-512 BF16, AMX) do that two to three times as fast as 32 bits,
and read half as much memory for it. Sums are made in 32 bits.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_FEATURES = ("amx_bf16", "avx512_bf16")


def multiplies_bfloat16() -> bool:
    """Say whether this processor has instructions for products of bfloat16."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in _FEATURES)


class NarrowLinear(nn.Module):
    """A trained linear layer in bfloat16, between tensors of float32.

    Args:
        wide: the layer that it stands for.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, wide: nn.Linear) -> None:
        super().__init__()
        bias = None if wide.bias is None else wide.bias.detach().bfloat16()
        self.register_buffer("weight", wide.weight.detach().bfloat16())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, out) for (…, in), to the eight bits that bfloat16 has."""
        return linear(x.bfloat16(), self.weight, self.bias).float()
