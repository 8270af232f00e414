"""The CTC model at inference: features in, log probabilities of tokens out."""

import torch
from torch import Tensor, nn

from steno_models.encoders.build import EncoderOptions, build_encoder
from steno_models.encoders.protocol import Context


class CtcModel(nn.Module):
    """An encoder and a linear layer to the tokens, the blank first.

    Attributes:
        encoder: the encoder.
        output: (D → V).
    """

    def __init__(self, options: EncoderOptions, tokens: int) -> None:
        super().__init__()
        self.encoder = build_encoder(options)
        self.output = nn.Linear(self.encoder.width, tokens)

    def forward(self, features: Tensor, lengths: Tensor, context: Context | None = None) -> Tensor:
        """Return (B, S, V) log probabilities of whole utterances.

        Args:
            features: (B, T, F) normalised, padded at the end.
            lengths: (B,) encoder steps of each.
            context: how far a step may look; see `Encoder.forward`.
        """
        steps = self.encoder(features, lengths, context)[-1]
        return self.log_probs(steps)

    def log_probs(self, steps: Tensor) -> Tensor:
        """Return (…, V) log probabilities of encoder steps, (…, D)."""
        return torch.log_softmax(self.output(steps).float(), dim=-1)
