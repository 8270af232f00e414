"""One map for each speaker, estimated from all of the speaker's recordings."""

from collections.abc import Sequence

import numpy as np

from steno_models.hmm.fmllr import FmllrStatistics, applied, fmllr
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.speech import Recording, of_speakers
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
