"""Greedy search: the likeliest token, again and again until it is the blank; many streams at once.

A stream's state is a value: nothing is kept between calls, and streams may come and go.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from steno_models.errors import ConfigError
from steno_models.rnnt.hypothesis import Token
from steno_models.rnnt.memory import Rows, first_row, following_rows, joined
from steno_models.rnnt.model import TransducerModel


@dataclass(frozen=True, slots=True, eq=False)
class GreedyState:
    """Where a stream stands.

    Attributes:
        step: how many encoder steps it has seen.
        tokens: what was emitted.
        row: the predictor's side of it, one row.
    """

    step: int
    tokens: tuple[Token, ...]
    row: Rows


class GreedySearch:
    """Takes the likeliest token at each place of the lattice.

    Args:
        model: the transducer.
        max_symbols: most labels at one encoder step.
    """

    def __init__(self, model: TransducerModel, *, max_symbols: int = 3) -> None:
        if max_symbols < 1:
            raise ConfigError(f"expected max_symbols of 1 or more, found {max_symbols}")
        self._model = model
        self._max_symbols = max_symbols

    @torch.inference_mode()
    def start(self) -> GreedyState:
        """Return the state before the first step."""
        return GreedyState(0, (), first_row(self._model))

    @torch.inference_mode()
    def step(self, work: Sequence[tuple[Tensor, GreedyState]]) -> list[GreedyState]:
        """Return each stream's state after its new encoder steps, (S, D), any S."""
        if not work:
            return []
        lengths = [len(steps) for steps, _ in work]
        encoded = self._model.joiner.encoder(pad_sequence([x for x, _ in work], batch_first=True))
        rows = joined([state.row for _, state in work])
        outputs, states = rows.outputs.clone(), rows.states.clone()
        found: list[list[Token]] = [[] for _ in work]
        for t in range(max(lengths)):
            streams = [i for i, S in enumerate(lengths) if t < S]
            for _ in range(self._max_symbols):
                log_probs = self._log_probs(encoded[streams, t], outputs[streams])
                best, tokens = log_probs.max(-1)
                chosen = tokens.tolist()
                spoken = [k for k, token in enumerate(chosen) if token]
                if not spoken:
                    break
                for k in spoken:
                    at = work[streams[k]][1].step + t
                    found[streams[k]].append(Token(chosen[k], at, float(best[k])))
                tokens, streams = tokens[spoken], [streams[k] for k in spoken]
                after = following_rows(self._model, states[streams], tokens)
                outputs[streams], states[streams] = after.outputs, after.states
        return [
            GreedyState(
                state.step + lengths[i],
                state.tokens + tuple(found[i]),
                Rows(outputs[i : i + 1], states[i : i + 1], state.row.internal),
            )
            for i, (_, state) in enumerate(work)
        ]

    def _log_probs(self, encoded: Tensor, outputs: Tensor) -> Tensor:
        """Return (K, V) ln p(token) of projected steps and outputs, (K, J) each."""
        return torch.log_softmax(self._model.joiner(encoded, outputs).float(), dim=-1)
