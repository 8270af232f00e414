"""The chunked Conformer: whole utterances in training, chunks with explicit state when streaming.

A block is half a feed-forward, self-attention, a causal convolution and half a feed-forward
(Gulati et al. 2020, eq. 1). Everything that looks at other steps is either causal or bound to the
chunk, so a chunk never waits for more than its own frames and those of the last step's context.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, pad

from steno_models.encoders.attention import ChunkAttention, chunk_mask, rotary
from steno_models.encoders.past import Past
from steno_models.encoders.protocol import Context as Context  # noqa: PLC0414 - its old home
from steno_models.encoders.protocol import Encoder, Grid
from steno_models.encoders.subsampling import CONTEXT_FRAMES, FACTOR, Subsampling, steps_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformerOptions:
    """The shape of the encoder; defaults are those of the embedded bundle."""

    bins: int = 80
    width: int = 256
    layers: int = 8
    heads: int = 4
    feed_forward: int = 768
    kernel: int = 15
    subsampling_channels: int = 32
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class ConformerState:
    """What one stream carries from chunk to chunk.

    Attributes:
        features: (t, F) frames that no complete step has let go of yet.
        past: rotated keys and values.
        convolution: (layers, D, kernel − 1) inputs of the depthwise convolutions.
        steps: encoder steps done so far.
    """

    features: Tensor
    past: Past
    convolution: Tensor
    steps: int


class ChannelDropout(nn.Module):
    """Drops whole channels of an utterance (Gal & Ghahramani 2016), one draw for all its steps.

    Drawing a number for every element would cost more than the layer itself on a CPU.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, (B, S, D), with some of its (B, D) channels zero while training."""
        if not self.training or self.rate == 0.0:
            return x
        B, _, D = x.shape
        kept = torch.rand(B, 1, D, device=x.device) >= self.rate
        return x * (kept / (1.0 - self.rate)).to(x.dtype)


class FeedForward(nn.Sequential):
    """LayerNorm, expansion, SiLU, contraction."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, inner),
            nn.SiLU(),
            ChannelDropout(dropout),
            nn.Linear(inner, width),
        )


class CausalConvolution(nn.Module):
    """Pointwise GLU, depthwise causal convolution, LayerNorm, SiLU, pointwise.

    LayerNorm stands where the paper has BatchNorm: the same numbers for one stream and for many.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, groups=width)
        self.inner_norm = nn.LayerNorm(width)
        self.activation = nn.SiLU()
        self.output = nn.Linear(width, width)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, S, D) and the convolution's whole input, (B, D, kernel − 1 + S)."""
        gated = glu(self.expand(self.norm(x)), dim=-1).transpose(1, 2)
        seen = torch.cat((past.to(gated.dtype), gated), dim=2)
        y = self.inner_norm(self.depthwise(seen).transpose(1, 2))
        return self.output(self.dropout(self.activation(y))), seen


class ConformerBlock(nn.Module):
    """One block; `forward` serves both the whole-utterance and the streaming form."""

    def __init__(self, options: ConformerOptions) -> None:
        super().__init__()
        width, dropout = options.width, options.dropout
        self.before = FeedForward(width, options.feed_forward, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = ChunkAttention(width=width, heads=options.heads)
        self.attention_dropout = ChannelDropout(dropout)
        self.convolution = CausalConvolution(width, options.kernel, dropout)
        self.after = FeedForward(width, options.feed_forward, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,
        attend: Callable[[ChunkAttention, Tensor], Tensor],
        convolution_past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return (B, S, D) and the convolution's whole input.

        Args:
            x: (B, S, D).
            attend: calls the attention as the form has it.
            convolution_past: what came before in the convolution, (B, D, kernel − 1).
        """
        x = torch.add(x, self.before(x), alpha=0.5)
        attended = attend(self.attention, self.attention_norm(x))
        x = x + self.attention_dropout(attended)
        convolved, seen = self.convolution(x, convolution_past)
        x = x + convolved
        x = torch.add(x, self.after(x), alpha=0.5)
        return self.norm(x), seen


class Conformer(Encoder[ConformerState]):
    """Normalised features to encoder steps."""

    streaming = True
    grid = Grid(FACTOR, CONTEXT_FRAMES)
    delay_frames = 0

    def __init__(self, options: ConformerOptions) -> None:
        super().__init__()
        self.options = options
        self.subsampling = Subsampling(
            bins=options.bins, width=options.width, channels=options.subsampling_channels
        )
        self.dropout = ChannelDropout(options.dropout)
        self.blocks = nn.ModuleList(ConformerBlock(options) for _ in range(options.layers))

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self.options.width

    @property
    def head_width(self) -> int:
        """The width of one attention head."""
        return self.options.width // self.options.heads

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the output of every block, each (B, S, D), of whole utterances.

        Args:
            features: (B, T, F) normalised, padded at the end.
            lengths: (B,) encoder steps of each utterance; no step looks at one beyond them.
            context: the chunk mask; without one every step sees every other.
        """
        x = self.dropout(self.subsampling(features))
        B, S, _ = x.shape
        position = torch.arange(S, device=x.device)
        context = context or Context(max(S, 1), 0)
        mask = chunk_mask(
            S, chunk=context.chunk_steps, left=context.left_steps, device=x.device
        ) & (position < lengths.view(B, 1, 1, 1))
        angles = rotary(position, self.head_width)
        past = x.new_zeros(B, self.options.width, self.options.kernel - 1)
        attend = partial(ChunkAttention.__call__, angles=angles, mask=mask)
        outputs = []
        for block in self.blocks:
            x, _ = block(x, attend, past)
            outputs.append(x)
        return outputs

    def start(self, context: Context) -> ConformerState:
        """Return the state of a stream that has heard nothing."""
        o, like = self.options, self.subsampling.norm.weight
        return ConformerState(
            features=like.new_zeros(0, o.bins),
            past=Past.empty(
                like,
                layers=o.layers,
                heads=o.heads,
                head_width=self.head_width,
                left=context.left_steps,
            ),
            convolution=like.new_zeros(o.layers, o.width, o.kernel - 1),
            steps=0,
        )

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[Tensor, ConformerState]], context: Context
    ) -> list[tuple[Tensor, ConformerState]]:
        """Return each stream's new encoder steps, (S, D), and its next state.

        Streams are batched; what one returns does not depend on the others (to rounding).

        Args:
            work: normalised features, (T, F), with the stream's state. They and the frames kept
                in the state must complete at most one chunk; fewer steps than a chunk are the
                end of an utterance, since the next call starts a new chunk.
            context: chunk size, and the left context that the states were started with.
        """
        frames = [torch.cat((state.features, features)) for features, state in work]
        steps = [steps_of(len(x)) for x in frames]
        longest = max(steps)
        if longest > context.chunk_steps:
            raise ValueError(f"expected at most {context.chunk_steps} steps, found {longest}")
        if longest == 0:
            return [
                (x.new_zeros(0, self.options.width), replace(state, features=x))
                for x, (_, state) in zip(frames, work, strict=True)
            ]
        states = [state for _, state in work]
        pasts = [state.past.with_room(longest) for state in states]
        x, convolution = self._run_chunk(frames, steps, states, pasts)
        return [
            (
                x[i, :n],
                ConformerState(
                    features=frames[i][n * FACTOR :],
                    past=pasts[i].after(n),
                    # A copy: a view would hold the memory of the whole batch.
                    convolution=convolution[:, i, :, n : n + self.options.kernel - 1].clone(),
                    steps=states[i].steps + n,
                ),
            )
            for i, n in enumerate(steps)
        ]

    def _run_chunk(
        self,
        frames: list[Tensor],
        steps: list[int],
        states: list[ConformerState],
        pasts: list[Past],
    ) -> tuple[Tensor, Tensor]:
        """Return outputs, (B, S, D), and convolution inputs of every layer; write the pasts."""
        longest = max(steps)
        need = (longest - 1) * FACTOR + CONTEXT_FRAMES
        batch = torch.stack([pad(x[:need], (0, 0, 0, max(0, need - len(x)))) for x in frames])
        x = self.subsampling(batch)
        position = torch.arange(longest, device=x.device).unsqueeze(0)
        done = torch.tensor([state.steps for state in states], device=x.device).view(-1, 1)
        fresh = position < torch.tensor(steps, device=x.device).view(-1, 1)
        fresh = fresh.view(-1, 1, 1, longest)
        cos, sin = rotary(done + position, self.head_width)
        angles = (cos.unsqueeze(1), sin.unsqueeze(1))
        convolution = torch.stack([state.convolution for state in states], dim=1)
        inputs = []
        for layer, block in enumerate(self.blocks):
            attend = partial(
                ChunkAttention.step, angles=angles, fresh=fresh, layer=layer, pasts=pasts
            )
            x, seen = block(x, attend, convolution[layer])
            inputs.append(seen)
        return x, torch.stack(inputs)
