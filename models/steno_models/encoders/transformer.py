"""Self-attention alone (Vaswani et al. 2017), over the whole utterance or truncated.

Truncated, a step of every layer sees `left_steps` before and `right_steps` after itself and no more
(Povey et al. 2018, "A time-restricted self-attention layer for ASR"), so L layers look L times as
far, and what they say is that far behind:

    step s of layer l  ←  steps s − left … s + right of layer l − 1

The norms come before attention and feed-forward, and positions are rotary, hence relative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from steno_models.encoders.attention import ChunkAttention, attend, rotary, rotate
from steno_models.encoders.conformer import ChannelDropout, FeedForward
from steno_models.encoders.downsample import Downsampling, downsample, width_after
from steno_models.encoders.layout import part_of
from steno_models.encoders.protocol import Context, Encoder, Grid
from steno_models.encoders.subsampling import CONTEXT_FRAMES, FACTOR, Subsampling


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerOptions:
    """The shape of a self-attention encoder.

    Attributes:
        bins: F.
        width: D.
        layers: how many.
        heads: of attention.
        feed_forward: inner width of the feed-forwards.
        left_steps: that a step of each layer sees before itself; None for all.
        right_steps: that it sees after itself; None for all. It streams if both are numbers.
        downsampling: before the first layer, by two strided convolutions, or as `Downsampling`.
        factor: frames that become a step; of the convolutions always 4.
        subsampling_channels: of the convolutions.
        dropout: of every layer.
    """

    bins: int = 80
    width: int = 256
    layers: int = 10
    heads: int = 4
    feed_forward: int = 1024
    left_steps: int | None = 32
    right_steps: int | None = 1
    downsampling: Downsampling | Literal["convolution"] = "convolution"
    factor: int = 4
    subsampling_channels: int = 32
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"expected width to be a multiple of 2 x {self.heads} heads, found {self.width}"
            )
        if self.downsampling == "convolution" and self.factor != FACTOR:
            raise ValueError(
                f"expected convolutions to make {FACTOR} frames a step, found {self.factor}"
            )


@dataclass(frozen=True, slots=True)
class TransformerState:
    """What one stream carries.

    Attributes:
        features: (t, F) frames that no step has let go of yet.
        inputs: (layers, right, D) the last inputs of every layer, whose own outputs wait.
        attention: (layers, 2, H, left + right, head_width) rotated keys, and values.
        steps: that went into the first layer so far.
    """

    features: Tensor
    inputs: Tensor
    attention: Tensor
    steps: int


class Front(nn.Module):
    """Features, (B, T, F), to the first layer's input, (B, S, D)."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.factor = options.factor
        self.how = options.downsampling
        if self.how == "convolution":
            self.grid = Grid(FACTOR, CONTEXT_FRAMES)
            self.output: nn.Module = Subsampling(
                bins=options.bins, width=options.width, channels=options.subsampling_channels
            )
        else:
            self.grid = Grid(options.factor, options.factor)
            width = width_after(options.bins, options.factor, self.how)
            self.output = nn.Linear(width, options.width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, S, D)."""
        if self.how != "convolution":
            features = downsample(features, self.factor, self.how)
        out: Tensor = self.output(features)
        return out


class TransformerBlock(nn.Module):
    """Attention and feed-forward, the norms before them."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(options.width)
        self.attention = ChunkAttention(width=options.width, heads=options.heads)
        self.dropout = ChannelDropout(options.dropout)
        self.feed_forward = FeedForward(options.width, options.feed_forward, options.dropout)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Return (B, S, D) of whole utterances; `mask` is that of `ChunkAttention`."""
        x = x + self.dropout(self.attention(self.norm(x), angles, mask))
        return torch.add(x, self.feed_forward(x))

    def step(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor, past: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return S outputs, those of the first of `x`, and all keys and values.

        Args:
            x: (B, right + S, D), of which the last S are new.
            angles: of the positions of `x`, (B, 1, right + S, head_width / 2).
            mask: (B, 1, S, left + right + S); True where a query may look.
            past: (2, B, H, left + right, head_width) keys and values of the inputs before the new.
        """
        S = mask.shape[2]
        normed = self.norm(x)
        project, heads = self.attention.project, self.attention.heads
        D = x.shape[2]
        q = _heads(part_of(project, normed[:, :S], slice(D)), heads)
        k = _heads(part_of(project, normed[:, -S:], slice(D, 2 * D)), heads)
        v = _heads(part_of(project, normed[:, -S:], slice(2 * D, None)), heads)
        cos, sin = angles
        q, k = rotate(q, cos[:, :, :S], sin[:, :, :S]), rotate(k, cos[:, :, -S:], sin[:, :, -S:])
        seen = torch.cat((past, torch.stack((k, v))), 3)
        out = attend(q, seen[0], seen[1], mask).transpose(1, 2).flatten(2)
        y = x[:, :S] + self.attention.output(out)
        return torch.add(y, self.feed_forward(y)), seen


def _heads(x: Tensor, heads: int) -> Tensor:
    """Return (B, S, D) as (B, H, S, head_width)."""
    B, S, D = x.shape
    return x.view(B, S, heads, D // heads).transpose(1, 2)


class Transformer(Encoder[TransformerState]):
    """Self-attention; it streams where its options bound how far each layer looks."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.options = options
        self.front = Front(options)
        self.dropout = ChannelDropout(options.dropout)
        self._stack = [TransformerBlock(options) for _ in range(options.layers)]
        self.blocks = nn.ModuleList(self._stack)
        self.norm = nn.LayerNorm(options.width)
        self.streaming = options.left_steps is not None and options.right_steps is not None

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self.options.width

    @property
    def grid(self) -> Grid:
        """Where the steps lie in time."""
        return self.front.grid

    @property
    def delay_frames(self) -> int | None:
        """How many frames a step waits for after its own; None if for the whole utterance."""
        right = self.options.right_steps
        return None if right is None else right * self.options.layers * self.grid.factor

    @property
    def _head_width(self) -> int:
        return self.options.width // self.options.heads

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of blocks, (B, S, D); args are those of `Encoder.forward`."""
        del context  # what a step sees is a part of the shape
        x = self.dropout(self.front(features))
        B, S, _ = x.shape
        position = torch.arange(S, device=x.device)
        mask = self._band(position, position) & (position < lengths.view(B, 1, 1, 1))
        angles = rotary(position, self._head_width)
        outputs = []
        for block in self._stack:
            x = block(x, angles, mask)
            outputs.append(x)
        return [*outputs[:-1], self.norm(x)]

    def _band(self, query: Tensor, key: Tensor) -> Tensor:
        """Return (…, Q, K) bool: whether the key's position is within the query's reach."""
        ahead = key.unsqueeze(-2) - query.unsqueeze(-1)
        left, right = self.options.left_steps, self.options.right_steps
        band = torch.ones_like(ahead, dtype=torch.bool)
        if left is not None:
            band &= ahead >= -left
        if right is not None:
            band &= ahead <= right
        return band

    def _reach(self, context: Context) -> tuple[int, int]:
        """Return left and right.

        Raises:
            ConfigError: one of them has no bound.
        """
        left, right = self.options.left_steps, self.options.right_steps
        if left is None or right is None:
            raise self._cannot_stream(context)
        return left, right

    def start(self, context: Context) -> TransformerState:
        """Return the state of a stream that has heard nothing."""
        (left, right), o, like = self._reach(context), self.options, self.norm.weight
        return TransformerState(
            features=like.new_zeros(0, o.bins),
            inputs=like.new_zeros(o.layers, right, o.width),
            attention=like.new_zeros(o.layers, 2, o.heads, left + right, self._head_width),
            steps=0,
        )

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[Tensor, TransformerState]], context: Context
    ) -> list[tuple[Tensor, TransformerState]]:
        """Return each stream's new steps, (S, D), and its next state, after any frames."""
        self._reach(context)
        frames = [torch.cat((state.features, features)) for features, state in work]
        steps = [self.grid.steps_of(len(x)) for x in frames]
        rest = [x[n * self.grid.factor :].clone() for x, n in zip(frames, steps, strict=True)]
        states = [state for _, state in work]
        if not any(steps):
            empty = frames[0].new_zeros(0, self.width)
            return [
                (empty, TransformerState(x, state.inputs, state.attention, state.steps))
                for x, state in zip(rest, states, strict=True)
            ]
        need = self.grid.frames_of(max(steps))
        x = self.front(
            torch.stack([pad(f[:need], (0, 0, 0, max(0, need - len(f)))) for f in frames])
        )
        ends = [state.steps + n for state, n in zip(states, steps, strict=True)]
        return self._run(x, states, list(zip(rest, steps, ends, strict=True)))

    @torch.inference_mode()
    def finish(self, states: Sequence[TransformerState], context: Context) -> list[Tensor]:
        """Return each stream's last steps, (S, D), which no others follow."""
        _, right = self._reach(context)
        behind = right * self.options.layers
        x = self.norm.weight.new_zeros(len(states), behind, self.width)
        if behind == 0:
            return list(x)
        news = [(state.features, behind, state.steps) for state in states]
        return [steps for steps, _ in self._run(x, states, news)]

    def _run(
        self,
        x: Tensor,
        states: Sequence[TransformerState],
        news: Sequence[tuple[Tensor, int, int]],
    ) -> list[tuple[Tensor, TransformerState]]:
        """Return each stream's steps and next state.

        Args:
            x: (B, S, D) what is new to the first layer.
            states: before it.
            news: of each stream the frames that wait, how many of S are its own, and its end: a
                step from there on is none, or not yet.
        """
        o, right = self.options, self.options.right_steps or 0
        S = x.shape[1]
        begin = torch.tensor([state.steps for state in states], device=x.device).view(-1, 1, 1)
        end = torch.tensor([e for _, _, e in news], device=x.device).view(-1, 1, 1)
        past = torch.stack([state.attention for state in states], 2)
        inputs = torch.stack([state.inputs for state in states], 1)
        caches, waiting = [], []
        for i, block in enumerate(self._stack):
            # Each layer is `right` steps behind the one below.
            first = begin[:, 0] - i * right
            key = first + torch.arange(-past.shape[4], S, device=x.device)
            own = first + torch.arange(-right, S, device=x.device)
            mask = self._band(own[:, :S], key) & ((key >= 0) & (key < end[:, 0])).unsqueeze(1)
            cos, sin = rotary(own, self._head_width)
            seen = torch.cat((inputs[i], x), 1)
            angles = (cos.unsqueeze(1), sin.unsqueeze(1))
            x, cache = block.step(seen, angles, mask.unsqueeze(1), past[i])
            waiting.append(seen)
            caches.append(cache)
        x = self.norm(x)
        found = []
        for b, (features, n, _) in enumerate(news):
            # Copies: views would hold the memory of the whole batch.
            state = TransformerState(
                features=features,
                inputs=torch.stack([seen[b, n : n + right] for seen in waiting]),
                attention=torch.stack([c[:, b, :, n : n + past.shape[4]] for c in caches]),
                steps=states[b].steps + n,
            )
            found.append((x[b, max(0, right * o.layers - states[b].steps) : n], state))
        return found
