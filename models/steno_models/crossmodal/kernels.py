"""Compiled loops over pieces of speech."""

import numpy as np

from steno_models.compiled import kernel
from steno_models.types import FloatArray, LongArray


@kernel
def phone_moments(
    shares: FloatArray,
    heard: LongArray,
    firsts: LongArray,
    lasts: LongArray,
    moments: int,
    length: np.float32,
) -> FloatArray:
    """Return (P, moments F + 1) the phones of each piece at evenly spaced moments.

    Args:
        shares: (S, F) p(phone | no blank) of each step.
        heard: (S,) the phone of each step, -1 where the blank is likelier.
        firsts: (P,) first step of each piece.
        lasts: (P,) the one after its last.
        moments: of each piece.
        length: what the root of the number of phones weighs.
    """
    F = shares.shape[1]
    found = np.zeros((firsts.size, moments * F + 1), np.float32)
    for piece in range(firsts.size):
        first, last = firsts[piece], lasts[piece]
        phones = np.zeros((last - first, F), np.float32)
        steps = np.zeros(last - first, np.int64)
        U, before = 0, -1
        for s in range(first, last):
            if heard[s] >= 0:
                if heard[s] != before:
                    U += 1
                phones[U - 1] += shares[s]
                steps[U - 1] += 1
            before = heard[s]
        if U == 0:  # nothing but blanks: what would be heard if they were not
            for s in range(first, last):
                phones[0] += shares[s]
            steps[0], U = last - first, 1
        for m in range(moments):
            moment = m * (U - 1) / (moments - 1) if moments > 1 else 0.0
            below = int(moment)
            above = min(below + 1, U - 1)
            part = moment - below
            for f in range(F):
                one = phones[below, f] / steps[below]
                other = phones[above, f] / steps[above]
                found[piece, m * F + f] = np.sqrt((1.0 - part) * one + part * other)
        found[piece, moments * F] = length * np.sqrt(U)
    return found
