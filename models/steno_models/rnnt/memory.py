"""The predictor's side of many hypotheses at once, a row for each different text."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steno_models.rnnt.model import TransducerModel


@dataclass(frozen=True, slots=True)
class Rows:
    """What a predictor knows after some texts; hypotheses name their row.

    Attributes:
        outputs: (R, J) the predictor's outputs, projected for the joiner.
        states: (R, …) the predictor's states.
        internal: (R, V) ln p(label) of the internal language model; (R, 0) where none is asked for.
    """

    outputs: Tensor
    states: Tensor
    internal: Tensor

    def __len__(self) -> int:
        """Return R."""
        return len(self.outputs)

    def take(self, rows: Sequence[int]) -> "Rows":
        """Return these of the rows."""
        at = torch.tensor(rows, dtype=torch.int64, device=self.outputs.device)
        return Rows(self.outputs[at], self.states[at], self.internal[at])


def joined(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all `parts`, one after the other."""
    return Rows(
        torch.cat([part.outputs for part in parts]),
        torch.cat([part.states for part in parts]),
        torch.cat([part.internal for part in parts]),
    )


def first_row(model: TransducerModel, *, internal: bool = False) -> Rows:
    """Return the one row of the empty text."""
    states = model.predictor.start()
    tokens = torch.zeros(1, dtype=torch.int64, device=states.device)
    return following_rows(model, states, tokens, internal=internal)


def following_rows(
    model: TransducerModel, states: Tensor, tokens: Tensor, *, internal: bool = False
) -> Rows:
    """Return the rows of texts with `states`, (R, …), after one more token each, (R,)."""
    outputs, states = model.predictor.step(tokens, states)
    outputs = model.joiner.predictor(outputs)
    known = (
        model.joiner.internal_log_probs(outputs) if internal else outputs.new_zeros(len(outputs), 0)
    )
    return Rows(outputs, states, known)
