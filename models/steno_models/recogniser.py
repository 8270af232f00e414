"""Features + encoder + search + language model for many streams at once.

The daemon and the evaluation share it. State is a value: a stream owns its state, hands it in with
its next features and gets the next state back; models are shared and immutable.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word.

    Attributes:
        text: as the lexicon spells it.
        start_step: encoder step (since the start of the segment) at which it begins.
        end_step: encoder step after its last one.
        confidence: 0 to 1, the calibrated probability that the word is right.
    """

    text: str
    start_step: int
    end_step: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """One entry of the n-best list: its words and its total log score."""

    words: tuple[Word, ...]
    log_score: float


@dataclass(frozen=True, slots=True)
class Update:
    """What is known about a segment after a step.

    Attributes:
        words: the best hypothesis so far, whole.
        stable_words: how many of its leading words can no longer change.
        steps: encoder steps decoded so far in this segment.
        trailing_blank_steps: how many of the last steps the model called silence (blank).
        alternatives: the n-best list, best first; filled at the end of a segment only.
    """

    words: tuple[Word, ...]
    stable_words: int
    steps: int
    trailing_blank_steps: int
    alternatives: tuple[Alternative, ...] = ()
