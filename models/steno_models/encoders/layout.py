"""Lays out the weights of a trained encoder as the processor multiplies by them fastest.

A stream's chunk has a dozen rows, eight streams' a hundred: products of so few rows with matrices
of 256 columns take most of an encoder's time. Processors that multiply numbers of 16 bits
(bfloat16: AVX-512 BF16, AMX) do that two to three times as fast as with 32; there the linear
layers read and write 16 bits and add up in 32. All between them stays in 32.
"""

from torch import Tensor, nn
from torch.nn.functional import linear

from steno_models.narrow import NarrowLinear, multiplies_bfloat16


def part_of(layer: nn.Linear | NarrowLinear, x: Tensor, outputs: slice) -> Tensor:
    """Return some of the outputs of a layer, (…, part) for (…, in), as exact as all of them."""
    if isinstance(layer, NarrowLinear):
        found: Tensor = layer(x, outputs)
        return found
    return linear(x, layer.weight[outputs], None if layer.bias is None else layer.bias[outputs])


def lay_out(model: nn.Module, *, narrow: bool | None = None) -> None:
    """Change the linear layers of `model` for inference, in place.

    Args:
        model: trained.
        narrow: whether in bfloat16, default where this processor multiplies it; else in float32,
            in columns: MKL reads a matrix of (in, out) in its order, where of (out, in) it makes a
            copy first.
    """
    if narrow is None:
        narrow = multiplies_bfloat16()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if not isinstance(child, nn.Linear):
                continue
            if narrow:
                setattr(module, name, NarrowLinear(child))
            else:
                child.weight.data = child.weight.data.t().contiguous().t()
