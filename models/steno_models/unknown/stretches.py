"""Stretches of recognised words that may stand for an unknown one, and which of them do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.search.hypothesis import SearchWord

DoubleArray = NDArray[np.float64]
MOST_EVENTS = 6
"""Unknown words that are told of a segment: one that is bad all over is no set of them."""
_MOST_STRETCHES = 240
_MOST_WORDS = 4
_MOST_STEPS = 40
_LONGEST_GAP = 8
_MARGIN_STEPS = 2


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words first … last - 1 of a hypothesis, and the steps that belong to them alone."""

    first: int
    last: int
    start: int
    end: int


def stretches(words: Sequence[SearchWord], steps: int) -> list[Stretch]:
    """Return runs of up to four words, no more of a segment than can be looked at in good time.

    Of a long segment those remain that lie furthest behind the likeliest tokens.

    Args:
        words: of the hypothesis.
        steps: of the segment.
    """
    found = list(_runs(words, steps))
    if len(found) > _MOST_STRETCHES:
        total = np.cumsum([0.0, *map(deficit, words)])
        behind = [total[one.last] - total[one.first] for one in found]
        worst = np.argsort(behind, kind="stable")[-_MOST_STRETCHES:]
        found = [found[i] for i in sorted(worst.tolist())]
    return found


def _runs(words: Sequence[SearchWord], steps: int) -> Iterator[Stretch]:
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + _MOST_WORDS) + 1):
            if last - first > 1:
                gap = words[last - 1].start_step - words[last - 2].end_step
                if gap > _LONGEST_GAP:
                    break
            if words[last - 1].end_step - words[first].start_step > _MOST_STEPS:
                break
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


def chosen(found: Sequence[Stretch], odds: DoubleArray, threshold: float = 0.0) -> list[int]:
    """Return the numbers of the stretches that count as unknown words, the likeliest first.

    Of those that share a word only the likeliest one counts.

    Args:
        found: stretches of a segment.
        odds: (R,) of each.
        threshold: from which on they count.
    """
    taken: list[int] = []
    for i in np.argsort(-odds, kind="stable").tolist():
        if odds[i] < threshold or len(taken) == MOST_EVENTS:
            break
        one = found[i]
        if all(found[k].last <= one.first or one.last <= found[k].first for k in taken):
            taken.append(i)
    return taken
