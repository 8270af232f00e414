"""Which words of a text get a vector, and the text as their numbers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.types import IntArray, LongArray


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences as numbers of words; rarer words were left out as if they had not been there.

    Attributes:
        words: V words, the most frequent first; alike frequent ones in alphabetical order.
        counts: (V,) int64 how often each occurs.
        tokens: (N,) int32 all sentences, one after the other.
        ends: (S,) int64 where each sentence ends in `tokens`.
    """

    words: tuple[str, ...]
    counts: LongArray
    tokens: IntArray
    ends: LongArray


def numbered(sentences: Iterable[str], *, min_count: int = 5, most: int | None = None) -> Text:
    """Return `sentences`, words separated by blanks, as numbers.

    Args:
        sentences: normalised; read once.
        min_count: words that occur less often get no vector.
        most: so many words get one, the most frequent; None sets no limit.

    Raises:
        DataError: fewer than two words are left.
    """
    order: dict[str, int] = {}
    parts: list[IntArray] = []
    lengths: list[int] = []
    for sentence in sentences:
        words = sentence.split()
        parts.append(np.array([order.setdefault(w, len(order)) for w in words], np.int32))
        lengths.append(len(words))
    found = np.concatenate([np.zeros(0, np.int32), *parts])
    counts = Counter(dict(zip(order, np.bincount(found, minlength=len(order)), strict=True)))
    ranked = sorted((-int(n), word) for word, n in counts.items() if n >= min_count)[:most]
    if len(ranked) < 2:
        raise DataError(
            f"expected at least two words that occur {min_count} times or more, "
            f"found {len(ranked)} among {len(found)} words"
        )
    numbers = {word: number for number, (_, word) in enumerate(ranked)}
    renumber = np.array([numbers.get(word, -1) for word in order], np.int32)[found]
    kept = renumber >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[np.cumsum(lengths)]
    return Text(
        words=tuple(word for _, word in ranked),
        counts=np.array([-n for n, _ in ranked], np.int64),
        tokens=renumber[kept],
        ends=ends.astype(np.int64),
    )
