"""Recordings cut at pauses: short pieces, for models that cannot begin with long ones."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from steno_models.alignments.timed import Timed, TimedWord
from steno_models.training.utterance import Utterance

LONGEST_S = 6.0
PAUSE_S = 0.15
"""Between two words that may be cut apart."""
MARGIN_S = 0.15
"""Of the silence around a phrase, so much is its own at most."""


def phrases(utterance: Utterance, found: Timed, *, longest_s: float = LONGEST_S) -> list[Utterance]:
    """Return an utterance in pieces.

    A piece that is too long is cut at its longest pause, as long as there is one; one without
    pauses stays whole.

    Args:
        utterance: the whole.
        found: its words in time.
        longest_s: of a piece.
    """
    return [
        _piece(utterance, number, words, before_s, after_s)
        for number, (words, before_s, after_s) in enumerate(
            _cut(found.words, 0.0, found.duration_s, longest_s)
        )
    ]


def _cut(
    words: Sequence[TimedWord], before_s: float, after_s: float, longest_s: float
) -> Iterator[tuple[Sequence[TimedWord], float, float]]:
    """Yield the words of each piece, with when the word before them ends and the next begins."""
    gaps = [after.start_s - before.end_s for before, after in pairwise(words)]
    if not gaps or words[-1].end_s - words[0].start_s <= longest_s or max(gaps) < PAUSE_S:
        yield words, before_s, after_s
        return
    place = gaps.index(max(gaps)) + 1
    yield from _cut(words[:place], before_s, words[place].start_s, longest_s)
    yield from _cut(words[place:], words[place - 1].end_s, after_s, longest_s)


def _piece(
    whole: Utterance, number: int, words: Sequence[TimedWord], before_s: float, after_s: float
) -> Utterance:
    first_s, last_s = words[0].start_s, words[-1].end_s
    begin_s = max(first_s - MARGIN_S, (before_s + first_s) / 2)
    end_s = min(last_s + MARGIN_S, (after_s + last_s) / 2)
    return Utterance(
        key=f"{whole.key}-{number:03d}",
        audio=whole.audio,
        offset_s=whole.offset_s + begin_s,
        duration_s=end_s - begin_s,
        text=" ".join(word.text for word in words),
        speaker=whole.speaker,
    )
