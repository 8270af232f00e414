"""Interpolated Witten-Bell smoothing.

Witten & Bell (1991), "The zero-frequency problem", method C, as Chen & Goodman (1998, section 2.4)
write it: how often something new followed a history is how many different words did,

    p(w | h) = (c(hw) + n(h) p(w | h')) / (c(h) + n(h)),    n(h) = |{w: c(hw) > 0}|.

It needs no counts of counts, so that it suits small and odd texts.
"""

import numpy as np

from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.counts import Counts


def estimate(counts: Counts) -> BackoffModel:
    """Return the smoothed model of `counts`."""
    trie = counts.trie
    begin = len(counts.vocabulary) - 3
    raw = counts.raw.astype(np.float64)
    raw[1 + begin] = 0  # <s> is never predicted
    log_prob = np.zeros(len(trie))
    backoff = np.zeros(trie.num_histories)
    lower = np.full(1, 1.0 / (trie.num_words - 1))  # the last lower order is uniform
    for k in range(1, trie.order + 1):
        own = raw[trie.level(k)]
        total = trie.sum_over_children(own, k)
        kinds = trie.sum_over_children((own > 0).astype(np.float64), k)
        left = np.divide(kinds, total + kinds, out=np.ones_like(total), where=kinds > 0)
        above = trie.level(k - 1).start
        parents = trie.parents(k) - above
        shorter = lower[trie.suffix[trie.level(k)].astype(np.int64) - above]
        share = np.divide(1.0, total + kinds, out=np.zeros_like(total), where=kinds > 0)
        lower = own * share[parents] + left[parents] * shorter
        log_prob[trie.level(k)] = np.log(lower)
        if k > 1:
            backoff[trie.level(k - 1)] = np.log(left)
    log_prob[1 + begin] = NEVER
    return BackoffModel(counts.vocabulary, trie, log_prob, backoff)
