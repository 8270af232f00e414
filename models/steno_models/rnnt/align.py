"""Where a text is in a transducer's lattice: its best path, and all of them together.

    v(t, u) = max( v(t−1, u) + ln ∅(t−1, u),  v(t, u−1) + ln y(t, u−1) )

The occupancies come from the sweeps of the loss: a path that comes to a cell leaves it by one of
its two arcs, so the cell's occupancy is the sum of theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from steno_models.encoders.protocol import Context
from steno_models.errors import DataError
from steno_models.rnnt.loss import Lattice, occupancy
from steno_models.rnnt.model import TransducerModel
from steno_models.types import FloatArray, IntArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LatticeWays:
    """A text in the lattice of one utterance.

    Attributes:
        log_score: ln p(text | x), summed over all paths.
        log_occupancy: (S, U + 1) float64 ln p(a path visits step s with u labels out | text, x).
        best_log_score: of the best path.
        emitted: (U,) int32 the step at which the best path emits each label.
    """

    log_score: float
    log_occupancy: F64
    best_log_score: float
    emitted: IntArray


@torch.inference_mode()
def text_lattice(
    model: TransducerModel, features: FloatArray, tokens: Sequence[int], context: Context
) -> Lattice:
    """Return the arcs of `tokens` in one utterance, a batch of one.

    Args:
        model: in evaluation mode.
        features: (T, F) normalised as in training.
        tokens: U ids of what is said.
        context: how far an encoder step may look.

    Raises:
        DataError: the utterance is too short for an encoder step.
    """
    steps = model.encoder.grid.steps_of(len(features))
    if steps < 1:
        raise DataError(f"expected sound for an encoder step, found {len(features)} frames")
    targets = torch.tensor(tokens, dtype=torch.int64).view(1, -1)
    frames = torch.from_numpy(features).unsqueeze(0)
    lengths = torch.tensor([steps])
    logits = model(frames, lengths, targets, context)[:, :steps]
    log_probs = torch.log_softmax(logits.double(), dim=-1)
    following = torch.nn.functional.pad(targets, (0, 1))
    index = following.view(1, 1, -1, 1).expand(1, steps, -1, 1)
    label = log_probs.gather(-1, index).squeeze(-1)
    return Lattice(log_probs[..., 0], label, lengths, torch.tensor([len(tokens)]))


def ways(lattice: Lattice) -> LatticeWays:
    """Return all paths and the best one of `lattice`, a batch of one."""
    found = occupancy(lattice)
    visited = (found.blank + found.label)[0].numpy().astype(np.float64)
    best, emitted = _best(lattice.blank[0].numpy(), lattice.label[0].numpy())
    with np.errstate(divide="ignore"):
        return LatticeWays(-float(found.losses[0]), np.log(visited), best, emitted)


def _best(blank: F64, label: F64) -> tuple[float, IntArray]:
    """Return the best path's log score and the step of each label; both args are (S, U + 1)."""
    S, columns = blank.shape
    score = np.full((S, columns), -np.inf)
    score[0, 0] = 0.0
    for s in range(S):
        if s > 0:
            score[s] = score[s - 1] + blank[s - 1]
        for u in range(1, columns):
            score[s, u] = max(score[s, u], score[s, u - 1] + label[s, u - 1])
    emitted = np.zeros(columns - 1, np.int32)
    s, u = S - 1, columns - 1
    while u > 0:
        if s > 0 and score[s, u] == score[s - 1, u] + blank[s - 1, u]:
            s -= 1
        else:
            u -= 1
            emitted[u] = s
    return float(score[-1, -1] + blank[-1, -1]), emitted
