"""What a recogniser answered, looked at before anything is made of it.

A recogniser is not the daemon's own code, and what it answers is kept: for the end of the segment,
and for the last words of a session that breaks. So an answer with nonsense in it is turned away as
a whole, and what was known before it stays.
"""

from math import isfinite
from numbers import Integral, Real

from steno_models.recogniser import Alternative, Update, Word

_COUNTS = ("stable_words", "steps", "trailing_blank_steps", "missing_frames")


def check(update: object) -> None:
    """Check that the rest of the daemon can make events of an update.

    Raises:
        TypeError: something in it is of another kind than it should be.
        ValueError: a confidence is no number between 0 and 1.
    """
    if not isinstance(update, Update):
        raise TypeError(_wrong("an update", update))
    for name in _COUNTS:
        if not _is_whole(getattr(update, name)):
            raise TypeError(_wrong(f"a whole number as {name}", getattr(update, name)))
    _check_words(update.words)
    for entry in _entries("alternatives", update.alternatives):
        if not isinstance(entry, Alternative) or not _is_number(entry.log_score):
            raise TypeError(_wrong("an alternative with its score", entry))
        _check_words(entry.words)


def _check_words(words: object) -> None:
    for word in _entries("words", words):
        if not isinstance(word, Word) or not _is_text(word.text):
            raise TypeError(_wrong("a word with its text", word))
        if not _is_whole(word.start_step) or not _is_whole(word.end_step):
            raise TypeError(_wrong("whole numbers as the steps of a word", word))
        if not _is_number(word.confidence) or not isfinite(word.confidence):
            raise ValueError(_wrong("a number as the confidence of a word", word))


def _entries(name: str, found: object) -> tuple[object, ...]:
    if not isinstance(found, tuple):
        raise TypeError(_wrong(f"a tuple as {name}", found))
    return found


def _is_text(found: object) -> bool:
    return isinstance(found, str)


def _is_whole(found: object) -> bool:
    """Return whether that is a whole number, numpy's among them."""
    return isinstance(found, Integral)


def _is_number(found: object) -> bool:
    return isinstance(found, Real)


def _wrong(expected: str, found: object) -> str:
    """Return what to raise, with kinds alone: what was said has no place in a log."""
    return f"the recogniser gave nonsense: expected {expected}, found {type(found).__name__}"
