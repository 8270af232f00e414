"""Deep and cold fusion: what a language model adds to a decoder's last hidden layer.

    hidden layer = tanh(V s + b + a),   a by the language model, 0 without one

Adding to a layer of what the decoder hears, s, is the same as giving the layer both side by side.
The language model is frozen: it is no part of the decoder's weights, which learn nothing into it,
and another one can take its place.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from steno_models.errors import ConfigError
from steno_models.fusion.language import LanguageNetwork

# A gate that is nearly closed at first leaves a trained decoder its say (Gulcehre et al. 2015, §4).
_FIRST_GATE = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionOptions:
    """How a language model is joined to a decoder.

    Attributes:
        kind: `deep` or `cold`.
        width: P, of what cold fusion projects the language model's logits to.
    """

    kind: Literal["deep", "cold"]
    width: int = 128

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(f"expected a width of 1 or more, found {self.width}")


class Fusion(nn.Module, ABC):
    """A frozen language model beside a decoder, and the layers that let it in.

    Args:
        language: the language model.
    """

    def __init__(self, language: LanguageNetwork) -> None:
        super().__init__()
        self._beside: tuple[LanguageNetwork, ...] = ()
        self.replace(language)

    @property
    def language(self) -> LanguageNetwork:
        """The language model."""
        return self._beside[0]

    def replace(self, language: LanguageNetwork) -> None:
        """Let another language model speak.

        Raises:
            ConfigError: it does not fit in.
        """
        if self._beside:
            self._check(language)
            weight = next(self.parameters())
            language = language.to(weight.device, weight.dtype)
        # In a tuple it is no submodule: not trained, not averaged, in no checkpoint.
        self._beside = (language.eval().requires_grad_(requires_grad=False),)

    def _check(self, language: LanguageNetwork) -> None:
        if language.symbols != self.language.symbols:
            raise ConfigError(
                f"expected a language model of the {len(self.language.symbols)} tokens that the "
                f"one before it has, found one of {len(language.symbols)}"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002 - as in PyTorch
        """Move the language model with all else, from device to device and type to type."""
        self.language._apply(fn, recurse)  # type: ignore[no-untyped-call]  # noqa: SLF001 - PyTorch's own way down
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def start(self, utterances: int, hypotheses: int) -> Tensor:
        """Return (B, K, …) what the language model remembers before any token."""
        first = self.language.begin()
        return first.unsqueeze(0).expand(utterances, hypotheses, *first.shape[1:])

    @torch.no_grad()
    def read(self, tokens: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states, (B, K, D), after one more of `tokens`, (B, K), and the memory."""
        hidden, after = self.language.read(tokens.long().flatten(), memory.flatten(0, 1))
        return hidden.view(*tokens.shape, -1), after.view(*tokens.shape, *after.shape[1:])

    @abstractmethod
    def forward(self, heard: Tensor, hidden: Tensor) -> Tensor:
        """Return (…, W), to be added to a hidden layer.

        Args:
            heard: (…, S) what the decoder hears itself.
            hidden: (…, D) of the language model.
        """


class DeepFusion(Fusion):
    """a = U (g h), g = σ(vᵀ h + b): one gate for the language model's hidden state h.

    U is 0 at first, so that a trained decoder begins with what it can.

    Args:
        language: the language model.
        width: W, of the hidden layer.
    """

    def __init__(self, language: LanguageNetwork, *, width: int) -> None:
        super().__init__(language)
        self.gate = nn.Linear(language.width, 1)
        self.output = nn.Linear(language.width, width, bias=False)
        nn.init.constant_(self.gate.bias, _FIRST_GATE)
        nn.init.zeros_(self.output.weight)

    def _check(self, language: LanguageNetwork) -> None:
        super()._check(language)
        if language.width != self.language.width:
            raise ConfigError(
                f"expected a language model of width {self.language.width}, found {language.width}"
            )

    def forward(self, heard: Tensor, hidden: Tensor) -> Tensor:
        """Return (…, W); what the decoder hears does not matter."""
        del heard
        found: Tensor = self.output(torch.sigmoid(self.gate(hidden)) * hidden)
        return found


class ColdFusion(Fusion):
    """a = U (g ∘ p), p = relu(P ℓ), g = σ(W [s; p] + b): a gate for each unit of p.

    ℓ are the language model's log probabilities less the highest of them (Sriram et al. 2018,
    §3.2): any language model of the tokens has such, on one scale, so that it can be replaced. One
    for which all tokens are alike adds nothing.

    Args:
        language: the language model.
        heard: S, width of what the decoder hears.
        projected: P, width of what the logits are projected to.
        width: W, of the hidden layer.
    """

    def __init__(
        self, language: LanguageNetwork, *, heard: int, projected: int, width: int
    ) -> None:
        super().__init__(language)
        self.projection = nn.Linear(len(language.symbols), projected, bias=False)
        self.gate = nn.Linear(heard + projected, projected)
        self.output = nn.Linear(projected, width, bias=False)

    def forward(self, heard: Tensor, hidden: Tensor) -> Tensor:
        """Return (…, W)."""
        log_probs = self.language.log_probs(hidden)
        said = torch.relu(self.projection(log_probs - log_probs.amax(dim=-1, keepdim=True)))
        gate = torch.sigmoid(self.gate(torch.cat((heard, said), dim=-1)))
        found: Tensor = self.output(gate * said)
        return found


def build_fusion(
    options: FusionOptions, language: LanguageNetwork, *, heard: int, width: int
) -> Fusion:
    """Return a fusion of this kind, its weights drawn by chance; see `ColdFusion` for widths."""
    match options.kind:
        case "deep":
            return DeepFusion(language, width=width)
        case "cold":
            return ColdFusion(language, heard=heard, projected=options.width, width=width)


def check_fusion(
    fusion: FusionOptions | None, language: LanguageNetwork | None, tokens: int
) -> None:
    """Check that a fusion has a language model of so many tokens, and no language model has none.

    Raises:
        ConfigError: it is otherwise.
    """
    if (fusion is None) != (language is None):
        there, lacking = ("fusion", "language model")[:: 1 if language is None else -1]
        raise ConfigError(f"expected a {lacking} where there is a {there}, found none")
    if language is not None and len(language.symbols) != tokens:
        raise ConfigError(
            f"expected a language model of {tokens} tokens, found one of {len(language.symbols)}"
        )
