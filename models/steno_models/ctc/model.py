"""The CTC model at inference: features in, log probabilities of tokens out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steno_models.encoders.conformer import Conformer, ConformerOptions, ConformerState, Context


class CtcModel(nn.Module):
    """A chunked Conformer and a linear layer to the tokens, the blank first.

    Attributes:
        encoder: the encoder.
        output: (D → V).
    """

    def __init__(self, options: ConformerOptions, tokens: int) -> None:
        super().__init__()
        self.encoder = Conformer(options)
        self.output = nn.Linear(options.width, tokens)

    def forward(self, features: Tensor, lengths: Tensor, context: Context | None = None) -> Tensor:
        """Return (B, S, V) log probabilities of whole utterances.

        Args:
            features: (B, T, F) normalised, padded at the end.
            lengths: (B,) encoder steps of each.
            context: the chunk mask; without one every step sees every other.
        """
        steps = self.encoder(features, lengths, context)[-1]
        return self.log_probs(steps)

    def log_probs(self, steps: Tensor) -> Tensor:
        """Return (…, V) log probabilities of encoder steps, (…, D)."""
        return torch.log_softmax(self.output(steps).float(), dim=-1)

    def start(self, context: Context) -> ConformerState:
        """Return the state of a stream that has heard nothing."""
        return self.encoder.start(context)

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[Tensor, ConformerState]], context: Context
    ) -> list[tuple[Tensor, ConformerState]]:
        """Return each stream's log probabilities, (S, V), of its new steps, and its next state.

        Args and errors are those of `Conformer.step`.
        """
        return [(self.log_probs(steps), state) for steps, state in self.encoder.step(work, context)]
