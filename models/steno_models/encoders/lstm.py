"""Recurrent encoders: LSTMs of one direction, which stream, and of both, plain and pyramid.

An LSTM (Hochreiter & Schmidhuber 1997) carries what it has heard from step to step, so one of one
direction waits for nothing; one of both directions (Graves & Schmidhuber 2005) hears the whole
utterance first. The pyramid halves the time with every layer but the first (Chan et al. 2016,
arXiv:1508.01211).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from steno_models.encoders.both_ways import both_ways
from steno_models.encoders.conformer import ChannelDropout
from steno_models.encoders.downsample import (
    Downsampling,
    check_factors,
    downsample,
    last_paced,
    total_factor,
    width_after,
)
from steno_models.encoders.protocol import Context, Encoder, Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmOptions:
    """The shape of a recurrent encoder of one direction.

    Attributes:
        bins: F.
        width: D, of every layer's output.
        layers: how many.
        factors: for each layer, how many of its input's steps are made into one first.
        downsampling: how they are made into one.
        dropout: on the input of every layer but the first.
    """

    bins: int = 80
    width: int = 448
    layers: int = 4
    factors: tuple[int, ...] = (2, 2, 1, 1)
    downsampling: Downsampling = "pyramid"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_factors(self.factors, self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlstmOptions(LstmOptions):
    """The shape of a recurrent encoder of both directions; each has half of the width."""

    def __post_init__(self) -> None:
        check_factors(self.factors, self.layers)
        if self.width % 2:
            raise ValueError(f"expected an even width for two directions, found {self.width}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidOptions:
    """The shape of a pyramid of BLSTMs: one at the pace of frames, then `halvings` above it."""

    bins: int = 80
    width: int = 512
    halvings: int = 2
    dropout: float = 0.1

    def blstm(self) -> BlstmOptions:
        """Return the same shape, layer by layer."""
        return BlstmOptions(
            bins=self.bins,
            width=self.width,
            layers=1 + self.halvings,
            factors=(1, *[2] * self.halvings),
            downsampling="pyramid",
            dropout=self.dropout,
        )


@dataclass(frozen=True, slots=True)
class LstmState:
    """What one stream carries.

    Attributes:
        features: (t, F) frames that make no whole step yet.
        hidden: (layers, D) outputs of the last step.
        cells: (layers, D) cells after it.
    """

    features: Tensor
    hidden: Tensor
    cells: Tensor


def _layers(options: LstmOptions, directions: int) -> nn.ModuleList:
    """Return an LSTM for each layer, (B, S, its input) → (B, S, D)."""
    widths = [options.bins, *[options.width] * (options.layers - 1)]
    return nn.ModuleList(
        nn.LSTM(
            width_after(width, factor, options.downsampling),
            options.width // directions,
            batch_first=True,
            bidirectional=directions == 2,
        )
        for width, factor in zip(widths, options.factors, strict=True)
    )


class Lstm(Encoder[LstmState]):
    """LSTMs of one direction."""

    streaming = True
    delay_frames = 0

    def __init__(self, options: LstmOptions) -> None:
        super().__init__()
        self.options = options
        self.layers = _layers(options, directions=1)
        self.dropout = ChannelDropout(options.dropout)

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self.options.width

    @property
    def grid(self) -> Grid:
        """Where the steps lie in time."""
        factor = total_factor(self.options.factors)
        return Grid(factor, factor)

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of layers, (B, S, D); args are those of `Encoder.forward`."""
        del lengths, context  # nothing looks ahead, and all that was heard is remembered
        o, x, outputs = self.options, features, []
        for i, (layer, factor) in enumerate(zip(self.layers, o.factors, strict=True)):
            x, _ = layer(downsample(self.dropout(x) if i else x, factor, o.downsampling))
            outputs.append(x)
        return outputs[last_paced(o.factors) :]

    def start(self, context: Context) -> LstmState:
        """Return the state of a stream that has heard nothing."""
        del context
        o, like = self.options, next(self.parameters())
        zeros = like.new_zeros(o.layers, o.width)
        return LstmState(like.new_zeros(0, o.bins), zeros, zeros)

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[Tensor, LstmState]], context: Context
    ) -> list[tuple[Tensor, LstmState]]:
        """Return each stream's new steps, (S, D), and its next state, after any frames."""
        del context
        factor = self.grid.factor
        frames = [torch.cat((state.features, features)) for features, state in work]
        ready = [i for i, x in enumerate(frames) if len(x) >= factor]
        found = [
            (x.new_zeros(0, self.width), replace(state, features=x))
            for x, (_, state) in zip(frames, work, strict=True)
        ]
        if not ready:
            return found
        steps = [len(frames[i]) // factor for i in ready]
        used = [n * factor for n in steps]
        batch = torch.stack(
            [pad(frames[i][:n], (0, 0, 0, max(used) - n)) for i, n in zip(ready, used, strict=True)]
        )
        x, hidden, cells = self._run(batch, steps, [work[i][1] for i in ready])
        for place, (i, n) in enumerate(zip(ready, steps, strict=True)):
            features = frames[i][used[place] :].clone()
            state = LstmState(features, hidden[:, place].clone(), cells[:, place].clone())
            found[i] = (x[place, :n], state)
        return found

    def _run(
        self, x: Tensor, steps: list[int], states: list[LstmState]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return outputs (B, S, D), and hidden and cells (layers, B, D) after each one's steps."""
        o, hidden, cells = self.options, [], []
        lengths = torch.tensor(steps) * self.grid.factor
        for i, (layer, factor) in enumerate(zip(self.layers, o.factors, strict=True)):
            x, lengths = downsample(x, factor, o.downsampling), lengths // factor
            before = (
                torch.stack([state.hidden[i] for state in states]).unsqueeze(0),
                torch.stack([state.cells[i] for state in states]).unsqueeze(0),
            )
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y, (h, c) = layer(packed, before)
            x, _ = pad_packed_sequence(y, batch_first=True)
            hidden.append(h[0])
            cells.append(c[0])
        return x, torch.stack(hidden), torch.stack(cells)


class Blstm(Encoder[None]):
    """LSTMs of both directions, which need the whole utterance."""

    delay_frames = None

    def __init__(self, options: BlstmOptions) -> None:
        super().__init__()
        self.options = options
        self.layers = _layers(options, directions=2)
        self.dropout = ChannelDropout(options.dropout)

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self.options.width

    @property
    def grid(self) -> Grid:
        """Where the steps lie in time."""
        factor = total_factor(self.options.factors)
        return Grid(factor, factor)

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of layers, (B, S, D); args are those of `Encoder.forward`.

        What comes back from the end begins at each utterance's own.
        """
        del context
        o, x, outputs = self.options, features, []
        # An utterance without steps is given one, which nobody reads.
        inputs = (lengths.cpu() * self.grid.factor).clamp(min=self.grid.factor)
        for i, (layer, factor) in enumerate(zip(self.layers, o.factors, strict=True)):
            x = downsample(self.dropout(x) if i else x, factor, o.downsampling)
            inputs = inputs // factor
            assert isinstance(layer, nn.LSTM)  # noqa: S101 — what `_layers` makes
            x = both_ways(layer, x, inputs)
            outputs.append(x)
        return outputs[last_paced(o.factors) :]
