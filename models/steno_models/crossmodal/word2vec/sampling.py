"""What is drawn while Word2Vec is trained: negatives, and which frequent words stay."""

import numpy as np

from steno_models.types import FloatArray, IntArray, LongArray

_POWER = 0.75  # between the words' frequencies and no difference at all (Mikolov et al. 2013, 2.2)


def keep_chances(counts: LongArray, sample: float) -> FloatArray:
    """Return (V,) the chance of each word to stay, 1 for all if `sample` is 0.

    With z the share of a word in the text: √(sample / z) + sample / z, at most 1, as in Mikolov's
    own program (his paper leaves the second term out).
    """
    if sample == 0.0:
        return np.ones(len(counts), np.float32)
    share = sample * counts.sum() / counts
    chances: FloatArray = np.minimum(np.sqrt(share) + share, 1.0).astype(np.float32)
    return chances


def negative_chances(counts: LongArray) -> FloatArray:
    """Return (V,) the chance of each word to be drawn as a negative."""
    weights = counts.astype(np.float64) ** _POWER
    chances: FloatArray = (weights / weights.sum()).astype(np.float32)
    return chances


def alias_table(chances: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return (V,) shares and (V,) others, so that one look draws a word by `chances`.

    A column is chosen uniformly; with its share it is itself, otherwise its other (Walker 1977;
    filled as by Vose 1991).
    """
    V = len(chances)
    heights = chances.astype(np.float64) * (V / chances.sum(dtype=np.float64))
    shares = np.ones(V, np.float32)
    others = np.arange(V, dtype=np.int32)
    low = [int(i) for i in np.flatnonzero(heights < 1.0)]
    high = [int(i) for i in np.flatnonzero(heights >= 1.0)]
    while low and high:
        small, large = low.pop(), high[-1]
        shares[small], others[small] = heights[small], large
        heights[large] -= 1.0 - heights[small]
        if heights[large] < 1.0:
            low.append(high.pop())
    return shares, others
