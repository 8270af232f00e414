"""Encoders that need the whole utterance, behind the doors of those that stream.

A stream through one of them hears nothing until its end; then all the steps come at once.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from steno_models.encoders.protocol import AnyEncoder, Context, Encoder, Grid

Waiting: TypeAlias = tuple[Tensor, ...]
"""The frames of a stream so far, (T, F) each."""


class WholeEncoder(Encoder[Waiting]):
    """An encoder that waits for the end of the utterance.

    Attributes:
        inner: the encoder.
    """

    def __init__(self, inner: AnyEncoder) -> None:
        super().__init__()
        self.inner = inner

    @property
    def width(self) -> int:
        """D, the width of a step."""
        return self.inner.width

    @property
    def grid(self) -> Grid:
        """Where the steps lie in time."""
        return self.inner.grid

    @property
    def delay_frames(self) -> None:
        """None: a step waits for the whole utterance."""

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of layers, (B, S, D); args are those of `Encoder.forward`."""
        outputs: list[Tensor] = self.inner(features, lengths, context)
        return outputs

    def start(self, context: Context) -> Waiting:
        """Return the state of a stream that has heard nothing."""
        del context
        return ()

    def step(
        self, work: Sequence[tuple[Tensor, Waiting]], context: Context
    ) -> list[tuple[Tensor, Waiting]]:
        """Return no step of any stream, and its next state."""
        return [
            (nothing, (*state, features))
            for (features, state), nothing in zip(
                work, super().finish([state for _, state in work], context), strict=True
            )
        ]

    @torch.inference_mode()
    def finish(self, states: Sequence[Waiting], context: Context) -> list[Tensor]:
        """Return each stream's steps, (S, D): all of them."""
        found = super().finish(states, context)
        frames = {i: torch.cat(state) for i, state in enumerate(states) if state}
        ready = [i for i, x in frames.items() if self.grid.steps_of(len(x))]
        if not ready:
            return found
        lengths = self.grid.steps_of_all(torch.tensor([len(frames[i]) for i in ready]))
        features = pad_sequence([frames[i] for i in ready], batch_first=True)
        steps = self.inner(features, lengths, context)[-1]
        for b, i in enumerate(ready):
            found[i] = steps[b, : int(lengths[b])]
        return found


def for_streams(encoder: AnyEncoder) -> AnyEncoder:
    """Return `encoder`, behind the doors of one that streams if it cannot."""
    return encoder if encoder.streaming else WholeEncoder(encoder)
