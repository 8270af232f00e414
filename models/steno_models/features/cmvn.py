"""Mean and variance normalisation of features, global and over a sliding window.

A microphone or a room adds a constant to log spectra and cepstra; taking the mean away takes the
constant away (Atal 1974), and dividing by the standard deviation evens out levels (Viikki &
Laurila 1998). Both forms rest on three sums, sum 1, sum x and sum x^2, kept as `CmvnStats`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steno_models.errors import DataError
from steno_models.types import FloatArray

Float64Array = NDArray[np.float64]

# A dimension that never changes (digital silence) has variance 0: rounding must not be blown up.
_VARIANCE_FLOOR = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class CmvnStats:
    """The sums that mean and variance are made of.

    Attributes:
        frames: how many frames were added, or their summed weights.
        sums: (F,) float64, the sum of the frames.
        squares: (F,) float64, the sum of the frames' squares.
    """

    frames: float
    sums: Float64Array
    squares: Float64Array

    @classmethod
    def of(cls, features: FloatArray) -> Self:
        """Return the sums over `features`, (T, F)."""
        exact = features.astype(np.float64)
        return cls(len(exact), exact.sum(axis=0), (exact**2).sum(axis=0))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.frames + other.frames, self.sums + other.sums, self.squares + other.squares
        )


@dataclass(frozen=True, slots=True, eq=False)
class GlobalCmvn:
    """One mean and one inverse standard deviation for every recording, both (F,) float32."""

    mean: FloatArray
    istd: FloatArray

    @classmethod
    def from_stats(cls, stats: CmvnStats) -> Self:
        """Return the normalisation that `stats`, of at least one frame, ask for."""
        if stats.frames <= 0:
            raise DataError("expected at least one frame to normalise by, found none")
        mean = stats.sums / stats.frames
        variance = np.maximum(stats.squares / stats.frames - mean**2, _VARIANCE_FLOOR)
        return cls(mean.astype(np.float32), (variance**-0.5).astype(np.float32))

    @classmethod
    def accumulate(cls, recordings: Iterable[FloatArray]) -> Self:
        """Return the normalisation over all frames of `recordings`, each (T, F)."""
        stats = None
        for features in recordings:
            new = CmvnStats.of(features)
            stats = new if stats is None else stats + new
        if stats is None:
            raise DataError("expected at least one recording to normalise by, found none")
        return cls.from_stats(stats)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote to `path`."""
        try:
            arrays = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DataError(f"expected a safetensors file at {path}, found: {error}") from error
        if set(arrays) != {"mean", "istd"} or arrays["mean"].shape != arrays["istd"].shape:
            found = {name: array.shape for name, array in sorted(arrays.items())}
            raise DataError(f"expected mean and istd of one shape in {path}, found {found}")
        return cls(arrays["mean"], arrays["istd"])

    def save(self, path: Path) -> None:
        """Write mean and inverse standard deviation to `path` as safetensors."""
        save_file({"mean": self.mean, "istd": self.istd}, path)

    def apply(self, features: FloatArray) -> FloatArray:
        """Return `features`, (T, F), with mean 0 and variance 1 over the training data."""
        return (features - self.mean) * self.istd


@dataclass(frozen=True, slots=True, eq=False)
class CmvnState:
    """What the sliding window holds between two calls: a value, never changed.

    Attributes:
        recent: (min(frames so far, window), F) the frames inside the window.
        stats: the sums over `recent`.
    """

    recent: FloatArray
    stats: CmvnStats


@dataclass(frozen=True, slots=True, eq=False)
class StreamingCmvn:
    """Normalisation by the last frames alone, so that it follows the speaker and the room.

    Frame t is normalised by the statistics of the `window_frames` frames up to and with itself.
    While fewer have been heard, up to `prior_frames` frames' worth of `prior` (global statistics)
    fill the gap, as in Kaldi's online CMVN.

    Attributes:
        prior: statistics of the training data.
        window_frames: length of the window.
        prior_frames: the most that the prior may count for.
        with_variance: whether to divide by the standard deviation as well.
    """

    prior: CmvnStats
    window_frames: int = 600
    prior_frames: int = 200
    with_variance: bool = True

    def start(self) -> CmvnState:
        """Return the state of a stream of which nothing has been heard."""
        bins = len(self.prior.sums)
        nothing = CmvnStats(0, np.zeros(bins), np.zeros(bins))
        return CmvnState(np.zeros((0, bins), np.float32), nothing)

    def apply(self, features: FloatArray, state: CmvnState) -> tuple[FloatArray, CmvnState]:
        """Return `features`, (T, F), normalised, and the state after them."""
        T = len(features)
        if T == 0:
            return features, state
        known = np.concatenate([state.recent, features])
        counts = np.minimum(len(state.recent) + np.arange(1, T + 1), self.window_frames)
        sums = self._sliding(known, state.stats.sums, T)
        squares = self._sliding(known.astype(np.float64) ** 2, state.stats.squares, T)
        recent = known[-self.window_frames :]
        after = CmvnState(recent, CmvnStats(len(recent), sums[-1], squares[-1]))
        return self._normalise(features, counts, (sums, squares)), after

    def _sliding(
        self, known: FloatArray | Float64Array, before: Float64Array, T: int
    ) -> Float64Array:
        """Return the sums over the window after each of the last `T` frames of `known`, (T, F)."""
        steps = known[-T:].astype(np.float64)
        leaving = known[: max(len(known) - self.window_frames, 0)]
        steps[T - len(leaving) :] -= leaving
        # A running sum adds in the order of time, so no chunking can change its rounding.
        return np.cumsum(np.concatenate([before[None], steps]), axis=0)[1:]

    def _normalise(
        self,
        features: FloatArray,
        counts: NDArray[np.int64],
        sums: tuple[Float64Array, Float64Array],
    ) -> FloatArray:
        borrowed = np.minimum(self.window_frames - counts, self.prior_frames)[:, None]
        share = borrowed / max(self.prior.frames, 1)
        frames = counts[:, None] + share * self.prior.frames
        mean = (sums[0] + share * self.prior.sums) / frames
        centred = features - mean
        if self.with_variance:
            variance = (sums[1] + share * self.prior.squares) / frames - mean**2
            centred /= np.sqrt(np.maximum(variance, _VARIANCE_FLOOR))
        return centred.astype(np.float32)
