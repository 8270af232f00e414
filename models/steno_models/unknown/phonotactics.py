"""Which phone follows which: a bigram of phones from pronunciations."""

import numpy as np

from steno_models.types import ByteArray, FloatArray, IntArray, LongArray

_DISCOUNT = 0.75


def phone_bigram(lengths: LongArray, tokens: IntArray | ByteArray, num_tokens: int) -> FloatArray:
    """Return (V, V) ln p(phone | phone before), 0 standing for both ends of a word.

    Absolute discounting, the rest shared as often as phones follow different ones (Kneser & Ney
    1995, for two).

    Args:
        lengths: (P,) of the pronunciations.
        tokens: (sum of lengths,) of all of them.
        num_tokens: V, the blank 0 among them.
    """
    text = np.insert(tokens.astype(np.int64), np.cumsum(lengths), 0)
    before = np.concatenate([[0], text[:-1]])
    counts = np.bincount(before * num_tokens + text, minlength=num_tokens**2)
    counts = counts.reshape(num_tokens, num_tokens).astype(np.float64)
    kinds = (counts > 0).sum(axis=0) + 0.1
    lower = kinds / kinds.sum()
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    kept = np.maximum(counts - _DISCOUNT, 0.0)
    probabilities = (kept + (totals - kept.sum(axis=1, keepdims=True)) * lower) / totals
    return np.asarray(np.log(probabilities), np.float32)
