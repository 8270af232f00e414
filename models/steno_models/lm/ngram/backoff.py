"""A back-off model at full precision, as it is estimated, pruned, mixed and written."""

from dataclasses import dataclass

import numpy as np

from steno_models.lm.ngram import kernels
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.trie import Trie

LN_10 = float(np.log(10.0))
# What ARPA files say of a word that is never predicted, such as <s>.
NEVER = -99.0 * LN_10


@dataclass(frozen=True, slots=True)
class BackoffModel:
    """A back-off n-gram model.

    Attributes:
        vocabulary: the words; the last three are <s>, </s> and <unk>.
        trie: which n-grams it holds.
        log_prob: (nodes,) natural log p(last word | words before); the root's is 0.
        backoff: (inner,) natural log back-off weight of each node below the top order.
    """

    vocabulary: tuple[str, ...]
    trie: Trie
    log_prob: DoubleArray
    backoff: DoubleArray

    def lower_log_prob(self, k: int) -> DoubleArray:
        """Return ln p(w | h') for each n-gram hw of level `k`; h' is h less its first word."""
        trie = self.trie
        nodes = trie.level(k)
        out = np.empty(nodes.stop - nodes.start)
        kernels.lower_log_probs(
            trie.level_begin,
            trie.suffix,
            self.log_prob,
            self.backoff,
            trie.parents(k),
            nodes.start,
            out,
        )
        return out
