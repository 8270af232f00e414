"""Models that go on token by token in shallow fusion, and what is taken away from them.

    density ratio    λ ln p_T(y) − μ ln p_S(y): S, a language model of the decoder's own training
                     texts, is taken away where T speaks (McDermott, Sak & Variani 2019)
    internal         S is what the decoder itself says without sound (Meng et al. 2021)

All are scorers as `search.fusion` has them, so that every search of labels can ask them.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steno_models.fusion.language import LanguageNetwork
from steno_models.search.fusion import Scorer, ScorerState, check_weight

END = 0

_DoubleArray = NDArray[np.float64]


class Stepwise(Protocol):
    """A model that says of one text after the other what comes next."""

    def begin(self) -> ScorerState:
        """Return what is remembered before anything was read."""

    def read(self, token: int, memory: ScorerState) -> tuple[_DoubleArray, ScorerState]:
        """Return (V,) ln p of what follows after one more `token`, and the memory."""


class LanguageSteps:
    """A language model as a stepwise one."""

    def __init__(self, language: LanguageNetwork) -> None:
        self._language = language

    def begin(self) -> Tensor:
        """Return what is remembered before anything was read."""
        return self._language.begin()

    @torch.inference_mode()
    def read(self, token: int, memory: Tensor) -> tuple[_DoubleArray, Tensor]:
        """Return (V,) ln p of what follows after one more `token`, and the memory."""
        tokens = torch.tensor([token], device=memory.device)
        hidden, after = self._language.read(tokens, memory)
        return self._language.log_probs(hidden)[0].double().cpu().numpy(), after


@dataclass(slots=True, eq=False)
class StepState:
    """A text, of which the last token is read only when somebody asks what follows.

    Attributes:
        memory: of all tokens but the last; of all of them once `log_probs` is there.
        last: the last token.
        log_probs: (V,) ln p of what follows.
    """

    memory: ScorerState
    last: int
    log_probs: _DoubleArray | None = None


class StepScorer:
    """A stepwise model as a scorer; what many texts begin with is read once.

    Args:
        model: the model.
    """

    def __init__(self, model: Stepwise) -> None:
        self._model = model

    def start(self) -> StepState:
        """Return the state at the start of a text."""
        return StepState(self._model.begin(), END)

    def advance(self, state: StepState, token: int) -> tuple[StepState, float]:
        """Return the next state and ln p(token | state)."""
        log_probs = self._read(state)
        return StepState(state.memory, token), float(log_probs[token])

    def end(self, state: StepState) -> float:
        """Return ln p(the text ends | state)."""
        return float(self._read(state)[END])

    def _read(self, state: StepState) -> _DoubleArray:
        if state.log_probs is None:
            state.log_probs, state.memory = self._model.read(state.last, state.memory)
        return state.log_probs


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityRatio:
    """Scores by one language model what another has not known already.

    Attributes:
        target: of the texts to be expected.
        source: of the texts that the decoder has learnt from, or its own.
        ratio: μ / λ, the weight of `source` where that of `target` is 1.
    """

    target: Scorer
    source: Scorer
    ratio: float

    def __post_init__(self) -> None:
        """Check the ratio."""
        check_weight("ratio", self.ratio)

    def start(self) -> tuple[ScorerState, ScorerState]:
        """Return the state at the start of a text."""
        return self.target.start(), self.source.start()

    def advance(
        self, state: tuple[ScorerState, ScorerState], token: int
    ) -> tuple[tuple[ScorerState, ScorerState], float]:
        """Return the next state and ln p_T(token | state) − ratio · ln p_S(token | state)."""
        target, wanted = self.target.advance(state[0], token)
        source, known = self.source.advance(state[1], token)
        return (target, source), wanted - self.ratio * known

    def end(self, state: tuple[ScorerState, ScorerState]) -> float:
        """Return ln p_T(the text ends | state) − ratio · ln p_S(the text ends | state)."""
        return self.target.end(state[0]) - self.ratio * self.source.end(state[1])
