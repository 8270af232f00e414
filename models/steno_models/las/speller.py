"""The speller: an LSTM that looks at the encoder's steps before each token that it writes.

    s_u = LSTM(s_{u−1}, [y_{u−1}; c_{u−1}]),   c_u, α_u = Attention(s_u, h, α_{u−1})
    p(y_u | x, y_1 … y_{u−1}) = softmax(MLP([s_u; c_u]))

(Chan et al. 2016, eq. 6–8.) The context may feed the next state, the present output, or both. Token
0, which is the blank elsewhere, stands for the start before a text and for its end after it. A
language model may read what is written and add to the layer before the output (`fusion/`).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor, nn

from steno_models.errors import ConfigError
from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion.layers import FusionOptions, build_fusion, check_fusion
from steno_models.las.attention import AttentionOptions, Memory, build_attention

END = 0


class ContextFeeds(StrEnum):
    """What hears the context of a look: the only ways in which sound comes in."""

    STATE = "state"  # the next state
    OUTPUT = "output"  # the present output (Luong et al. 2015)
    BOTH = "both"  # (Chan et al. 2016)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpellerOptions:
    """The shape of a speller.

    Attributes:
        width: W, of embeddings and cells.
        layers: how many LSTMs there are on top of each other; the top one asks.
        feeds: what the context feeds.
        attention: where it looks.
        dropout: of embeddings and of what goes into the output.
    """

    width: int = 256
    layers: int = 1
    feeds: ContextFeeds = ContextFeeds.BOTH
    attention: AttentionOptions = field(default_factory=AttentionOptions)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("width", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} of 1 or more, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class SpellerState:
    """What is carried from token to token for K hypotheses of each of B utterances.

    Attributes:
        hidden: (B, K, layers, W) outputs of the LSTMs.
        cells: (B, K, layers, W).
        contexts: (B, K, D) of the last look.
        weights: (B, K, S) of the last look.
        language: (B, K, …) what the language model remembers, where there is one.
    """

    hidden: Tensor
    cells: Tensor
    contexts: Tensor
    weights: Tensor
    language: Tensor | None = None

    def take(self, rows: Tensor) -> "SpellerState":
        """Return the state of other hypotheses, (B, K'), which go on from the ones so numbered."""
        utterances = torch.arange(len(rows), device=rows.device).unsqueeze(1)
        return SpellerState(
            self.hidden[utterances, rows],
            self.cells[utterances, rows],
            self.contexts[utterances, rows],
            self.weights[utterances, rows],
            None if self.language is None else self.language[utterances, rows],
        )


class Speller(nn.Module):
    """Writes tokens, looking at encoder steps.

    Args:
        options: its shape.
        tokens: V, the number of tokens with the end, which is token 0.
        values: D, the width of encoder steps.
        fusion: how a language model takes part.
        language: which one does.

    Raises:
        ConfigError: there is one of `fusion` and `language`, or a language model of other tokens.
    """

    def __init__(
        self,
        options: SpellerOptions,
        *,
        tokens: int,
        values: int,
        fusion: FusionOptions | None = None,
        language: LanguageNetwork | None = None,
    ) -> None:
        super().__init__()
        self.options = options
        width, feeds = options.width, options.feeds
        heard = 0 if feeds is ContextFeeds.OUTPUT else values
        said = 0 if feeds is ContextFeeds.STATE else values
        self.embedding = nn.Embedding(tokens, width)
        self.cells = nn.ModuleList(
            nn.LSTMCell(width + (0 if layer else heard), width) for layer in range(options.layers)
        )
        self.attention = build_attention(query=width, values=values, options=options.attention)
        self.hidden = nn.Linear(width + said, width)
        self.output = nn.Linear(width, tokens)
        self.dropout = nn.Dropout(options.dropout)
        check_fusion(fusion, language, tokens)
        self.fusion = (
            build_fusion(fusion, language, heard=width + said, width=width)
            if fusion is not None and language is not None
            else None
        )

    def start(self, memory: Memory, hypotheses: int = 1) -> SpellerState:
        """Return the state before any token: all zeros, which has looked once."""
        like, count = memory.values, (len(memory.values), hypotheses)
        zeros = like.new_zeros(*count, self.options.layers, self.options.width)
        contexts, weights = self.attention(
            zeros[:, :, -1], memory, self.attention.start(memory, hypotheses)
        )
        language = self.fusion.start(*count) if self.fusion is not None else None
        return SpellerState(zeros, zeros, contexts, weights, language)

    def step(
        self, tokens: Tensor, state: SpellerState, memory: Memory
    ) -> tuple[Tensor, SpellerState]:
        """Return the logits of what follows, (B, K, V), and the state after `tokens`, (B, K)."""
        heard, state = self._advance(tokens, state, memory)
        return self._logits(heard), state

    def forward(
        self, targets: Tensor, memory: Memory, *, sampling: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Return the logits before each token of given texts and at their ends, and the weights.

        Args:
            targets: (B, K, U) token ids, padded; they are what the speller is told it wrote.
            memory: of B utterances.
            sampling: the probability that a token it is told was drawn by itself instead:
                scheduled sampling (Bengio et al. 2015).

        Returns:
            (B, K, U + 1, V) and (B, K, U + 1, S).
        """
        told = nn.functional.pad(targets.long(), (1, 0), value=END)
        own = torch.rand(told.shape, device=told.device) < sampling if sampling else None
        state = self.start(memory, targets.shape[1])
        heard: list[Tensor] = []
        looks: list[Tensor] = []
        for u in range(told.shape[2]):
            tokens = told[:, :, u]
            if u and own is not None and bool(own[:, :, u].any()):
                tokens = torch.where(own[:, :, u], self._drawn(heard[-1]), tokens)
            now, state = self._advance(tokens, state, memory)
            heard.append(now)
            looks.append(state.weights)
        return self._logits(torch.stack(heard, dim=2)), torch.stack(looks, dim=2)

    def _advance(
        self, tokens: Tensor, state: SpellerState, memory: Memory
    ) -> tuple[Tensor, SpellerState]:
        """Return what the output hears, (B, K, W [+ D]), and the state after `tokens`, (B, K).

        A language model's hidden state, (B, K, D_LM), stands behind it.
        """
        feeds = self.options.feeds
        x = self.dropout(self.embedding(tokens.long()))
        if feeds is not ContextFeeds.OUTPUT:
            x = torch.cat((x, state.contexts), dim=-1)
        hidden, cells = [], []
        for layer, cell in enumerate(self.cells):
            before = (state.hidden[:, :, layer].flatten(0, 1), state.cells[:, :, layer])
            h, c = cell(x.flatten(0, 1), (before[0], before[1].flatten(0, 1)))
            x = h.unflatten(0, tokens.shape)
            hidden.append(x)
            cells.append(c.unflatten(0, tokens.shape))
        contexts, weights = self.attention(x, memory, state.weights)
        heard = x if feeds is ContextFeeds.STATE else torch.cat((x, contexts), dim=-1)
        language = state.language
        if self.fusion is not None and language is not None:
            said, language = self.fusion.read(tokens, language)
            heard = torch.cat((heard, said), dim=-1)
        after = SpellerState(
            torch.stack(hidden, 2), torch.stack(cells, 2), contexts, weights, language
        )
        return heard, after

    def _logits(self, heard: Tensor) -> Tensor:
        own = self.dropout(heard[..., : self.hidden.in_features])
        before = self.hidden(own)
        if self.fusion is not None:
            before = before + self.fusion(own, heard[..., self.hidden.in_features :])
        found: Tensor = self.output(self.dropout(torch.tanh(before)))
        return found

    @torch.no_grad()
    def _drawn(self, heard: Tensor) -> Tensor:
        """Return tokens, (B, K), drawn by what the speller thinks of them."""
        probabilities = self._logits(heard).softmax(dim=-1)
        return torch.multinomial(probabilities.flatten(0, 1), 1).view(heard.shape[:2])
