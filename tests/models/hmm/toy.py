"""Toys whose truth is known: Gaussians whose posteriors are linear, words made of their means."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from steno_models.encoders.protocol import Context, Encoder, Grid
from steno_models.hmm.hybrid.model import Network, StateClassifier
from steno_models.hmm.hybrid.states import PhoneUnits
from steno_models.hmm.hybrid.system import HybridSystem
from steno_models.hmm.kernels import F64
from steno_models.hmm.topology import Pronunciation, utterance_graph
from steno_models.types import FloatArray, IntArray

WHOLE = Context(10_000, 0)


class PassThrough(Encoder[None]):
    """Steps that are every so-manieth frame, the middle one of those that they are about."""

    def __init__(self, width: int, grid: Grid | None = None) -> None:
        super().__init__()
        self._width = width
        self._grid = grid or Grid(1, 1)

    @property
    def width(self) -> int:
        return self._width

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def delay_frames(self) -> int:
        return 0

    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        del lengths, context
        S = self._grid.steps_of(features.shape[1])
        return [features[:, self._grid.middle_frame :: self._grid.factor][:, :S]]


def knowing(
    units: PhoneUnits, means: FloatArray, prior: F64, stays: F64, grid: Grid | None = None
) -> HybridSystem:
    """Return a hybrid that knows p(x | a) = N(x; means[a], 1) and P(a), and so P(a | x).

    ln p(x | a) + ln P(a) = m_a x − m_a² / 2 + ln P(a) + what no state changes: it is linear in x.
    """
    model = StateClassifier(PassThrough(means.shape[1], grid), units.num_states)
    with torch.no_grad():
        model.output.weight.copy_(torch.from_numpy(means))
        bias = np.log(prior) - 0.5 * (means.astype(np.float64) ** 2).sum(axis=1)
        model.output.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    model.eval().requires_grad_(requires_grad=False)
    return HybridSystem(units, Network(model, WHOLE), np.log(prior), stays)


def timed(
    rng: np.random.Generator, words: Sequence[Pronunciation], units: PhoneUnits, frames: int
) -> IntArray:
    """Return (T,) nodes of the graph of `words`, silence at both ends, nodes of random lengths."""
    graph = utterance_graph([[word] for word in words], units=units)
    last = len(graph.states) - 1
    inner = np.flatnonzero(graph.words >= 0)
    nodes = np.concatenate([[0], inner, [last]])
    return np.repeat(nodes, rng.integers(frames, 2 * frames, len(nodes))).astype(np.int32)
