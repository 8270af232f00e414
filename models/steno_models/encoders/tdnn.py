"""Time-delay networks: layers that see a few spliced steps of the one below, no more.

The plain one (Peddinti, Povey & Khudanpur 2015) splices sparsely: the higher the layer, the
farther apart its steps, so that a handful of layers sees a quarter of a second either way. The
factorised one (Povey et al. 2018) makes each matrix the product of two through a bottleneck,

    y = norm(relu(B · [z(t), z(t + b)] + c)) + 0.66 · x,    z(t) = M · [x(t − a), x(t)]

where M is kept semi-orthogonal up to a scale, M Mᵀ = α² I, by a step of its own after those of the
optimiser. LayerNorm stands where the papers have others: the same numbers for one stream and for
many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from steno_models.encoders.conformer import ChannelDropout
from steno_models.encoders.downsample import Downsampling, check_factors
from steno_models.encoders.protocol import Trained
from steno_models.encoders.windows import WindowEncoder, WindowLayer, with_downsampling

Offsets = tuple[int, ...]

# How far a step goes towards semi-orthogonality, by how unequal the singular values are.
_SPEEDS = ((1.02, 0.5), (1.1, 0.25))
_SLOWEST = 0.125


@dataclass(frozen=True, slots=True, kw_only=True)
class TdnnOptions:
    """The shape of a time-delay network.

    Attributes:
        bins: F.
        width: D, of every layer's output.
        offsets: for each layer, which steps of its input are spliced, from the one that its output
            is about; what is above 0 is looked ahead.
        factors: for each layer, how many of its input's steps are made into one first.
        downsampling: how they are made into one.
        dropout: of every layer.
    """

    bins: int = 80
    width: int = 640
    offsets: tuple[Offsets, ...] = (
        (-2, -1, 0, 1, 2),
        (-1, 0, 1),
        (-1, 0, 1),
        (-2, 0, 1),
        (-3, 0, 1),
        (-5, 0),
        (0,),
    )
    factors: tuple[int, ...] = (1, 2, 2, 1, 1, 1, 1)
    downsampling: Downsampling = "stride"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_factors(self.factors, len(self.offsets))
        for offsets in self.offsets:
            if not offsets or list(offsets) != sorted(set(offsets)):
                raise ValueError(f"expected rising offsets in each layer, found {list(offsets)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TdnnfOptions:
    """The shape of a factorised time-delay network.

    Attributes:
        bins: F.
        width: D, of every layer's output.
        bottleneck: of the factorised layers.
        offsets: of the first layer, which is not factorised; see `TdnnOptions`.
        spans: (a, b) of each factorised layer: how many steps of its input lie between the two
            that its first factor sees, and between the two that its second one does; with b = 0
            it looks ahead nowhere.
        factors: for the first layer and each factorised one; see `TdnnOptions`.
        downsampling: how steps are made into one.
        bypass: how much of its input a factorised layer adds to its output.
        dropout: how wide the random scales of channels spread, from 1 − 2·dropout to 1 + 2·dropout,
            at shares of the training, a straight line from each to the next.
    """

    bins: int = 80
    width: int = 768
    bottleneck: int = 128
    offsets: Offsets = (-2, -1, 0, 1, 2)
    spans: tuple[tuple[int, int], ...] = (
        (1, 1),
        (1, 1),
        (1, 1),
        (1, 1),
        (2, 1),
        (2, 1),
        (3, 1),
        (3, 0),
        (3, 0),
        (3, 0),
        (3, 0),
    )
    factors: tuple[int, ...] = (1, 2, 2, *[1] * 9)
    downsampling: Downsampling = "stride"
    bypass: float = 0.66
    dropout: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.2, 0.0), (0.5, 0.15), (1.0, 0.0))

    def __post_init__(self) -> None:
        check_factors(self.factors, 1 + len(self.spans))
        if not self.offsets or list(self.offsets) != sorted(set(self.offsets)):
            raise ValueError(f"expected rising offsets, found {list(self.offsets)}")
        if min((min(span) for span in self.spans), default=0) < 0:
            raise ValueError(f"expected spans of 0 steps or more, found {list(self.spans)}")
        shares = [share for share, _ in self.dropout]
        if not shares or shares != sorted(set(shares)):
            raise ValueError(f"expected dropout at rising shares of the training, found {shares}")
        if any(not 0 <= rate <= 0.5 for _, rate in self.dropout):
            raise ValueError(f"expected dropout from 0 to 0.5, found {list(self.dropout)}")


class Spliced(WindowLayer):
    """An affine map of a few steps side by side.

    Attributes:
        weight: (out, steps · in), the earliest step first.
        bias: (out,), or None.
    """

    def __init__(
        self, width: int, out: int, offsets: Sequence[int], *, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.left, self.right, self.stride = -min(0, *offsets), max(0, *offsets), stride
        self._begins = [self.left + offset for offset in offsets]
        affine = nn.Linear(len(offsets) * width, out, bias=bias)
        self.weight, self.bias = affine.weight, affine.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, S, out)."""
        S = (x.shape[1] - self.left - self.right - 1) // self.stride + 1
        ends = [begin + (S - 1) * self.stride + 1 for begin in self._begins]
        cuts = [slice(b, e, self.stride) for b, e in zip(self._begins, ends, strict=True)]
        steps, out = len(cuts), len(self.weight)
        if steps == 1 or self.stride > 1 or out >= x.shape[2]:
            return linear(torch.cat([x[:, cut] for cut in cuts], 2), self.weight, self.bias)
        # Narrower than its input: cheaper to map every step once, and to splice sums.
        weight = self.weight.view(out, steps, -1).transpose(0, 1).reshape(steps * out, -1)
        parts = torch.split(linear(x, weight), out, 2)
        total = reduce(torch.add, [part[:, cut] for part, cut in zip(parts, cuts, strict=True)])
        return total if self.bias is None else torch.add(total, self.bias)


class TdnnLayer(WindowLayer):
    """Splicing, ReLU, LayerNorm."""

    def __init__(
        self, width: int, out: int, offsets: Sequence[int], *, stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.affine = Spliced(width, out, offsets, stride=stride)
        self.left, self.right, self.stride = self.affine.left, self.affine.right, stride
        self.norm = nn.LayerNorm(out)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, S, D)."""
        out: Tensor = self.dropout(self.norm(self.affine(x).relu()))
        return out


class Tdnn(WindowEncoder):
    """The plain time-delay network."""

    def __init__(self, options: TdnnOptions) -> None:
        def layer(layer: int, width: int, stride: int) -> WindowLayer:
            return TdnnLayer(
                width,
                options.width,
                options.offsets[layer],
                stride=stride,
                dropout=options.dropout,
            )

        layers = with_downsampling(
            layer, options.factors, options.downsampling, (options.bins, options.width)
        )
        super().__init__(layers, bins=options.bins, width=options.width)


class RandomScale(nn.Module):
    """Scales the channels of an utterance at random, one draw for all its steps.

    Attributes:
        rate: the scales lie between 1 − 2·rate and 1 + 2·rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, (B, S, D), its (B, D) channels scaled while training."""
        if not self.training or self.rate == 0.0:
            return x
        B, _, D = x.shape
        scale = 1 + 4 * self.rate * (torch.rand(B, 1, D, device=x.device) - 0.5)
        return x * scale.to(x.dtype)


class TdnnfLayer(WindowLayer, Trained):
    """A factorised layer with its bypass, whose first factor is kept semi-orthogonal.

    Where the layer strides or its input has another width there is no bypass.
    """

    def __init__(
        self, width: int, options: TdnnfOptions, span: tuple[int, int], *, stride: int
    ) -> None:
        super().__init__()
        (self.left, self.right), self.stride = span, stride
        a, b = span
        self.first = Spliced(width, options.bottleneck, (-a, 0) if a else (0,), bias=False)
        self.second = Spliced(
            options.bottleneck, options.width, (0, b) if b else (0,), stride=stride
        )
        self.norm = nn.LayerNorm(options.width)
        self.dropout = RandomScale(options.dropout[0][1])
        self.bypass = options.bypass if stride == 1 and width == options.width else 0.0
        self._schedule = options.dropout
        nn.init.orthogonal_(self.first.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, S, D)."""
        y: Tensor = self.dropout(self.norm(self.second(self.first(x)).relu()))
        if not self.bypass:
            return y
        return torch.add(y, x[:, self.left : self.left + y.shape[1]], alpha=self.bypass)

    def before_step(self, done: float) -> None:
        """Set the dropout to what it is after this share of the training."""
        self.dropout.rate = scheduled(self._schedule, done)

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the first factor towards semi-orthogonality."""
        self.first.weight.copy_(more_orthogonal(self.first.weight))


class Tdnnf(WindowEncoder):
    """The factorised time-delay network."""

    def __init__(self, options: TdnnfOptions) -> None:
        def layer(layer: int, width: int, stride: int) -> WindowLayer:
            if layer == 0:
                return TdnnLayer(width, options.width, options.offsets, stride=stride, dropout=0.0)
            return TdnnfLayer(width, options, options.spans[layer - 1], stride=stride)

        layers = with_downsampling(
            layer, options.factors, options.downsampling, (options.bins, options.width)
        )
        super().__init__(layers, bins=options.bins, width=options.width)


def scheduled(schedule: tuple[tuple[float, float], ...], done: float) -> float:
    """Return the value at `done` of straight lines through (share, value), flat beyond the ends."""
    (share, value), *rest = schedule
    for next_share, next_value in rest:
        if done < next_share:
            along = max(0.0, done - share) / (next_share - share)
            return value + along * (next_value - value)
        share, value = next_share, next_value
    return value


def more_orthogonal(matrix: Tensor) -> Tensor:
    """Return `matrix`, M, closer to M Mᵀ = α² I, by one step: Povey et al. (2018), α floating.

    With P = M Mᵀ and α² = tr(P Pᵀ) / tr(P), at which the step changes no length along M, it is
    M − ½ (P / α² − I) M. A deviation of ε from α² I becomes one of the order of ε², so a step
    each time holds a matrix that the optimiser moves a little. What is far away goes more slowly,
    for it would be thrown past the aim.

    Args:
        matrix: (rows, columns); where there are more rows than columns, the columns become
            orthogonal.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return more_orthogonal(matrix.t()).t()
    P = matrix @ matrix.t()
    trace, squares = float(P.diagonal().sum()), float(P.square().sum())
    if trace == 0:
        return matrix  # all zeros: no direction to keep
    spread = squares * len(P) / trace**2  # 1 where all singular values are equal, else more
    speed = next((speed for most, speed in _SPEEDS if spread <= most), _SLOWEST)
    return torch.addmm(matrix, P, matrix, beta=1 + speed, alpha=-speed * trace / squares)
