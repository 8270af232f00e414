"""A subspace GMM as an acoustic model, and as a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.kernels import F64
from steno_models.hmm.sgmm import Pool, SubspaceGmm
from steno_models.hmm.topology import Units
from steno_models.hmm.tree import TiedStates
from steno_models.types import FloatArray

SUBSPACE_SCALE = 0.15
"""Factor on the log-likelihoods in decoding: states that share all their Gaussians differ less
from each other than states of their own Gaussians do, and are scaled down less."""
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
