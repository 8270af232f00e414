"""The best path in bounded memory: a beam over positions, decisions made again from checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.trellis import kernels
from steno_models.trellis.network import F64, Emissions, Network
from steno_models.types import IntArray

BLOCK_FRAMES = 1000
EXACT_CELLS = 10**9
"""Up to so many pairs of frames and nodes nothing is left out: some seconds of computing."""

WIDER = 8.0  # the beam grows by this factor where no path was left at the end

Tick = Callable[[int], None]


def unheard(frames: int) -> None:
    """Say nothing of `frames`."""


@dataclass(frozen=True, slots=True)
class Way:
    """A path through a network.

    Attributes:
        nodes: (T,) int32 the node of each frame.
        log_score: its total.
    """

    nodes: IntArray
    log_score: float


def best_way(network: Network, emissions: Emissions, *, beam: float, tick: Tick = unheard) -> Way:
    """Return the best path of `emissions` through `network`.

    Args:
        network: of the text.
        emissions: of the recording.
        beam: nats below the frame's best beyond which nodes at either end of the text are given
            up; it does not count where all pairs of frames and nodes are few (`EXACT_CELLS`), and
            grows where no path was left.
        tick: is called with numbers of frames; they add up to twice T.

    Raises:
        DataError: the network needs more frames than there are.
    """
    T, least = len(emissions), network.least_frames()
    if least > T:
        raise DataError(f"expected at least {least} frames for the text, found {T}")
    width = np.inf if T * len(network) <= EXACT_CELLS else beam
    while True:
        sweep = _Sweep(network, emissions, width)
        node, log_score = sweep.forward(tick)
        if np.isfinite(log_score):
            return Way(sweep.backward(node, tick), log_score)
        if not np.isfinite(width):
            raise DataError(f"expected a path through the {T} frames, found none that is possible")
        tick(-T)
        width = width * WIDER if width < WIDER**4 * beam else np.inf


class _Sweep:
    """One try with one beam."""

    def __init__(self, network: Network, emissions: Emissions, beam: float) -> None:
        self._network = network
        self._emissions = emissions
        self._beam = beam
        self._begins = range(1, len(emissions), BLOCK_FRAMES)
        self._lows = np.zeros(len(emissions), np.int32)
        self._highs = np.zeros(len(emissions), np.int32)
        self._checkpoints: list[F64] = []  # the window's scores before each block

    def forward(self, tick: Tick) -> tuple[int, float]:
        """Return the best last node and the log score of the best path, −inf where none is."""
        net, T = self._network, len(self._emissions)
        score, spare = net.starts + self._emissions.block(0, 1)[0, net.columns], np.empty(len(net))
        possible = np.flatnonzero(score > -np.inf)
        self._lows[0], self._highs[0] = possible[0], possible[-1] + 1
        links = (net.columns, net.loops, net.offsets, net.sources, net.arcs)
        reach = net.reach
        for begin in self._begins:
            block = self._emissions.block(begin, min(T, begin + BLOCK_FRAMES))
            here = slice(begin - 1, begin + len(block))
            lows, highs = self._lows[here], self._highs[here]
            self._checkpoints.append(score[lows[0] : highs[0]].copy())
            kernels.sweep(block, *links, score, spare, lows, highs, self._beam, reach)
            tick(len(block))
        tick(1)
        low, high = self._lows[-1], self._highs[-1]
        if low == high:
            return 0, -np.inf
        ends = score[low:high] + net.finals[low:high]
        return int(low + ends.argmax()), float(ends.max())

    def backward(self, node: int, tick: Tick) -> IntArray:
        """Return (T,) the best path that ends in `node`."""
        net, T = self._network, len(self._emissions)
        links = (net.columns, net.loops, net.offsets, net.sources, net.arcs)
        path = np.full(T, node, np.int32)
        score, spare = np.empty(len(net)), np.empty(len(net))
        for begin, checkpoint in zip(
            reversed(self._begins), reversed(self._checkpoints), strict=True
        ):
            block = self._emissions.block(begin, min(T, begin + BLOCK_FRAMES))
            here = slice(begin - 1, begin + len(block))
            lows, highs = self._lows[here], self._highs[here]
            score[lows[0] : highs[0]] = checkpoint
            path[here] = kernels.retrace(
                block, *links, score, spare, lows, highs, int(path[here][-1])
            )
            tick(len(block))
        tick(1)
        return path
