"""The predictor: what the labels so far say about the next one.

Both kinds keep their state as a tensor whose first axis is that of the hypotheses, so that states
of many hypotheses and streams are stacked, chosen and batched alike. The blank's number, 0, stands
for the start.
"""

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

Cell = Literal["lstm", "gru"]


class Predictor(Protocol):
    """What search and training ask of a predictor.

    Attributes:
        width: D, of its outputs.
    """

    width: int

    def __call__(self, targets: Tensor) -> Tensor:
        """Return (B, U + 1, D) after 0 … U labels of `targets`, (B, U)."""

    def start(self) -> Tensor:
        """Return the state before the start, (1, …)."""

    def step(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs, (K, D), and states after one more token each, (K,)."""


class RecurrentPredictor(nn.Module):
    """An embedding and an LSTM (Graves 2012, its units those of Graves et al. 2013) or GRU.

    A state is (K, 2, layers, D), outputs and cells, of an LSTM; (K, 1, layers, D), outputs alone,
    of a GRU (Cho et al. 2014), which has a quarter fewer weights.

    Args:
        tokens: V, the number of tokens with the blank.
        width: D, of embedding, cells and outputs.
        layers: how many of them there are on top of each other.
        cell: `lstm` or `gru`.
        dropout: of embeddings and outputs.
    """

    cells: nn.LSTM | nn.GRU

    def __init__(
        self,
        tokens: int,
        width: int,
        *,
        layers: int = 1,
        cell: Cell = "lstm",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(tokens, width)
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.cells = kind(width, width, layers, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, targets: Tensor) -> Tensor:
        """Return (B, U + 1, D) after 0 … U labels of `targets`, (B, U)."""
        tokens = nn.functional.pad(targets.long(), (1, 0))
        hidden, _ = self.cells(self.dropout(self.embedding(tokens)))
        out: Tensor = self.dropout(self.norm(hidden))
        return out

    def start(self) -> Tensor:
        """Return the state before the start, (1, 2 or 1, layers, D)."""
        parts = 2 if isinstance(self.cells, nn.LSTM) else 1
        return self.embedding.weight.new_zeros(1, parts, self.cells.num_layers, self.width)

    def step(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs, (K, D), and states after one more token each, (K,)."""
        before = states.permute(1, 2, 0, 3).contiguous().unbind(0)
        embedded = self.embedding(tokens.long()).unsqueeze(1)
        if isinstance(self.cells, nn.LSTM):
            out, after = self.cells(embedded, before)
        else:
            out, hidden = self.cells(embedded, before[0])
            after = (hidden,)
        return self.norm(out.squeeze(1)), torch.stack(after).permute(2, 0, 1, 3)


class StatelessPredictor(nn.Module):
    """Embeddings of the last few labels under a depthwise convolution (Ghodsi et al. 2020).

    A state is (K, context − 1): the last labels, so hypotheses that end alike are alike.

    Args:
        tokens: V, the number of tokens with the blank.
        width: D, of embedding and outputs.
        context: how many labels it sees.
        dropout: of embeddings.
    """

    def __init__(self, tokens: int, width: int, *, context: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.context = context
        self.embedding = nn.Embedding(tokens, width)
        self.convolution = nn.Conv1d(width, width, context, groups=width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, targets: Tensor) -> Tensor:
        """Return (B, U + 1, D) after 0 … U labels of `targets`, (B, U)."""
        return self._seen(nn.functional.pad(targets.long(), (self.context, 0)))

    def start(self) -> Tensor:
        """Return the state before the start, (1, context − 1)."""
        device = self.embedding.weight.device
        return torch.zeros(1, self.context - 1, dtype=torch.int64, device=device)

    def step(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs, (K, D), and states after one more token each, (K,)."""
        seen = torch.cat((states, tokens.long().unsqueeze(1)), dim=1)
        return self._seen(seen).squeeze(1), seen[:, 1:]

    def _seen(self, tokens: Tensor) -> Tensor:
        """Return (B, N − context + 1, D) of `tokens`, (B, N)."""
        embedded = self.dropout(self.embedding(tokens)).transpose(1, 2)
        out: Tensor = self.norm(nn.functional.silu(self.convolution(embedded).transpose(1, 2)))
        return out
