"""Cepstra with what a network hears beside them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from steno_models.errors import ConfigError, DataError
from steno_models.hmm.frames import normalised
from steno_models.hmm.hybrid.data import speaker_energies
from steno_models.hmm.hybrid.states import phone_of_states, step_of_frames
from steno_models.hmm.hybrid.system import HybridSystem
from steno_models.hmm.kernels import F64
from steno_models.hmm.speech import speaker_cepstra
from steno_models.hmm.topology import NUM_PHONES
from steno_models.types import FloatArray

Source = Literal["posteriors", "bottleneck"]
_LEAST_POSTERIOR = 1e-6  # of a phone: the logarithm of nothing would drown all others


@dataclass(frozen=True, slots=True)
class Projection:
    """Principal components.

    Attributes:
        mean: (F,) float64.
        matrix: (D, F) float64, orthonormal rows, the direction of most variance first.
    """

    mean: F64
    matrix: F64

    def __call__(self, features: FloatArray) -> FloatArray:
        """Return (T, D) float32 of `features`, (T, F)."""
        return np.asarray((features - self.mean) @ self.matrix.T, np.float32)

    def save(self, path: Path) -> None:
        """Write mean and matrix as one `.npz`, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, mean=self.mean, matrix=self.matrix)
        partial.replace(path)


def load_projection(path: Path) -> Projection:
    """Return what `Projection.save` wrote.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    try:
        with np.load(path) as arrays:
            return Projection(arrays["mean"], arrays["matrix"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected principal components in {path}, found {error}") from error


def principal_components(recordings: Iterable[FloatArray], width: int) -> Projection:
    """Return the `width` directions in which the frames of `recordings`, (T, F), vary most.

    Raises:
        ConfigError: there are fewer features than that.
        DataError: there are no frames.
    """
    count, sums, second = 0, np.zeros(0), np.zeros((0, 0))
    for features in recordings:
        exact = features.astype(np.float64)
        if not count:
            F = exact.shape[1]
            sums, second = np.zeros(F), np.zeros((F, F))
        count += len(exact)
        sums += exact.sum(axis=0)
        second += exact.T @ exact
    if not count:
        raise DataError("expected frames to find principal components of, found none")
    if not 1 <= width <= len(sums):
        raise ConfigError(f"expected a width of 1 to {len(sums)} components, found {width}")
    mean = sums / count
    _, directions = np.linalg.eigh(second / count - np.outer(mean, mean))
    return Projection(mean, directions[:, ::-1][:, :width].T.copy())


@dataclass(frozen=True, slots=True)
class Heard:
    """What a network makes of log-mel energies, frame by frame.

    Attributes:
        system: the network and its states.
        source: the logarithms of the phones' posteriors, or the bottleneck.
    """

    system: HybridSystem
    source: Source = "posteriors"

    def __call__(self, energies: FloatArray) -> FloatArray:
        """Return (T, F) float32 of `energies`, (T, 80), normalised by speaker.

        Where a step of the network is longer than a frame, frames have what the nearest step says.

        Raises:
            ConfigError: the bottleneck is asked for, and the network has none.
        """
        network = self.system.network
        steps = (
            network.bottleneck(energies) if self.source == "bottleneck" else self._phones(energies)
        )
        grid = network.model.encoder.grid
        return steps[step_of_frames(len(energies), len(steps), grid)]

    def _phones(self, energies: FloatArray) -> FloatArray:
        """Return (S, P) log P(phone | x)."""
        members = np.eye(NUM_PHONES, dtype=np.float32)[phone_of_states(self.system.units)]
        posteriors = np.exp(self.system.network(energies)) @ members
        return np.asarray(np.log(np.maximum(posteriors, _LEAST_POSTERIOR)))


@dataclass(frozen=True, slots=True)
class TandemFeatures:
    """From the samples of a speaker's recordings to cepstra and projected network outputs."""

    heard: Heard
    projection: Projection

    def __call__(self, recordings: Sequence[FloatArray]) -> list[FloatArray]:
        """Return (T, 13 + D) float32 of each of `recordings`, (N,) samples, all of one speaker.

        Of every feature mean and variance are 0 and 1 over all of them together.
        """
        added = [self.projection(self.heard(each)) for each in speaker_energies(recordings)]
        pairs = zip(speaker_cepstra(recordings), normalised(added), strict=True)
        return [np.concatenate(pair, axis=1) for pair in pairs]
