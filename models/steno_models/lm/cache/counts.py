"""Fading counts of words and of pairs of words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from steno_models.errors import DataError

BEGIN, END = "<s>", "</s>"
HALF_LIFE_WORDS = 1_000.0
"""After so many words a count is half of what it was."""
MOST_WORDS = 5_000
MOST_PAIRS = 20_000
_FORGOTTEN = 0.01

Pair = tuple[str, str]
_What = TypeVar("_What", str, Pair)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was said, as numbers that fade: a value.

    Attributes:
        words: how often each word was said, `END` among them.
        pairs: how often two words were said one after the other; the first may be `BEGIN`.
    """

    words: Mapping[str, float] = field(default_factory=dict)
    pairs: Mapping[Pair, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            DataError: one is no count.
        """
        for name, counts in (("words", self.words), ("pairs", self.pairs)):
            for what, count in counts.items():
                if not 0 < count < math.inf:
                    raise DataError(f"expected counts of {name} above 0, found {count} of {what}")

    @property
    def total(self) -> float:
        """The sum of the counts of words."""
        return sum(self.words.values())

    def after(self, sentences: Iterable[Sequence[str]]) -> "Counts":
        """Return the counts after further sentences were said, each a sequence of words."""
        words, pairs = dict(self.words), dict(self.pairs)
        # Instead of all older counts falling, newer ones weigh more; at the end all are brought
        # back to the scale on which what is said last counts 1.
        weight, growth = 1.0, 2.0 ** (1.0 / HALF_LIFE_WORDS)
        for sentence in sentences:
            before = BEGIN
            for word in (*sentence, END):
                weight *= growth
                words[word] = words.get(word, 0.0) + weight
                pairs[before, word] = pairs.get((before, word), 0.0) + weight
                before = word
        return Counts(_kept(words, weight, MOST_WORDS), _kept(pairs, weight, MOST_PAIRS))


def _kept(counts: dict[_What, float], scale: float, most: int) -> dict[_What, float]:
    """Return the largest counts, divided by `scale`."""
    fresh = {what: count / scale for what, count in counts.items() if count > _FORGOTTEN * scale}
    if len(fresh) <= most:
        return fresh
    largest = sorted(fresh, key=fresh.__getitem__, reverse=True)[:most]
    return {what: fresh[what] for what in largest}
