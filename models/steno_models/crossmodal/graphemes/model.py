"""Steps to letters: two LSTMs in both directions, and a linear layer."""

import numpy as np
import torch
from torch import Tensor, nn

from steno_models.encoders.both_ways import both_ways
from steno_models.features.cmvn import GlobalCmvn


class GraphemeModel(nn.Module):
    """Log probabilities of letters at each step.

    Args:
        features: F, numbers of a step.
        tokens: V, the blank first.
        width: of each direction.
        layers: of LSTMs.
        dropout: before each layer.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, features: int, tokens: int, *, width: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.inner = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(features, width), nn.ReLU(), nn.Dropout(dropout)
        )
        self.lstm = nn.LSTM(
            width, width, layers, batch_first=True, bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )  # fmt: skip
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, tokens))

    def normalise_by(self, cmvn: GlobalCmvn) -> None:
        """Take the mean and scale of steps from `cmvn`."""
        zero, one = (cmvn.apply(np.full((1, len(self.mean)), x, np.float32)) for x in (0.0, 1.0))
        scale = torch.from_numpy(one - zero)[0]
        self.scale.copy_(scale)
        self.mean.copy_(-torch.from_numpy(zero)[0] / scale)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, S, V) log probabilities.

        Args:
            features: (B, S, F) steps, padded at the end.
            lengths: (B,) of each.
        """
        x = self.inner((features - self.mean) * self.scale)
        steps = both_ways(self.lstm, x, lengths)
        return torch.log_softmax(self.output(steps).float(), dim=-1)
