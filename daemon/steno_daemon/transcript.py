"""Words of the recogniser, counted in encoder steps, as the messages that a client reads."""

from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.happenings import STEP_SAMPLES, Ended, Heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steno_models.recogniser import Word

MEMORY = 10_000
"""Hypotheses tell the same places and confidences many times over, and to round takes its time."""
UNNUMBERED = -1
"""The `seq` of an event until it is sent."""


def partial(heard: Heard, *, channel: int = 0, word_times: bool) -> wire.Partial:
    """Return the hypothesis so far."""
    words = heard.update.words
    return wire.Partial(
        seq=UNNUMBERED,
        segment=heard.segment,
        channel=channel,
        text=text_of(words),
        stable_chars=len(text_of(words[: heard.update.stable_words])),
        start=seconds(heard.origin + words[0].start_step * STEP_SAMPLES)
        if words
        else seconds(heard.origin),
        words=timed(words, heard.origin) if word_times else None,
    )


def final(ended: Ended, *, channel: int = 0, word_times: bool, n_best: int) -> wire.Final:
    """Return the words of a segment that has some."""
    words = timed(ended.words, ended.origin, ended.position)
    return wire.Final(
        seq=UNNUMBERED,
        segment=ended.segment,
        channel=channel,
        text=text_of(ended.words),
        start=words[0].start,
        end=words[-1].end,
        confidence=_confidence(ended.words),
        words=words if word_times else None,
        alternatives=_alternatives(ended, n_best) if n_best > 1 else None,
    )


def text_of(words: "Sequence[Word]") -> str:
    """Return the words as one line."""
    return " ".join(word.text for word in words)


@lru_cache(maxsize=MEMORY)
def seconds(position: int) -> float:
    """Return a position in seconds, to a tenth of a millisecond."""
    return round(int(position) / SAMPLE_RATE, 4)


def timed(words: "Sequence[Word]", origin: int, end: int | None = None) -> tuple[wire.Word, ...]:
    """Return the words with their place in the stream, none behind `end`."""

    def place(step: int) -> float:
        position = origin + step * STEP_SAMPLES
        return seconds(position if end is None else min(position, end))

    return tuple(
        wire.Word(
            text=word.text,
            start=place(word.start_step),
            end=place(word.end_step),
            confidence=_rounded(word.confidence),
        )
        for word in words
    )


@lru_cache(maxsize=MEMORY)
def _rounded(confidence: float) -> float:
    return round(float(confidence), 4)


def _confidence(words: "Sequence[Word]") -> float:
    """Return the mean confidence of the words, 0 for none."""
    return round(fmean(float(word.confidence) for word in words), 4) if words else 0.0


def _alternatives(ended: Ended, n_best: int) -> tuple[wire.Alternative, ...]:
    """Return the best entries that say anything, each text once."""
    best: dict[str, wire.Alternative] = {}
    for entry in ended.alternatives:
        text = text_of(entry.words)
        best.setdefault(
            text,
            wire.Alternative(
                text=text,
                confidence=_confidence(entry.words),
                score=round(float(entry.log_score), 4),
                words=timed(entry.words, ended.origin, ended.position),
            ),
        )
    return tuple(entry for text, entry in best.items() if text)[:n_best]
