"""Pieces of any length as vectors of one: the phones that are heard in them, one after the other.

However long each lasts: voices and pace are gone before anything is compared.
"""

import numpy as np

from steno_models.crossmodal.kernels import phone_moments
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

MOMENTS = 8
_LENGTH = 0.5


def phones_heard(
    log_probs: FloatArray, firsts: LongArray, lasts: LongArray, moments: int = MOMENTS
) -> FloatArray:
    """Return (P, moments (V - 1) + 1) vectors of pieces by the phones that are heard in them.

    A phone is a run of steps with the same likeliest token that is not the blank; a piece is read
    at evenly spaced moments from its first phone to its last, between two in proportion. Roots of
    probabilities are compared, as by Hellinger's distance; the last number is the root of how many
    phones there are.

    Args:
        log_probs: (S, V) ln p(token), or less the largest of each step; the blank first.
        firsts: (P,) first step of each piece.
        lasts: (P,) the one after its last.
        moments: of each vector.

    Raises:
        DataError: a piece has no step, or lies outside.
    """
    S = len(log_probs)
    if len(firsts) and ((lasts <= firsts).any() or firsts.min() < 0 or lasts.max() > S):
        raise DataError(f"expected pieces of at least one of {S} steps, found others")
    own = log_probs[:, 1:]
    shares = np.exp(own - own.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    heard = np.where(log_probs[:, 0] >= own.max(axis=1), -1, own.argmax(axis=1))
    found: FloatArray = phone_moments(
        shares.astype(np.float32), heard, firsts, lasts, moments, np.float32(_LENGTH)
    )
    return found
