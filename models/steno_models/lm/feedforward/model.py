"""The feed-forward network of the last n - 1 units."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steno_models.lm.neural.softmax import TwoStepSoftmax
from steno_models.lm.neural.units import END


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedforwardShape:
    """The shape of the network.

    Attributes:
        order: n, one more than the units that are looked at.
        width: D, of the vectors of units.
        hidden: of the tanh layer.
        shortlist: units in the first step of the softmax; the others are in classes.
        class_size: units in a class.
        dropout: of vectors and outputs, in training.
    """

    order: int = 5
    width: int = 128
    hidden: int = 512
    shortlist: int = 4000
    class_size: int = 128
    dropout: float = 0.1


class FeedforwardLm(nn.Module):
    """A feed-forward language model over `V` units."""

    def __init__(self, V: int, shape: FeedforwardShape) -> None:
        super().__init__()
        D, self._context = shape.width, shape.order - 1
        self.embedding = nn.Embedding(V, D)
        self.tanh = nn.Linear(self._context * D, shape.hidden)
        self.output = nn.Linear(shape.hidden, D)
        self.direct = nn.Linear(self._context * D, D, bias=False)
        self.softmax = TwoStepSoftmax(V, D, shortlist=shape.shortlist, class_size=shape.class_size)
        self.dropout = nn.Dropout(shape.dropout)
        nn.init.normal_(self.embedding.weight, std=D**-0.5)

    def forward(
        self, inputs: Tensor, outputs: Tensor, memory: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return (B, U) ln p of `outputs` after `inputs`, (B, U) each; it has no memory.

        Before the first input there are only ends.
        """
        seen = nn.functional.pad(inputs, (self._context - 1, 0), value=END)
        hidden = self._hidden(seen.unfold(1, self._context, 1).flatten(0, 1))
        found = self.softmax(hidden, outputs.flatten(), self.embedding.weight)
        return found.view(outputs.shape), memory

    def begin(self) -> Tensor:
        """Return (1, n - 2) units before anything was read."""
        return torch.full((1, self._context - 1), END, device=self.output.weight.device)

    def read(self, units: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return (K, D) of the histories after one more of `units`, (K,), each, and the memory."""
        seen = torch.cat((memory, units[:, None]), dim=1)
        return self._hidden(seen), seen[:, 1:]

    def _hidden(self, seen: Tensor) -> Tensor:
        """Return (N, D) of `seen`, (N, n - 1) units."""
        x = self.dropout(self.embedding(seen).flatten(1))
        out: Tensor = self.dropout(self.direct(x) + self.output(torch.tanh(self.tanh(x))))
        return out
