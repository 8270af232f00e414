"""A text as nodes and arcs, and what its nodes emit."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steno_models.trellis import kernels
from steno_models.types import FloatArray, IntArray

F64 = NDArray[np.float64]


class Emissions(Protocol):
    """Log-likelihoods or log posteriors of a recording, made as they are asked for."""

    def __len__(self) -> int:
        """Return T, how many frames there are."""

    def block(self, begin: int, end: int) -> FloatArray:
        """Return (end − begin, C) those of the frames [begin, end)."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Emissions that are all there already.

    Attributes:
        values: (T, C).
    """

    values: FloatArray

    def __len__(self) -> int:
        """Return T, how many frames there are."""
        return len(self.values)

    def block(self, begin: int, end: int) -> FloatArray:
        """Return (end − begin, C) those of the frames [begin, end)."""
        return self.values[begin:end]


@dataclass(frozen=True, slots=True)
class Network:
    """The nodes of a text in topological order: arcs lead from lower numbers to higher ones.

    Attributes:
        columns: (N,) int32 which column of the emissions each node has.
        loops: (N,) float64 log probability of staying.
        offsets: (N + 1,) int32; the arcs into node n are `offsets[n]:offsets[n + 1]`.
        sources: (E,) int32 the node that each arc comes from.
        arcs: (E,) float64 log probability of going that way.
        starts: (N,) float64 log probability of beginning there, −inf where impossible.
        finals: (N,) float64 log probability of ending there, −inf where impossible.
    """

    columns: IntArray
    loops: F64
    offsets: IntArray
    sources: IntArray
    arcs: F64
    starts: F64
    finals: F64

    def __len__(self) -> int:
        """Return N, the number of nodes."""
        return len(self.columns)

    @property
    def reach(self) -> int:
        """How many nodes further the longest arc leads."""
        targets = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        return int((targets - self.sources).max(initial=0))

    def least_frames(self) -> int:
        """Return how many frames the shortest way through has."""
        counts = kernels.least_frames(self.offsets, self.sources, self.starts)
        return int(counts[np.isfinite(self.finals)].min())
