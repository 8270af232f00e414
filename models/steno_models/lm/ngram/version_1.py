"""Files of version 1, which held every number at 32 or 16 bits: read whole and packed anew."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.lm.ngram.kernels import DoubleArray, NgramArrays, NodeArray
from steno_models.lm.ngram.quantise import arrange
from steno_models.lm.ngram.trie import Trie
from steno_models.types import LongArray

VERSION = 1


class Arrays(NamedTuple):
    """What such a file holds, in the numbering of `trie.Trie`; codes are linear."""

    level_begin: LongArray
    word: NodeArray
    child_begin: NodeArray
    suffix: NodeArray
    log_prob: NDArray[np.uint16]
    backoff: NDArray[np.uint16]
    log_prob_book: DoubleArray
    backoff_book: DoubleArray


def packed(path: Path, old: Arrays) -> NgramArrays:
    """Return the model of the file `path` in the present form."""
    levels = old.level_begin
    if not (
        len(levels) >= 3
        and len(old.word) == len(old.suffix) == len(old.log_prob) == levels[-1]
        and len(old.backoff) == len(old.child_begin) - 1 == levels[-2]
        and old.child_begin[-1] == levels[-1]
    ):
        raise DataError(f"{path}: expected arrays that fit each other, found sizes that do not")
    trie = Trie(old.level_begin, old.word, old.child_begin, old.suffix)
    log_prob = (old.log_prob.astype(np.int64), np.array(old.log_prob_book))
    backoff = (old.backoff.astype(np.int64), np.array(old.backoff_book))
    return arrange(trie, log_prob, backoff, 16)
