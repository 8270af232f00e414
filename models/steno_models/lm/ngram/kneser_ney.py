"""Interpolated modified Kneser-Ney smoothing.

Chen & Goodman (1998), "An empirical study of smoothing techniques for language modeling",
TR-10-98, section 3. Below the top order a count is the number of different words seen before the
n-gram, except where it starts with <s>, which nothing precedes.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.errors import ConfigError
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.counts import Counts
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.trie import Mask, Trie
from steno_models.types import LongArray

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Discounts:
    """What is taken from a count of one, of two, and of three or more."""

    one: float
    two: float
    three: float

    def of(self, counts: LongArray) -> DoubleArray:
        """Return the discount of each of `counts`; that of 0 is 0."""
        return np.array([0.0, self.one, self.two, self.three])[np.minimum(counts, 3)]


FALLBACK = Discounts(0.5, 1.0, 1.5)


def estimate_discounts(counts: LongArray) -> Discounts:
    """Return the discounts for the `counts` of one order (Chen & Goodman 1998, eq. 26).

    Counts too few or too odd for the formula (a toy, or a text that was doubled) get `FALLBACK`.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == c)) for c in range(1, 5))
    if min(n1, n2, n3, n4) > 0:
        y = n1 / (n1 + 2 * n2)
        found = Discounts(1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        if 0 < found.one <= 1 and 0 < found.two <= 2 and 0 < found.three <= 3:
            return found
    _LOG.warning(
        "discounts need falling counts of counts, found %d %d %d %d: using %s",
        n1, n2, n3, n4, FALLBACK,
    )  # fmt: skip
    return FALLBACK


def adjusted_counts(counts: Counts, k: int) -> LongArray:
    """Return the Kneser-Ney counts of the n-grams of level `k`."""
    trie = counts.trie
    nodes = trie.level(k)
    raw = counts.raw[nodes]
    if k < trie.order:
        longer = trie.suffix[trie.level(k + 1)].astype(np.int64) - nodes.start
        continuations = np.bincount(longer, minlength=len(raw))
        adjusted = np.where(continuations > 0, continuations, raw)
    else:
        adjusted = raw.copy()
    if k == 1:
        adjusted[len(counts.vocabulary) - 3] = 0  # <s> is never predicted
    return adjusted


def estimate(
    counts: Counts,
    *,
    min_counts: Sequence[int] | None = None,
    discounts: Sequence[Discounts] | None = None,
) -> BackoffModel:
    """Return the smoothed model of `counts`.

    Args:
        counts: of every n-gram up to the model's order.
        min_counts: n-grams of order k that occur less than min_counts[k - 1] times are left to
            the lower order; must not fall with k. Default: everything stays.
        discounts: one for each order instead of those estimated.
    """
    trie = counts.trie
    kept = _kept(counts, min_counts)
    log_prob = np.zeros(len(trie))
    backoff = np.zeros(trie.num_histories)
    lower = np.zeros(1)
    for k in range(1, trie.order + 1):
        adjusted = adjusted_counts(counts, k)
        discount = estimate_discounts(adjusted) if discounts is None else discounts[k - 1]
        own, left = _discounted(trie, k, adjusted, discount.of(adjusted), kept[trie.level(k)])
        if k == 1:
            # The last lower order is uniform over all words but <s>.
            probs = own + left[0] / (trie.num_words - 1)
        else:
            above = trie.level(k - 1).start
            suffix = trie.suffix[trie.level(k)].astype(np.int64) - above
            probs = own + left[trie.parents(k) - above] * lower[suffix]
            backoff[trie.level(k - 1)] = np.log(left)
        with np.errstate(divide="ignore"):
            log_prob[trie.level(k)] = np.log(probs)
        lower = probs
    log_prob[trie.level(1)][len(counts.vocabulary) - 3] = NEVER
    inner = kept[: len(backoff)]
    return BackoffModel(counts.vocabulary, trie.keep(kept), log_prob[kept], backoff[inner])


def _discounted(
    trie: Trie, k: int, adjusted: LongArray, discount: DoubleArray, kept: Mask
) -> tuple[DoubleArray, DoubleArray]:
    """Return the discounted relative frequencies of level `k` and what each history has left.

    The first is 0 for what is not kept; the second, g(h), is 1 for a history without children.
    """
    totals = trie.sum_over_children(adjusted.astype(np.float64), k)
    given = trie.sum_over_children(np.where(kept, discount, adjusted), k)
    parents = trie.parents(k) - trie.level(k - 1).start
    seen = totals > 0
    left = np.divide(given, totals, out=np.ones_like(totals), where=seen)
    scale = np.divide(1.0, totals, out=np.zeros_like(totals), where=seen)
    own = np.where(kept, np.maximum(adjusted - discount, 0.0), 0.0) * scale[parents]
    return own, left


def _kept(counts: Counts, min_counts: Sequence[int] | None) -> Mask:
    trie = counts.trie
    kept = np.ones(len(trie), bool)
    if min_counts is None:
        return kept
    if len(min_counts) != trie.order or list(min_counts) != sorted(min_counts):
        raise ConfigError(
            f"expected {trie.order} minimum counts that do not fall, found {list(min_counts)}"
        )
    for k in range(2, trie.order + 1):
        kept[trie.level(k)] = counts.raw[trie.level(k)] >= min_counts[k - 1]
    return kept
