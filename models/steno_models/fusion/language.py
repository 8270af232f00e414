"""What a language model must answer to be joined to a decoder of the same tokens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from torch import Tensor, nn


class LanguageNetwork(nn.Module, ABC):
    """A trained language model of a decoder's tokens; token 0 begins and ends a text.

    What it remembers is a tensor whose first axis is that of the hypotheses.

    Args:
        symbols: of its V tokens.
        width: D, of its hidden states.
    """

    def __init__(self, symbols: Sequence[str], width: int) -> None:
        super().__init__()
        self.symbols = tuple(symbols)
        self.width = width

    @abstractmethod
    def begin(self) -> Tensor:
        """Return (1, …) what is remembered before anything was read."""

    @abstractmethod
    def read(self, tokens: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states, (N, D), after one more of `tokens`, (N,), each, and the memory."""

    @abstractmethod
    def log_probs(self, hidden: Tensor) -> Tensor:
        """Return (…, V) ln p of what follows hidden states, (…, D)."""


OpenLanguage: TypeAlias = Callable[[Path, Sequence[str]], LanguageNetwork]
"""Opens the language model at a path, which must be one of the tokens with these symbols."""
