"""Where the speller looks: four attentions over the steps of an encoder.

    α_u = softmax_s(e(q_u, h_s, α_{u−1})),   c_u = Σ_s α_us h_s

with a query q of the speller's state, H steps h, and the energy e of the kind of attention. All
work for K hypotheses of an utterance at a time, which share its steps.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from steno_models.errors import ConfigError

_FOUND_BACK = 1e-4
"""The weight of a step, beside that of those ahead, wherever the one before looked."""


class AttentionKind(StrEnum):
    """What an energy is made of."""

    DOT = "dot"  # likeness of query and step
    ADDITIVE = "additive"  # a network of both
    LOCATION = "location"  # … that also sees where it looked before
    FORWARD = "forward"  # … that goes on from there


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionOptions:
    """The shape of an attention.

    Attributes:
        kind: what energies are made of.
        width: A, of what queries and steps are projected to.
        channels: of the convolution over the weights before, for `location`.
        kernel: of that convolution, in steps, an odd number; for `forward`, how far it may go.
    """

    kind: AttentionKind = AttentionKind.LOCATION
    width: int = 128
    channels: int = 10
    kernel: int = 31

    def __post_init__(self) -> None:
        for name in ("width", "channels", "kernel"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} of 1 or more, found {getattr(self, name)}")
        if self.kernel % 2 == 0:
            raise ConfigError(f"expected an odd kernel, with a middle, found {self.kernel}")


@dataclass(frozen=True, slots=True)
class Memory:
    """What there is to look at.

    Attributes:
        values: (B, S, D) encoder steps.
        keys: (B, S, A) what is compared with queries.
        mask: (B, S) whether a step belongs to its utterance.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor


class Attention(nn.Module, ABC):
    """One look: from queries and the weights before to contexts and the weights now.

    Args:
        query: width of the queries.
        values: D, width of the encoder steps.
        options: its shape.
    """

    def __init__(self, *, query: int, values: int, options: AttentionOptions) -> None:
        super().__init__()
        self.query = nn.Linear(query, options.width)
        self.key = nn.Linear(values, options.width, bias=False)

    def memory(self, encoded: Tensor, lengths: Tensor) -> Memory:
        """Return what is looked at of encoder steps, (B, S, D), of which each has (B,) `lengths`.

        An utterance without a step looks at the first one of its padding.
        """
        place = torch.arange(encoded.shape[1], device=encoded.device)
        mask = place < lengths.to(encoded.device).clamp(min=1).unsqueeze(1)
        return Memory(encoded, self.key(encoded), mask)

    def start(self, memory: Memory, hypotheses: int = 1) -> Tensor:
        """Return the weights before the first look, (B, K, S): the same for all steps."""
        even = memory.mask.to(memory.values.dtype)
        even = even / even.sum(1, keepdim=True)
        return even.unsqueeze(1).expand(-1, hypotheses, -1)

    def forward(self, queries: Tensor, memory: Memory, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Return contexts, (B, K, D), and weights, (B, K, S), which sum to 1.

        Args:
            queries: (B, K, Q).
            memory: of B utterances.
            previous: (B, K, S) the weights of the look before.
        """
        energies = self.energies(self.query(queries), memory.keys, previous)
        weights = energies.masked_fill(~memory.mask.unsqueeze(1), -torch.inf).softmax(dim=-1)
        return weights @ memory.values, weights

    @abstractmethod
    def energies(self, queries: Tensor, keys: Tensor, previous: Tensor) -> Tensor:
        """Return (B, K, S) of projected queries, (B, K, A), keys, (B, S, A), and `previous`."""


class DotAttention(Attention):
    """e = (W q) · (V h) / √A: Chan et al. (2016, eq. 9), scaled as in Vaswani et al. (2017)."""

    def energies(self, queries: Tensor, keys: Tensor, previous: Tensor) -> Tensor:
        """Return (B, K, S); the weights before do not matter."""
        del previous
        found: Tensor = queries @ keys.transpose(1, 2) / keys.shape[-1] ** 0.5
        return found


class AdditiveAttention(Attention):
    """e = wᵀ tanh(W q + V h + b) (Bahdanau et al. 2015, A.1.2)."""

    def __init__(self, *, query: int, values: int, options: AttentionOptions) -> None:
        super().__init__(query=query, values=values, options=options)
        self.score = nn.Linear(options.width, 1, bias=False)

    def energies(self, queries: Tensor, keys: Tensor, previous: Tensor) -> Tensor:
        """Return (B, K, S); the weights before do not matter."""
        del previous
        return self._scored(queries.unsqueeze(2) + keys.unsqueeze(1))

    def _scored(self, hidden: Tensor) -> Tensor:
        found: Tensor = self.score(torch.tanh(hidden)).squeeze(-1)
        return found


class LocationAttention(AdditiveAttention):
    """e = wᵀ tanh(W q + V h + U f + b), f = F ∗ α_{u−1} (Chorowski et al. 2015, eq. 8–9)."""

    def __init__(self, *, query: int, values: int, options: AttentionOptions) -> None:
        super().__init__(query=query, values=values, options=options)
        self.convolution = nn.Conv1d(
            1, options.channels, options.kernel, padding=options.kernel // 2, bias=False
        )
        self.location = nn.Linear(options.channels, options.width, bias=False)

    def energies(self, queries: Tensor, keys: Tensor, previous: Tensor) -> Tensor:
        """Return (B, K, S)."""
        seen = self.convolution(previous.flatten(0, 1).unsqueeze(1)).transpose(1, 2)
        located = self.location(seen).unflatten(0, previous.shape[:2])
        return self._scored(queries.unsqueeze(2) + keys.unsqueeze(1) + located)


class ForwardAttention(AdditiveAttention):
    """α_u ∝ exp(wᵀ tanh(W q + V h + b)) · (k ∗ α_{u−1} + ε): forward attention.

    It goes on from where it looked before, by 0 to K − 1 steps, of which k says how likely each is;
    ε lets it find back. In Zhang et al. (2018, arXiv:1807.06736) it goes by 0 or 1, which is for
    spoken frames of written tokens. It moves on before it has learnt anything: that speech is in
    order need not be found out.
    """

    def __init__(self, *, query: int, values: int, options: AttentionOptions) -> None:
        super().__init__(query=query, values=values, options=options)
        self.going = nn.Parameter(torch.zeros(options.kernel))

    def start(self, memory: Memory, hypotheses: int = 1) -> Tensor:
        """Return the weights before the first look, (B, K, S): all on the first step."""
        first = torch.zeros_like(memory.mask, dtype=memory.values.dtype)
        first[:, 0] = 1.0
        return first.unsqueeze(1).expand(-1, hypotheses, -1)

    def energies(self, queries: Tensor, keys: Tensor, previous: Tensor) -> Tensor:
        """Return (B, K, S)."""
        kernel = self.going.softmax(dim=0).flip(0).view(1, 1, -1)  # of a correlation
        before = pad(previous.flatten(0, 1).unsqueeze(1), (len(self.going) - 1, 0))
        reached = conv1d(before, kernel).view(previous.shape)
        return super().energies(queries, keys, previous) + torch.log(reached + _FOUND_BACK)


def build_attention(*, query: int, values: int, options: AttentionOptions) -> Attention:
    """Return an attention of this kind, its weights drawn by chance."""
    match options.kind:
        case AttentionKind.DOT:
            return DotAttention(query=query, values=values, options=options)
        case AttentionKind.ADDITIVE:
            return AdditiveAttention(query=query, values=values, options=options)
        case AttentionKind.LOCATION:
            return LocationAttention(query=query, values=values, options=options)
        case AttentionKind.FORWARD:
            return ForwardAttention(query=query, values=values, options=options)
