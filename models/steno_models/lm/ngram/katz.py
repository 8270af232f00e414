"""Katz smoothing: Good-Turing discounts, and what they take goes to the words that were not seen.

Katz (1987), "Estimation of probabilities from sparse data for the language model component of a
speech recognizer". With n_r n-grams of an order seen r times and r* = (r + 1) n_{r+1} / n_r,

    p(w | h) = d(c(hw)) c(hw) / c(h)  where hw was seen,  else  a(h) p(w | h'),
    d(r) = (r* / r - q) / (1 - q),  q = (K + 1) n_{K+1} / n_1   for r <= K,  else 1.
"""

import logging

import numpy as np

from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.counts import Counts
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.prune import renormalise
from steno_models.types import LongArray

_LOG = logging.getLogger(__name__)

# Counts above this are reliable (Katz 1987, section IV).
RELIABLE = 5
# What is taken from each count of a text that Good-Turing does not fit.
FALLBACK = 0.5
# Less than this, left for unseen words or by seen ones, is rounding.
_LEAST_MASS = 1e-9


def good_turing(counts: LongArray) -> DoubleArray:
    """Return (K + 1,) the factors d(0 … K) for the `counts` of one order; d(0) is 1.

    K is `RELIABLE` or, for counts too few or too odd for the formula, the largest number below it
    that the formula suits. Where none does, half a count is taken from each.
    """
    n = [int(np.count_nonzero(counts == r)) for r in range(RELIABLE + 2)]
    for reliable in range(RELIABLE, 0, -1):
        factors = _factors(n, reliable)
        if factors is not None:
            return factors
    _LOG.warning(
        "discounts need falling counts of counts, found %s: taking %.1f of each", n[1:], FALLBACK
    )
    seen = np.arange(1, RELIABLE + 1)
    return np.concatenate([[1.0], (seen - FALLBACK) / seen])


def estimate(counts: Counts) -> BackoffModel:
    """Return the smoothed model of `counts`."""
    trie = counts.trie
    begin = len(counts.vocabulary) - 3
    raw = counts.raw.copy()
    raw[1 + begin] = 0  # <s> is never predicted
    log_prob = np.zeros(len(trie))
    for k in range(1, trie.order + 1):
        nodes = trie.level(k)
        above = trie.level(k - 1).start
        parents = trie.parents(k) - above
        prob = _discounted(raw[nodes], parents, nodes=trie.level(k - 1).stop - above)
        if k == 1:
            prob = _with_unseen(prob, begin)
        else:
            lower = np.exp(log_prob[trie.suffix[nodes]])
            prob = _whole(prob, trie.sum_over_children(lower, k)[parents], parents)
        with np.errstate(divide="ignore"):
            log_prob[nodes] = np.log(prob)
    log_prob[1 + begin] = NEVER
    model = BackoffModel(counts.vocabulary, trie, log_prob, np.zeros(trie.num_histories))
    return renormalise(model)


def _factors(n: list[int], reliable: int) -> DoubleArray | None:
    """Return d(0 … K) for K = `reliable`, or None if some is not within 0 to 1."""
    if min(n[1 : reliable + 1]) == 0:
        return None
    q = (reliable + 1) * n[reliable + 1] / n[1]
    if q >= 1:
        return None
    r = np.arange(1, reliable + 1)
    adjusted = (r + 1) * np.array(n[2 : reliable + 2]) / np.array(n[1 : reliable + 1])
    factors: DoubleArray = (adjusted / r - q) / (1 - q)
    sound = bool((factors > 0).all() and (factors <= 1).all()) and factors[0] < 1
    return np.concatenate([[1.0], factors]) if sound else None


def _discounted(own: LongArray, parents: LongArray, *, nodes: int) -> DoubleArray:
    """Return d(c) c / c(h) of a level's counts; each of `nodes` histories leaves something."""
    factors = good_turing(own)
    few = own < len(factors)
    kept = own * np.where(few, factors[np.where(few, own, 0)], 1.0)
    total = np.bincount(parents, weights=own, minlength=nodes)
    given = total - np.bincount(parents, weights=kept, minlength=nodes)
    # A history of reliable counts alone would leave nothing: one more count is for the unseen.
    total += given < _LEAST_MASS
    probs: DoubleArray = kept / np.maximum(total, 1.0)[parents]
    return probs


def _with_unseen(prob: DoubleArray, begin: int) -> DoubleArray:
    """Return the unigrams with what is left shared out evenly among the words not seen."""
    unseen = prob == 0
    unseen[begin] = False
    if not unseen.any():
        whole: DoubleArray = prob / prob.sum()
        return whole
    filled: DoubleArray = np.where(unseen, (1.0 - prob.sum()) / unseen.sum(), prob)
    return filled


def _whole(prob: DoubleArray, seen_below: DoubleArray, parents: LongArray) -> DoubleArray:
    """Return `prob` made to sum to 1 where the words seen are all that the lower order has.

    Args:
        prob: (n,) of the n-grams of a level.
        seen_below: (n,) the sum over their history's words of the lower order's probabilities.
        parents: (n,) the number of each one's history.
    """
    total = np.bincount(parents, weights=prob)[parents]
    whole: DoubleArray = np.where(seen_below > 1.0 - _LEAST_MASS, prob / total, prob)
    return whole
