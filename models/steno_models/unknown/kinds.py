"""What kind of word stands between two words: p(ending of a word | the words beside it).

Words that no n-gram knows still show what they are by how they end (-ing, -ed, -ly, -s): the class
of a word is its ending, and counts of classes beside frequent words say which belongs where
(Brown et al. 1992 for classes; Bisani & Ney and others for unknown words as classes of their own).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from steno_models.types import FloatArray, IntArray, LongArray

NEIGHBOURS = 3_000
_LONGEST = 3
_SMOOTHING = 2.0


def endings_of(words: Mapping[str, int], most: int) -> tuple[str, ...]:
    """Return the most frequent endings of one to three letters of distinct words, sorted.

    Args:
        words: with their counts.
        most: how many, the empty one for all other words included.
    """
    kinds = Counter(
        word[-length:]
        for word in words
        for length in range(1, _LONGEST + 1)
        if len(word) > length + 1
    )
    return ("", *sorted(ending for ending, _ in kinds.most_common(most - 1)))


def kind_of(word: str, endings: Mapping[str, int]) -> int:
    """Return the number of the longest of `endings` that `word` has."""
    for length in range(min(_LONGEST, len(word) - 2), 0, -1):
        if word[-length:] in endings:
            return endings[word[-length:]]
    return endings[""]


def affinities(
    kinds: IntArray, beside: IntArray, tokens: IntArray, num_kinds: int, *, forwards: bool
) -> FloatArray:
    """Return (K, N + 1) ln p(kind | neighbour) - ln p(kind), of the word before or after.

    Args:
        kinds: (V + 1,) of each word of the corpus, the last for the sentence end.
        beside: (V + 1,) the neighbour's number of each word; N for those that are none.
        tokens: (T,) numbers of words, V at the end of sentences.
        num_kinds: K.
        forwards: whether the neighbour comes before the word.
    """
    one, other = (tokens[1:], tokens[:-1]) if forwards else (tokens[:-1], tokens[1:])
    inside = one != len(kinds) - 1
    N = int(beside.max()) + 1
    pairs = kinds[one[inside]].astype(np.int64) * N + beside[other[inside]]
    counts = np.bincount(pairs, minlength=num_kinds * N).reshape(num_kinds, N).astype(np.float64)
    prior = counts.sum(axis=1, keepdims=True) + 1e-3
    prior /= prior.sum()
    totals = counts.sum(axis=0, keepdims=True)
    posterior = (counts + _SMOOTHING * num_kinds * prior) / (totals + _SMOOTHING * num_kinds)
    return np.asarray(np.log(posterior / prior), np.float32)


def corpus_tables(
    words: Sequence[str], counts: LongArray, endings: Sequence[str]
) -> tuple[IntArray, IntArray, tuple[str, ...]]:
    """Return the kind of each word, its number as a neighbour, and the neighbours' spelling.

    The sentence end is the neighbour 0, and follows the words; rare words are the last neighbour.
    """
    numbers = {ending: number for number, ending in enumerate(endings)}
    kinds = np.array([kind_of(word, numbers) for word in words] + [0], np.int32)
    frequent = np.argsort(-counts, kind="stable")[: NEIGHBOURS - 1]
    beside = np.full(len(words) + 1, len(frequent) + 1, np.int32)
    beside[frequent] = np.arange(1, len(frequent) + 1)
    beside[-1] = 0
    return kinds, beside, ("</s>", *(words[i] for i in frequent.tolist()))
