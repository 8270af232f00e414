"""Small language models of tokens, to stand beside small spellers."""

import torch
from torch import Tensor, nn

from steno_models.fusion.language import LanguageNetwork


class TinyLanguage(LanguageNetwork):
    """A network of a few cells that is as sure of things as a trained one."""

    def __init__(self, tokens: int = 3, width: int = 4, seed: int = 0) -> None:
        super().__init__([f"t{i}" for i in range(tokens)], width)
        torch.manual_seed(100 + seed)
        self.embedding = nn.Embedding(tokens, width)
        self.again = nn.Linear(width, width)
        self.output = nn.Linear(width, tokens)
        with torch.no_grad():
            self.output.weight *= 4
        self.requires_grad_(requires_grad=False)

    def begin(self) -> Tensor:
        """(1, D) zeros."""
        return self.again.weight.new_zeros(1, self.width)

    def read(self, tokens: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """What is remembered is the hidden state."""
        hidden = torch.tanh(self.embedding(tokens) + self.again(memory))
        return hidden, hidden

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Of all tokens."""
        return torch.log_softmax(self.output(hidden), dim=-1)

    def of(self, text: tuple[int, ...]) -> list[float]:
        """ln p of each token of a text, and of its end."""
        memory, found = self.begin(), []
        for told, wanted in zip((0, *text), (*text, 0), strict=True):
            hidden, memory = self.read(torch.tensor([told]), memory)
            found.append(float(self.log_probs(hidden)[0, wanted]))
        return found


class Ignorant(TinyLanguage):
    """All tokens are alike to it."""

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Of all tokens."""
        shape = (*hidden.shape[:-1], len(self.symbols))
        return hidden.new_full(shape, -1.0).log_softmax(dim=-1)
