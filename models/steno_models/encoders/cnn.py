"""A 1-D convolutional encoder with residuals, which looks back and, if asked to, a little ahead.

The first layers convolve fully and make fewer steps; each block above is a depthwise convolution in
time and two maps of every step by itself (as Liu et al. 2022, arXiv:2201.03545, do in images):

    x + W₂ · silu(W₁ · norm(conv(x)))

A causal kernel sees the `kernel − 1` steps before its own, and with `ahead` so many of them lie
after it instead. Within chunks a kernel is centred, but sees nothing beyond its chunk's end (Li et
al. 2023, arXiv:2304.09325), so that only the chunk has to be waited for, however many layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from steno_models.encoders.conformer import ChannelDropout
from steno_models.encoders.downsample import Downsampling, check_factors
from steno_models.encoders.protocol import Context, Encoder, Grid
from steno_models.encoders.tdnn import TdnnLayer
from steno_models.encoders.windows import (
    WindowEncoder,
    WindowLayer,
    WindowState,
    with_downsampling,
)
from steno_models.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CnnOptions:
    """The shape of a convolutional encoder.

    Attributes:
        bins: F.
        width: D, of every layer's output.
        inner: width inside of a block.
        kernel: steps that a block sees.
        ahead: how many of them come after its own; with 0 it is causal, with "chunk" it is centred
            and ends with the chunk.
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
    ahead: int | Literal["chunk"] = 0
    factors: tuple[int, ...] = (1, 2, 2, *[1] * 6)
    full_kernel: int = 5
    downsampling: Downsampling = "stride"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_factors(self.factors, len(self.factors))
        if not self.factors:
            raise ValueError("expected factors of one layer or more, found none")
        if self.right >= self.kernel or self.right < 0:
            raise ValueError(
                f"expected to look ahead by less than a kernel of {self.kernel}, found {self.ahead}"
            )

    @property
    def right(self) -> int:
        """How many steps of a block's kernel come after its own."""
        return (self.kernel - 1) // 2 if self.ahead == "chunk" else self.ahead


class ConvolutionBlock(WindowLayer):
    """A depthwise convolution and two maps of each step, with the input added."""

    def __init__(self, options: CnnOptions) -> None:
        super().__init__()
        width, inner = options.width, options.inner
        self.left, self.right = options.kernel - 1 - options.right, options.right
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


def _layers(options: CnnOptions) -> list[WindowLayer]:
    def layer(layer: int, width: int, stride: int) -> WindowLayer:
        if layer and stride == 1 and width == options.width:
            return ConvolutionBlock(options)
        back = range(1 - options.full_kernel, 1)
        return TdnnLayer(width, options.width, back, stride=stride, dropout=options.dropout)

    return with_downsampling(
        layer, options.factors, options.downsampling, (options.bins, options.width)
    )


class Cnn(WindowEncoder):
    """The convolutional encoder whose layers look ahead by what its options say."""

    def __init__(self, options: CnnOptions) -> None:
        super().__init__(_layers(options), bins=options.bins, width=options.width)


@dataclass(frozen=True, slots=True)
class ChunkedState:
    """What one stream carries.

    Attributes:
        front: of the layers below the blocks.
        waiting: (p, D) steps that make no whole chunk yet.
        past: (blocks, left, D) the inputs of each block before the chunk.
    """

    front: WindowState
    waiting: Tensor
    past: Tensor

    @property
    def features(self) -> Tensor:
        """(t, F) frames that make no whole step yet."""
        return self.front.features


class ChunkedCnn(Encoder[ChunkedState]):
    """The convolutional encoder whose blocks look as far ahead as their chunk goes."""

    streaming = True
    delay_frames = 0

    def __init__(self, options: CnnOptions) -> None:
        super().__init__()
        layers = _layers(options)
        self._stack = [layer for layer in layers if isinstance(layer, ConvolutionBlock)]
        below = [layer for layer in layers if not isinstance(layer, ConvolutionBlock)]
        if not self._stack or layers != [*below, *self._stack]:
            raise ConfigError(
                "expected factors of 1 from the first block of chunks on, found "
                f"{list(options.factors)}"
            )
        self.front = WindowEncoder(below, bins=options.bins, width=options.width)
        self.blocks = nn.ModuleList(self._stack)
        self._left, self._right = self._stack[0].left, self._stack[0].right

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self.front.width

    @property
    def grid(self) -> Grid:
        """Where the steps lie in time."""
        return self.front.grid

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of blocks, (B, S, D); args are those of `Encoder.forward`."""
        x = self.front(features, lengths)[-1]
        B, S, D = x.shape
        if S == 0:
            return [x]
        C = context.chunk_steps if context else S
        spoken = (torch.arange(S, device=x.device) < lengths.unsqueeze(1)).unsqueeze(2)
        outputs = []
        for block in self._stack:
            chunked = pad(x * spoken, (0, 0, self._left, -S % C)).unfold(1, self._left + C, C)
            seen = pad(chunked.transpose(2, 3).flatten(0, 1), (0, 0, 0, self._right))
            x = block(seen).reshape(B, -1, D)[:, :S]
            outputs.append(x)
        return outputs

    def start(self, context: Context) -> ChunkedState:
        """Return the state of a stream that has heard nothing."""
        front = self.front.start(context)
        zeros = front.features.new_zeros(len(self._stack), self._left, self.width)
        return ChunkedState(front, zeros[0, :0], zeros)

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[Tensor, ChunkedState]], context: Context
    ) -> list[tuple[Tensor, ChunkedState]]:
        """Return the steps, (S, D), of each stream's new chunks, and its next state."""
        C = context.chunk_steps
        below = self.front.step([(x, state.front) for x, state in work], context)
        states = [
            ChunkedState(front, torch.cat((state.waiting, x)), state.past)
            for (x, front), (_, state) in zip(below, work, strict=True)
        ]
        found = [[state.waiting[:0]] for state in states]
        while ready := [i for i, state in enumerate(states) if len(state.waiting) >= C]:
            chunks = [(states[i].waiting[:C], states[i].past) for i in ready]
            for i, (y, past) in zip(ready, self._chunk(chunks, C), strict=True):
                found[i].append(y)
                states[i] = replace(states[i], waiting=states[i].waiting[C:], past=past)
        return [(torch.cat(steps), state) for steps, state in zip(found, states, strict=True)]

    @torch.inference_mode()
    def finish(self, states: Sequence[ChunkedState], context: Context) -> list[Tensor]:
        """Return each stream's last steps, (S, D), whose chunk will not be whole."""
        chunks = [(state.waiting, state.past) for state in states]
        return [steps for steps, _ in self._chunk(chunks, context.chunk_steps)]

    def _chunk(self, chunks: list[tuple[Tensor, Tensor]], size: int) -> list[tuple[Tensor, Tensor]]:
        """Return each one's steps and past after a chunk of at most `size` steps."""
        lengths = torch.tensor([len(x) for x, _ in chunks]).view(-1, 1, 1)
        x = torch.stack([pad(x, (0, 0, 0, size - len(x))) for x, _ in chunks])
        spoken = (torch.arange(size).view(1, -1, 1) < lengths).to(x.device)
        inputs = []
        for i, block in enumerate(self._stack):
            seen = torch.cat((torch.stack([past[i] for _, past in chunks]), x * spoken), 1)
            inputs.append(seen)
            x = block(pad(seen, (0, 0, 0, self._right)))
        past = torch.stack(inputs)
        return [
            (x[b, : len(steps)], past[:, b, len(steps) : len(steps) + self._left].clone())
            for b, (steps, _) in enumerate(chunks)
        ]
