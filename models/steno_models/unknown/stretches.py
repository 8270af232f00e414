"""Stretches of recognised words that may stand for an unknown one, and what speaks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.lm.ngram.kernels import NgramArrays, advance
from steno_models.search.hypothesis import SearchWord
from steno_models.types import FloatArray, IntArray

_MOST_WORDS = 4
_MOST_STEPS = 40
_LONGEST_GAP = 8
_MARGIN_STEPS = 2
_LARGEST_LOGIT = 6.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words first … last - 1 of a hypothesis, and the steps that belong to them alone."""

    first: int
    last: int
    start: int
    end: int


def stretches(words: Sequence[SearchWord], steps: int, suspicion: float) -> Iterator[Stretch]:
    """Iterate over runs of up to four words that together lie behind the likeliest tokens.

    Args:
        words: of the hypothesis.
        steps: of the segment.
        suspicion: how many nats behind.
    """
    deficits = np.cumsum([0.0, *(deficit(word) for word in words)])
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + _MOST_WORDS) + 1):
            if last - first > 1:
                gap = words[last - 1].start_step - words[last - 2].end_step
                if gap > _LONGEST_GAP:
                    break
            if words[last - 1].end_step - words[first].start_step > _MOST_STEPS:
                break
            if deficits[last] - deficits[first] >= suspicion:
                yield Stretch(first, last, *_bounds(words, first, last, steps))


def _bounds(words: Sequence[SearchWord], first: int, last: int, steps: int) -> tuple[int, int]:
    """Return the steps of words and a little silence around them."""
    before = words[first - 1].end_step if first else 0
    after = words[last].start_step if last < len(words) else steps
    start = max(before, words[first].start_step - _MARGIN_STEPS)
    end = min(after, words[last - 1].end_step + _MARGIN_STEPS)
    return start, max(end, start + 1)


def deficit(word: SearchWord) -> float:
    """Return how many nats a word's tokens lie behind the likeliest ones."""
    return max(0.0, -word.margin * (word.end_step - word.start_step))


@dataclass(frozen=True, slots=True)
class Contexts:
    """What a language model says of each place of a hypothesis, words known and unknown.

    Attributes:
        known: (words + 1,) ln p of each word, the end included.
        unknown: (words + 1,) ln p of the unknown word in the place of each.
        after: (words + 1,) the state after an unknown word in the place of each.
    """

    lm: NgramArrays
    words: IntArray
    known: FloatArray
    unknown: FloatArray
    after: IntArray

    @classmethod
    def of(
        cls, lm: NgramArrays, start: int, unknown: int, end: int, words: Sequence[int]
    ) -> "Contexts":
        """Return what `lm` says of `words`, from the state `start` on."""
        state, known, missing, after = start, [], [], []
        for word in (*words, end):
            jumped, log_prob = advance(lm, state, unknown)
            missing.append(log_prob)
            after.append(jumped)
            state, log_prob = advance(lm, state, word)
            known.append(log_prob)
        return cls(
            lm,
            np.array([*words, end], np.int32),
            np.array(known, np.float32),
            np.array(missing, np.float32),
            np.array(after, np.int32),
        )

    def compare(self, stretch: Stretch) -> tuple[float, float]:
        """Return ln p of the words of a stretch, and of an unknown one, each with what follows."""
        known = float(self.known[stretch.first : stretch.last + 1].sum())
        _, following = advance(
            self.lm, int(self.after[stretch.first]), int(self.words[stretch.last])
        )
        return known, float(self.unknown[stretch.first]) + float(following)


def posteriors(words: Sequence[SearchWord]) -> tuple[float, float]:
    """Return the least and the mean log odds of words' posteriors."""
    least = 1.0 / (1.0 + np.exp(_LARGEST_LOGIT))
    p = np.clip([word.posterior for word in words], least, 1.0 - least)
    logits = np.log(p) - np.log1p(-p)
    return float(logits.min()), float(logits.mean())
