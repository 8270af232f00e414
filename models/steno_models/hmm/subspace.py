"""The stage of the subspace GMM."""

from collections.abc import Sequence

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.config import Sgmm
from steno_models.hmm.course import Report
from steno_models.hmm.sgmm import first_subspace
from steno_models.hmm.sgmm_train import ROUND, pool_of, subspace_round
from steno_models.hmm.speech import Recording
from steno_models.hmm.stages import Trained
from steno_models.hmm.subspace_system import SubspaceSystem
from steno_models.hmm.topology import Monophones
from steno_models.hmm.train import by_state

POOL_FRAMES = 200_000  # so many are enough to train the pool on


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
