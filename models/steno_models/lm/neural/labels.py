"""A network of subwords or characters as a language model of a recogniser's tokens."""

from collections.abc import Sequence

from torch import Tensor

from steno_models.fusion.language import LanguageNetwork
from steno_models.lm.neural.scorer import Network


class LabelNetwork(LanguageNetwork):
    """A network whose units are a recogniser's tokens.

    Args:
        network: its weights.
        symbols: of its units.
    """

    def __init__(self, network: Network, symbols: Sequence[str]) -> None:
        super().__init__(symbols, network.embedding.embedding_dim)
        self.network = network

    def begin(self) -> Tensor:
        """Return (1, …) what is remembered before anything was read."""
        return self.network.begin()

    def read(self, tokens: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states, (N, D), after one more of `tokens`, (N,), each, and the memory."""
        return self.network.read(tokens, memory)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Return (…, V) ln p of what follows hidden states, (…, D)."""
        vectors = self.network.embedding.weight
        found = self.network.softmax.all(hidden.reshape(-1, hidden.shape[-1]), vectors)
        return found.view(*hidden.shape[:-1], -1)
