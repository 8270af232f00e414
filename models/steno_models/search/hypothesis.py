"""What a search has recognised."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchWord:
    """A word with all that is known about how sure it is.

    Attributes:
        word: its id.
        start_step: the step at which its first token was first emitted.
        end_step: the step after the last emission of its last token.
        posterior: share of the competing hypotheses, by weight, that hold it at this time.
        margin: mean over its steps of ln p(its token) - max ln p: 0 where no token was likelier.
        log_prob: ln p(word | words before) of the language model.
    """

    word: int
    start_step: int
    end_step: int
    posterior: float
    margin: float
    log_prob: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A sequence of words and its log score."""

    words: tuple[SearchWord, ...]
    log_score: float


def ordered(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return `spans` of steps so that each has a step and none begins before the last one's end.

    Where words are found at the same step, those behind are pushed on.
    """
    found: list[tuple[int, int]] = []
    for start, end in spans:
        begin = max(start, found[-1][1]) if found else start
        found.append((begin, max(end, begin + 1)))
    return found
