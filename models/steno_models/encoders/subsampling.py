"""Four-fold subsampling in time by two strided 2-D convolutions."""

from torch import Tensor, nn
from torch.nn.functional import relu

FACTOR = 4
# Encoder step s sees the frames 4s … 4s + 6, by two unpadded kernels of 3 with stride 2.
CONTEXT_FRAMES = 7


def steps_of(frames: int) -> int:
    """Return how many encoder steps `frames` complete."""
    return max(0, (frames - CONTEXT_FRAMES) // FACTOR + 1)


def steps_of_all(frames: Tensor) -> Tensor:
    """Return how many encoder steps each of `frames`, (B,), completes: `steps_of` of a batch."""
    return ((frames - CONTEXT_FRAMES) // FACTOR + 1).clamp(min=0)


class Subsampling(nn.Module):
    """Maps features, (B, T, F), to (B, S, D) with S = (T − 7) // 4 + 1."""

    def __init__(self, *, bins: int, width: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2)
        self.second = nn.Conv2d(channels, channels, 3, stride=2)
        for convolution in (self.first, self.second):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        left_bins = ((bins - 1) // 2 - 1) // 2
        self.output = nn.Linear(channels * left_bins, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, S, D); no step sees a frame outside its own seven."""
        x = relu(self.first(features.unsqueeze(1)))
        x = relu(self.second(x))
        B, C, S, F = x.shape
        out: Tensor = self.norm(self.output(x.transpose(1, 2).reshape(B, S, C * F)))
        return out
