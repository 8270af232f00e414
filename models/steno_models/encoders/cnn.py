"""A 1-D convolutional encoder with residuals, which looks back and, if asked to, a little ahead.

The first layers convolve fully and make fewer steps; each block above is a depthwise convolution in
time and two maps of every step by itself (as Liu et al. 2022, arXiv:2201.03545, do in images):

    x + W₂ · silu(W₁ · norm(conv(x)))

A causal kernel sees the `kernel − 1` steps before its own, and with `ahead` so many of them lie
after it instead.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steno_models.encoders.conformer import ChannelDropout
from steno_models.encoders.downsample import Downsampling, check_factors
from steno_models.encoders.tdnn import TdnnLayer
from steno_models.encoders.windows import WindowEncoder, WindowLayer, with_downsampling


@dataclass(frozen=True, slots=True, kw_only=True)
class CnnOptions:
    """The shape of a convolutional encoder.

    Attributes:
        bins: F.
        width: D, of every layer's output.
        inner: width inside of a block.
        kernel: steps that a block sees.
        ahead: how many of them come after its own; with 0 it is causal.
        factors: for each layer, how many of its input's steps are made into one first. Layers that
            cannot add their input, being of another width or pace, convolve fully, without looking
            ahead.
        full_kernel: steps that those see.
        downsampling: how steps are made into one.
        dropout: of every layer.
    """

    bins: int = 80
    width: int = 320
    inner: int = 960
    kernel: int = 15
    ahead: int = 0
    factors: tuple[int, ...] = (1, 2, 2, *[1] * 6)
    full_kernel: int = 5
    downsampling: Downsampling = "stride"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_factors(self.factors, len(self.factors))
        if not self.factors:
            raise ValueError("expected factors of one layer or more, found none")
        if not 0 <= self.ahead < self.kernel:
            raise ValueError(
                f"expected to look ahead by less than a kernel of {self.kernel}, found {self.ahead}"
            )


class ConvolutionBlock(WindowLayer):
    """A depthwise convolution and two maps of each step, with the input added."""

    def __init__(self, options: CnnOptions) -> None:
        super().__init__()
        width, inner = options.width, options.inner
        self.left, self.right = options.kernel - 1 - options.ahead, options.ahead
        self.depthwise = nn.Conv1d(width, width, options.kernel, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, inner)
        self.activation = nn.SiLU()
        self.dropout = ChannelDropout(options.dropout)
        self.output = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, S, D)."""
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        y = self.output(self.dropout(self.activation(self.expand(y))))
        return torch.add(x[:, self.left : self.left + y.shape[1]], y)


class Cnn(WindowEncoder):
    """The convolutional encoder."""

    def __init__(self, options: CnnOptions) -> None:
        def layer(layer: int, width: int, stride: int) -> WindowLayer:
            if layer and stride == 1 and width == options.width:
                return ConvolutionBlock(options)
            back = range(1 - options.full_kernel, 1)
            return TdnnLayer(width, options.width, back, stride=stride, dropout=options.dropout)

        layers = with_downsampling(
            layer, options.factors, options.downsampling, (options.bins, options.width)
        )
        super().__init__(layers, bins=options.bins, width=options.width)
