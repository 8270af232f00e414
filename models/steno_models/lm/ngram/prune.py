"""Relative-entropy pruning of back-off models.

Stolcke (1998), "Entropy-based pruning of backoff language models". An n-gram hw goes when the
model without it has a perplexity higher by less than a threshold (relative), the history's
back-off weight being set right again:

    D = -p(h) { p(w|h) [ln p(w|h') + ln b'(h) - ln p(w|h)]
                + (1 - sum over explicit v of p(v|h)) [ln b'(h) - ln b(h)] },
    relative change of the perplexity = exp(D) - 1.

p(h) can be given, and should be for Kneser-Ney models: their lower orders are no marginals, so that
the product of their conditional probabilities misjudges how often a history occurs (Chelba et al.
2010, "Study on interaction between entropy pruning and Kneser-Ney smoothing").
"""

import numpy as np

from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.counts import Counts
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.trie import Mask

# Histories that leave less than this to the lower order hold (nearly) the whole vocabulary.
_LEAST_MASS = 1e-9


def history_log_probs(counts: Counts, model: BackoffModel) -> DoubleArray:
    """Return (inner,) ln of how often each history of `model` occurs in the counted text.

    `model` must hold the same n-grams as `counts`.
    """
    occurrences = np.maximum(counts.raw[: len(model.backoff)], 0.5)
    history: DoubleArray = np.log(occurrences / counts.raw[0])
    return history


def chained_log_probs(model: BackoffModel) -> DoubleArray:
    """Return (inner,) ln p(h) of each history as the product of the model's own probabilities."""
    trie = model.trie
    chained = np.zeros(len(model.backoff))
    for k in range(1, trie.order):
        nodes = trie.level(k)
        chained[nodes] = chained[trie.parents(k)] + model.log_prob[nodes]
        if k == 1:
            # <s> is as frequent as </s>, which is predicted.
            chained[trie.num_words - 2] = chained[trie.num_words - 1]
    return chained


def prune(
    model: BackoffModel, *, threshold: float, history_log_prob: DoubleArray | None = None
) -> BackoffModel:
    """Return `model` without what changes its perplexity by less than `threshold`, relatively.

    Args:
        model: any back-off model.
        threshold: say 1e-8; 0 keeps what is worth anything at all.
        history_log_prob: (inner,) ln p(h) of each history; default `chained_log_probs`.
    """
    trie = model.trie
    if history_log_prob is None:
        history_log_prob = chained_log_probs(model)
    kept = np.ones(len(trie), bool)
    for k in range(trie.order, 1, -1):
        changes = perplexity_changes(model, k, history_log_prob)
        kept[trie.level(k)] = (changes >= threshold) | _has_children(model, k, kept)
    inner = kept[: len(model.backoff)]
    pruned = BackoffModel(
        model.vocabulary, trie.keep(kept), model.log_prob[kept], model.backoff[inner]
    )
    return renormalise(pruned)


def perplexity_changes(model: BackoffModel, k: int, history_log_prob: DoubleArray) -> DoubleArray:
    """Return by how much, relatively, the perplexity rises without each n-gram of level `k`."""
    trie = model.trie
    above = trie.level(k - 1).start
    parents = trie.parents(k)
    log_p = model.log_prob[trie.level(k)]
    log_q = model.lower_log_prob(k)
    p, q = np.exp(log_p), np.exp(log_q)
    left = np.maximum(1.0 - trie.sum_over_children(p, k), _LEAST_MASS)[parents - above]
    lower_left = np.maximum(1.0 - trie.sum_over_children(q, k), _LEAST_MASS)[parents - above]
    log_b = np.log(left) - np.log(lower_left)
    new_log_b = np.log(left + p) - np.log(lower_left + q)
    divergence = p * (log_q + new_log_b - log_p) + left * (new_log_b - log_b)
    changes: DoubleArray = np.expm1(-np.exp(history_log_prob[parents]) * divergence)
    return changes


def renormalise(model: BackoffModel) -> BackoffModel:
    """Return `model` with the back-off weights that let each history's probabilities sum to 1."""
    trie = model.trie
    backoff = np.zeros_like(model.backoff)
    done = BackoffModel(model.vocabulary, trie, model.log_prob, backoff)
    # b(h) asks for p(w|h'), whose own back-off weights belong to shorter histories: these first.
    for k in range(2, trie.order + 1):
        nodes = trie.level(k - 1)
        left = 1.0 - trie.sum_over_children(np.exp(model.log_prob[trie.level(k)]), k)
        lower_left = 1.0 - trie.sum_over_children(np.exp(done.lower_log_prob(k)), k)
        sound = (left > _LEAST_MASS) & (lower_left > _LEAST_MASS)
        ratio = np.divide(left, lower_left, out=np.ones_like(left), where=sound)
        barren = trie.num_children()[nodes] == 0
        backoff[nodes] = np.where(sound, np.log(ratio), model.backoff[nodes])
        backoff[nodes][barren] = 0.0
    return done


def _has_children(model: BackoffModel, k: int, kept: Mask) -> Mask:
    """Return whether each node of level `k` has a child that is kept."""
    trie = model.trie
    if k == trie.order:
        return np.zeros(trie.level(k).stop - trie.level(k).start, bool)
    children = kept[trie.level(k + 1)].astype(np.float64)
    return trie.sum_over_children(children, k + 1) > 0
