"""How tokens follow each other in time: CTC's blank and repeats, or HMMs of one state a token.

One table serves both, because a CTC model is an HMM whose state order is: stay on a token, rest on
the blank, go on (Graves et al. 2006, section 4; Zeyer et al. 2017 for the view as one HMM).
"""

from typing import NamedTuple

import numpy as np

from steno_models.errors import ConfigError
from steno_models.types import FloatArray


class Topology(NamedTuple):
    """What may follow what, and at which cost.

    Attributes:
        rest: the token of no phone: CTC's blank, an HMM's silence. It may stand between words.
        rest_inside: whether it may stand within words too.
        repeat_needs_rest: whether a rest must part two equal tokens.
        stay: (V + 1,) ln probability of emitting a token once more; the last is that of the start.
        leave: (V + 1,) ln probability of going on from a token; the last is that of the start.
    """

    rest: int
    rest_inside: bool
    repeat_needs_rest: bool
    stay: FloatArray
    leave: FloatArray


def ctc(num_tokens: int, blank: int = 0) -> Topology:
    """Return the topology of CTC over `num_tokens` tokens, the blank included."""
    free = _frozen(np.zeros(num_tokens + 1, np.float32))
    return Topology(blank, rest_inside=True, repeat_needs_rest=True, stay=free, leave=free)


def hmm(stay_probability: FloatArray, silence: int = 0) -> Topology:
    """Return a topology of one state with a self loop for each token, and optional silence.

    More states a phone are more tokens a pronunciation.

    Args:
        stay_probability: (V,) the probability of each state's self loop, in (0, 1).
        silence: the token of silence, which may stand between words.
    """
    if not ((stay_probability > 0) & (stay_probability < 1)).all():
        raise ConfigError(
            f"expected self-loop probabilities in (0, 1), found {stay_probability.min():g} to "
            f"{stay_probability.max():g}"
        )
    stay = np.append(np.log(stay_probability), np.float32(0.0))
    leave = np.append(np.log1p(-stay_probability), np.float32(0.0))
    return Topology(
        silence,
        rest_inside=False,
        repeat_needs_rest=False,
        stay=_frozen(stay),
        leave=_frozen(leave),
    )


def _frozen(values: FloatArray) -> FloatArray:
    array = values.astype(np.float32)
    array.setflags(write=False)
    return array
