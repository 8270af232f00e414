"""An acoustic model as one file: its states, what they emit, and what the frames are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.kernels import F64
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.topology import EDGE, SILENCE, Monophones, Units
from steno_models.hmm.tree import TiedStates
from steno_models.types import FloatArray


class Acoustics(Protocol):
    """What decoding asks of an acoustic model, whatever its states emit from."""

    @property
    def units(self) -> Units:
        """The states of the phones."""

    @property
    def front_end(self) -> Callable[[FloatArray], FloatArray]:
        """From a recording's features, (T, F), to the frames that `log_likelihoods` is of."""

    @property
    def stay_probs(self) -> F64:
        """(S,) probability of each state's self loop."""

    def log_likelihoods(self, frames: FloatArray) -> FloatArray:
        """Return (T, S) log-likelihoods of all states for `frames`, (T, D)."""


@dataclass(frozen=True, slots=True)
class System:
    """Everything between a speaker's cepstra and the log-likelihoods of states.

    Attributes:
        units: the states of the phones, alone or in context.
        model: emissions and transitions of the states.
        front_end: what the states emit.
        adapted: whether the frames go through a map for each speaker (see fmllr.py) before the
            model sees them.
    """

    units: Monophones | TiedStates
    model: PhoneModel
    front_end: FrontEnd
    adapted: bool = False

    @property
    def stay_probs(self) -> F64:
        """(S,) probability of each state's self loop."""
        return self.model.stay_probs

    def log_likelihoods(self, frames: FloatArray) -> FloatArray:
        """Return (T, S) float32 log-likelihoods of all states for `frames`, (T, D)."""
        gmm = self.model.gmm
        return gmm.log_likelihoods(frames, np.arange(gmm.num_states, dtype=np.int32))

    def save(self, path: Path) -> None:
        """Write the system as one `.npz` file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        units = self.units
        matrix = self.front_end.matrix
        gmm = self.model.gmm
        # What cannot be told from a half-written file is written beside it first.
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(
                file,
                table=units.table if isinstance(units, TiedStates) else np.zeros(0, np.int32),
                states_per_phone=np.int32(units.states_per_phone),
                silence_states=np.int32(len(units.states(EDGE, SILENCE, EDGE))),
                matrix=np.zeros((0, 0)) if matrix is None else matrix,
                adapted=np.bool_(self.adapted),
                offsets=gmm.offsets,
                log_weights=gmm.log_weights,
                means=gmm.means.astype(np.float32),
                variances=gmm.variances.astype(np.float32),
                stay_probs=self.model.stay_probs,
            )
        partial.replace(path)


def load_system(path: Path) -> System:
    """Return the system that `System.save` wrote.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    try:
        with np.load(path) as arrays:
            gmm = DiagonalGmm(
                arrays["offsets"],
                arrays["log_weights"],
                arrays["means"].astype(np.float64),
                arrays["variances"].astype(np.float64),
            )
            table, matrix = arrays["table"], arrays["matrix"]
            alone = Monophones(int(arrays["states_per_phone"]), int(arrays["silence_states"]))
            return System(
                units=TiedStates(table) if table.size else alone,
                model=PhoneModel(gmm, arrays["stay_probs"]),
                front_end=FrontEnd(matrix if matrix.size else None),
                adapted=bool(arrays["adapted"]),
            )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected an acoustic model in {path}, found {error}") from error
