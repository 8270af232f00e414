"""The stage of the subspace GMM, and its model as a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.config import Sgmm
from steno_models.hmm.course import Report
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.kernels import F64
from steno_models.hmm.sgmm import Pool, SubspaceGmm, first_subspace
from steno_models.hmm.sgmm_train import ROUND, pool_of, subspace_round
from steno_models.hmm.speech import Recording
from steno_models.hmm.stages import Trained
from steno_models.hmm.topology import Monophones, Units
from steno_models.hmm.train import by_state
from steno_models.hmm.tree import TiedStates
from steno_models.types import FloatArray

POOL_FRAMES = 200_000  # so many are enough to train the pool on
_PARTS = ("vectors", "projections", "weights", "covariances")
_POOL = ("log_weights", "means", "covariances")


@dataclass(frozen=True, slots=True)
class SubspaceSystem:
    """States that emit from a subspace GMM, and the frames that they emit.

    Attributes:
        table: see `TiedStates`.
        gmm: the emissions.
        stay_probs: (S,) probability of each state's self loop.
        front_end: what the states emit.
    """

    table: TiedStates
    gmm: SubspaceGmm
    stay_probs: F64
    front_end: FrontEnd

    @property
    def units(self) -> Units:
        """The states of the phones in context."""
        return self.table

    def log_likelihoods(self, frames: FloatArray) -> FloatArray:
        """Return (T, S) float32 log-likelihoods of all states for `frames`, (T, D)."""
        return self.gmm.log_likelihoods(frames, np.arange(self.gmm.num_states, dtype=np.int32))

    def save(self, path: Path) -> None:
        """Write the system as one `.npz` file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(self.gmm, name) for name in _PARTS}
        arrays |= {f"pool_{name}": getattr(self.gmm.pool, name) for name in _POOL}
        arrays |= {"table": self.table.table, "stay_probs": self.stay_probs}
        if self.front_end.matrix is not None:
            arrays["matrix"] = self.front_end.matrix
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        partial.replace(path)


def load_subspace_system(path: Path) -> SubspaceSystem:
    """Return the system that `SubspaceSystem.save` wrote.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    try:
        with np.load(path) as arrays:
            pool = Pool(*(arrays[f"pool_{name}"] for name in _POOL))
            return SubspaceSystem(
                TiedStates(arrays["table"]),
                SubspaceGmm(pool, *(arrays[name] for name in _PARTS)),
                arrays["stay_probs"],
                FrontEnd(arrays.get("matrix")),
            )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected a subspace GMM in {path}, found {error}") from error


def train_subspace(
    speech: Sequence[Recording], before: Trained, options: Sgmm, report: Report
) -> SubspaceSystem:
    """Return a subspace GMM of the states of `before`, on its features and alignments."""
    system = before.system
    units = system.units
    if isinstance(units, Monophones):
        raise DataError("expected states of triphones for a subspace GMM, found those of phones")
    frames = np.concatenate([system.front_end(recording.cepstra) for recording in speech])
    states = np.concatenate(
        [r.graph(units).states[path] for r, path in zip(speech, before.paths, strict=True)]
    )
    every = max(1, len(frames) // POOL_FRAMES)
    pool = pool_of(system.model.gmm, frames[::every], options.gaussians)
    parts = by_state(frames, states, units.num_states)
    selected = [pool.select(part) for part in parts]
    gmm = first_subspace(pool, units.num_states, options.width)
    for number, kind in enumerate(ROUND * options.passes, start=1):
        gmm, log_likelihood = subspace_round(gmm, parts, selected, kind)
        found = {"gaussians": options.gaussians, "log_likelihood": log_likelihood / len(frames)}
        report(number, found)
    return SubspaceSystem(units, gmm, system.stay_probs, system.front_end)
