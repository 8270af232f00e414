"""Layers that see a window of their input, one upon the other, over utterances and over streams.

Layer l turns the inputs s·stride − left … s·stride + right into its output s. Before the first
frame and after the last one there are frames of zeros, for ever, so all windows are whole ones.

A stream keeps, for each layer, the last inputs that windows to come begin in. Frames come in groups
of as many as make one step, and each group gives one step: the one whose windows it completed,
which is `delay_frames` behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from steno_models.encoders.downsample import Downsampling, downsample, width_after
from steno_models.encoders.protocol import Context, Encoder, Grid


class WindowLayer(nn.Module):
    """A layer that sees a window; `forward` makes (B, S, D) of (B, N, its input's width).

    S is (N − left − right − 1) // stride + 1: no window is padded.

    Attributes:
        left: inputs before the one that an output is about.
        right: inputs after it.
        stride: inputs from one output's to the next one's.
    """

    left: int = 0
    right: int = 0
    stride: int = 1


@dataclass(frozen=True, slots=True)
class WindowState:
    """What one stream carries.

    Attributes:
        features: (t, F) frames that make no whole group yet.
        inputs: of each layer, (c, its input's width), that windows to come begin in.
        steps: done so far; below 0 those before the first frame, which nobody asked for.
    """

    features: Tensor
    inputs: tuple[Tensor, ...]
    steps: int


@dataclass(frozen=True, slots=True)
class _Place:
    """How a layer lies in time.

    Attributes:
        rate: frames from one of its inputs to the next.
        kept: inputs between two groups that windows to come begin in; if negative, so many of
            a group that no window needs.
    """

    rate: int
    kept: int


def _places(layers: Sequence[WindowLayer]) -> tuple[list[_Place], int]:
    """Return the place of each layer and how many frames the last one is behind.

    After g groups of the total factor F, a layer that is d frames behind has put out what comes
    before frame g·F − d. Its next layer, of rate r and stride k, can put out what is about frames
    t = 0, k·r, 2·k·r … with t + right·r < g·F − d.
    """
    places, rate, behind = [], 1, 0
    for layer in layers:
        pace = rate * layer.stride
        after = -((pace - behind - (layer.right + 1) * rate) // pace) * pace
        places.append(_Place(rate, layer.left + (after - behind) // rate))
        rate, behind = pace, after
    return places, behind


def _last_paced(layers: Sequence[WindowLayer]) -> int:
    """Return the first layer with an output of its own that has the pace of the last one's."""
    striding = [i for i, layer in enumerate(layers) if layer.stride > 1]
    last = striding[-1] if striding else 0
    return last + isinstance(layers[last], Downsample)


class Downsample(WindowLayer):
    """`downsample` as a layer."""

    def __init__(self, factor: int, how: Downsampling) -> None:
        super().__init__()
        self.right = factor - 1
        self.stride = factor
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, S // factor, D')."""
        return downsample(x, self.stride, self.how)


class Layers(Protocol):
    """What makes the layers of an encoder."""

    def __call__(self, layer: int, width: int, stride: int) -> WindowLayer:
        """Return layer number `layer`, from 0, for inputs of `width`."""


def with_downsampling(
    make: Layers, factors: tuple[int, ...], how: Downsampling, widths: tuple[int, int]
) -> list[WindowLayer]:
    """Return a layer for each of `factors`, whose input has as many steps made into one before.

    Where the first of those steps is taken, the layer before makes no other.

    Args:
        make: makes a layer.
        factors: for each layer.
        how: steps are made into one.
        widths: of the features, and of every layer's output.
    """
    found: list[WindowLayer] = []
    after = (*factors[1:], 1) if how == "stride" else (1,) * len(factors)
    for i, (factor, stride) in enumerate(zip(factors, after, strict=True)):
        width = widths[min(i, 1)]
        if factor > 1 and (how != "stride" or i == 0):
            found.append(Downsample(factor, how))
            width = width_after(width, factor, how)
        found.append(make(i, width, stride))
    return found


class WindowEncoder(Encoder[WindowState]):
    """An encoder whose layers all see windows.

    Args:
        layers: the first one's input is the features.
        bins: F.
        width: D, of the outputs of all layers but those that only downsample.
    """

    streaming = True

    def __init__(self, layers: Sequence[WindowLayer], *, bins: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._stack = list(layers)
        self._bins = bins
        self._width = width
        self._first_output = _last_paced(layers)
        self._places, self._behind = _places(layers)
        self._factor = prod(layer.stride for layer in layers)
        windows = list(zip(layers, self._places, strict=True))
        self._left_frames = sum(layer.left * place.rate for layer, place in windows)
        self._right_frames = sum(layer.right * place.rate for layer, place in windows)

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self._width

    @property
    def grid(self) -> Grid:
        """Where the steps lie in time."""
        return Grid(self._factor, self._factor)

    @property
    def delay_frames(self) -> int:
        """How many frames a step waits for after its own: a whole number of steps."""
        return self._behind

    @property
    def reach_frames(self) -> tuple[int, int]:
        """How many frames before and after the first of its own a step sees."""
        return self._left_frames, self._right_frames

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of layers, (B, S, D); args are those of `Encoder.forward`."""
        del context  # what a step sees is a part of the shape
        T = features.shape[1]
        S = self.grid.steps_of(T)
        if S == 0:
            return [features.new_zeros(len(features), 0, self._width)]
        spoken = torch.arange(T, device=features.device) < (lengths * self._factor).unsqueeze(1)
        x = features * spoken.unsqueeze(-1).to(features.dtype)
        beyond = (S - 1) * self._factor + self._right_frames + 1 - T
        x, outputs = pad(x, (0, 0, self._left_frames, beyond)), []
        for layer in self._stack:
            x = layer(x)
            outputs.append(x)
        first, left = self._first_output, 0
        for i in range(len(outputs) - 1, first - 1, -1):
            outputs[i] = outputs[i][:, left : left + S]
            left += self._stack[i].left
        return outputs[first:]

    @torch.inference_mode()
    def start(self, context: Context) -> WindowState:
        """Return the state of a stream that has heard nothing: zeros, for ever."""
        del context
        x = next(self.parameters()).new_zeros(1, 1, self._bins)
        features, inputs = x[0, :0], []
        for layer, place in zip(self._stack, self._places, strict=True):
            inputs.append(x[0].repeat(max(0, place.kept), 1))
            x = layer(x.expand(1, layer.left + layer.right + 1, x.shape[-1]))
        return WindowState(features, tuple(inputs), -self._behind // self._factor)

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[Tensor, WindowState]], context: Context
    ) -> list[tuple[Tensor, WindowState]]:
        """Return each stream's new steps, (S, D), and its next state, after any frames."""
        del context
        states = [state for _, state in work]
        frames = [torch.cat((state.features, features)) for features, state in work]
        groups = [len(x) // self._factor for x in frames]
        if not any(groups):
            return [
                (x.new_zeros(0, self._width), WindowState(x, state.inputs, state.steps))
                for x, state in zip(frames, states, strict=True)
            ]
        used = [n * self._factor for n in groups]
        x = torch.stack(
            [pad(f[:n], (0, 0, 0, max(used) - n)) for f, n in zip(frames, used, strict=True)]
        )
        inputs = []
        for i, (layer, place) in enumerate(zip(self._stack, self._places, strict=True)):
            seen = torch.cat((torch.stack([state.inputs[i] for state in states]), x), 1)
            inputs.append(seen)
            x = layer(seen[:, max(0, -place.kept) :])
        return [
            (
                x[b, max(0, -states[b].steps) : n],
                WindowState(frame[use:].clone(), self._kept(inputs, b, use), states[b].steps + n),
            )
            for b, (n, frame, use) in enumerate(zip(groups, frames, used, strict=True))
        ]

    def _kept(self, inputs: list[Tensor], stream: int, frames: int) -> tuple[Tensor, ...]:
        """Return what windows to come begin in, of each layer's inputs after so many new frames.

        Copies: views would hold the memory of the whole batch.
        """
        return tuple(
            seen[stream].narrow(0, frames // place.rate, max(0, place.kept)).clone()
            for seen, place in zip(inputs, self._places, strict=True)
        )

    def finish(self, states: Sequence[WindowState], context: Context) -> list[Tensor]:
        """Return each stream's last steps, (S, D), which zeros complete."""
        features = [state.features[:0] for state in states]
        silence = next(self.parameters()).new_zeros(self._behind, self._bins)
        rest = [
            (silence, WindowState(empty, state.inputs, state.steps))
            for empty, state in zip(features, states, strict=True)
        ]
        return [steps for steps, _ in self.step(rest, context)]
