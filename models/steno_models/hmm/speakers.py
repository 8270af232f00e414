"""One map for each speaker, estimated from all of the speaker's recordings."""

from collections.abc import Sequence

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.fmllr import FmllrStatistics, applied, fmllr
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.speech import Recording, of_speakers
from steno_models.hmm.system import System
from steno_models.hmm.train import by_state
from steno_models.types import FloatArray, IntArray


def speaker_frames(
    gmm: DiagonalGmm,
    speech: Sequence[Recording],
    base: Sequence[FloatArray],
    states: Sequence[IntArray | None],
) -> list[FloatArray]:
    """Return the frames of `speech` mapped so that `gmm` finds each speaker's likeliest.

    Args:
        gmm: the emissions.
        speech: says who speaks.
        base: (T, D) the frames of each recording.
        states: (T,) the state of `gmm` at each of them; recordings where that is not known (None)
            do not count for the map, but go through it as the others do.
    """
    frames = list(base)
    for places in of_speakers(speech):
        known = [(i, found) for i in places if (found := states[i]) is not None]
        if not known:
            continue
        own = np.concatenate([base[i] for i, _ in known])
        parts = by_state(own, np.concatenate([found for _, found in known]), gmm.num_states)
        W = fmllr(FmllrStatistics.of(gmm, parts))
        for i in places:
            frames[i] = applied(W, base[i])
    return frames


def adapted_frames(first: System, second: System, speech: Sequence[Recording]) -> list[FloatArray]:
    """Return the frames of `speech` that `second`, a model adapted to speakers, should see.

    Which states the speakers' maps are estimated from says `first`, given the recordings' words
    (two passes, as in Gales 1998).
    """
    states = [_states(first, second, recording) for recording in speech]
    base = [second.front_end(recording.cepstra) for recording in speech]
    return speaker_frames(second.model.gmm, speech, base, states)


def _states(first: System, second: System, recording: Recording) -> IntArray | None:
    """Return the states of `second` on the best path of `first`; None if the words do not fit."""
    if not recording.words:
        return None
    frames: FloatArray = first.front_end(recording.cepstra)
    try:
        path = first.model.best_path(frames, recording.graph(first.units))
    except DataError:
        return None
    return recording.graph(second.units).states[path]
