"""The recurrent network: an LSTM between two uses of the same vectors.

With single steps the memory is (K, 2, layers, H): outputs and cells of K hypotheses.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steno_models.lm.neural.softmax import TwoStepSoftmax
from steno_models.lm.recurrent.cells import NarrowCell
from steno_models.narrow import multiplies_bfloat16


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentShape:
    """The shape of the network.

    Attributes:
        width: D, of the vectors of units.
        cells: H, of each LSTM.
        layers: how many LSTMs there are on top of each other.
        shortlist: units in the first step of the softmax; the others are in classes.
        class_size: units in a class.
        dropout: of vectors and outputs, in training.
    """

    width: int = 192
    cells: int = 512
    layers: int = 1
    shortlist: int = 4000
    class_size: int = 128
    dropout: float = 0.1


class RecurrentLm(nn.Module):
    """A recurrent language model over `V` units."""

    def __init__(self, V: int, shape: RecurrentShape) -> None:
        super().__init__()
        D, H = shape.width, shape.cells
        self.embedding = nn.Embedding(V, D)
        self.lstm = nn.LSTM(D, H, shape.layers, batch_first=True)
        self.output = nn.Linear(H, D)
        self.softmax = TwoStepSoftmax(V, D, shortlist=shape.shortlist, class_size=shape.class_size)
        self.dropout = nn.Dropout(shape.dropout)
        self._narrow = nn.ModuleList()
        nn.init.normal_(self.embedding.weight, std=D**-0.5)

    def lay_out(self, *, narrow: bool | None = None) -> None:
        """Make ready for single steps of a trained network, which then take half as long.

        Matrices of 32 bits are laid out in columns: MKL reads (in, out) in its order, where of
        (out, in) it makes a copy first, which for a few hypotheses takes longer than the product.

        Args:
            narrow: whether to multiply in bfloat16, default where this processor can.
        """
        for into, back, *_ in self.lstm.all_weights:
            for weight in (into, back):
                weight.data = weight.data.t().contiguous().t()
        self.softmax.lay_out(self.embedding.weight)
        if multiplies_bfloat16() if narrow is None else narrow:
            self._narrow = nn.ModuleList(NarrowCell(list(one)) for one in self.lstm.all_weights)

    def forward(
        self, inputs: Tensor, outputs: Tensor, memory: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (B, U) ln p of `outputs` after `inputs`, (B, U) each, and (2, layers, B, H)."""
        hidden, memory = self._hidden(inputs, memory)
        found = self.softmax(hidden.flatten(0, 1), outputs.flatten(), self.embedding.weight)
        return found.view(outputs.shape), memory

    def start(self, B: int) -> Tensor:
        """Return (2, layers, B, H) before anything was read."""
        return self.output.weight.new_zeros(2, self.lstm.num_layers, B, self.lstm.hidden_size)

    def begin(self) -> Tensor:
        """Return (1, 2, layers, H) before anything was read."""
        return self.start(1).permute(2, 0, 1, 3)

    def read(self, units: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return (K, D) of the histories after one more of `units`, (K,), each, and the memory."""
        x, after = self.embedding(units), []
        # Cell by cell: for a single step the whole LSTM would first rearrange all its weights. One
        # hypothesis alone is a vector, and no matrix: for those bfloat16 is no faster.
        narrow = bool(self._narrow) and len(units) > 1
        for layer, weights in enumerate(self.lstm.all_weights):
            before = memory[:, :, layer].unbind(1)
            if narrow:
                h, c = self._narrow[layer](x, before)
            else:
                h, c = torch.lstm_cell(x, before, *weights)
            x = h
            after.append(torch.stack((h, c), dim=1))
        return self.output(x), torch.stack(after, dim=2)

    def _hidden(self, inputs: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        h, c = self.start(len(inputs)) if memory is None else memory
        vectors = self.dropout(self.embedding(inputs))
        hidden, (h, c) = self.lstm(vectors, (h, c))
        return self.dropout(self.output(hidden)), torch.stack((h, c)).float()
