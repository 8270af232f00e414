"""Words that the lexicon lacks: as they are told, and as what is added once somebody knows them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.happenings import STEP_SAMPLES, Ended
from steno_daemon.outbox import Outbox
from steno_daemon.replies import Replies
from steno_daemon.transcript import UNNUMBERED, seconds

if TYPE_CHECKING:
    from steno_models.recogniser import CandidateWord

GUESSED = "*"
"""A pronunciation that stands for those which the spelling suggests."""

CONFIRMED_BOOST = 5.0
"""Nats that a confirmed word earns: who says what it is will say it again."""


def unknown_words(ended: Ended, *, channel: int = 0) -> Iterator[wire.UnknownWord]:
    """Yield what is told of the unknown words of a segment."""
    for number, word in enumerate(ended.unknown):
        yield wire.UnknownWord(
            seq=UNNUMBERED,
            id=f"{channel}-{ended.segment}-{number}",
            segment=ended.segment,
            channel=channel,
            text=word.text,
            start=seconds(ended.origin + word.start_step * STEP_SAMPLES),
            end=seconds(min(ended.position, ended.origin + word.end_step * STEP_SAMPLES)),
            phones=" ".join(word.phones),
            confidence=round(word.confidence, 4),
            candidates=tuple(map(_told, word.candidates)),
        )


def _told(one: "CandidateWord") -> wire.CandidateWord:
    return wire.CandidateWord(
        text=one.text,
        score=round(one.score, 4),
        pronunciation=" ".join(one.phones),
        spelling=round(one.spelling, 3),
        sound=round(one.sound, 3),
        context=round(one.context, 3),
        meaning=None if one.meaning is None else round(one.meaning, 4),
    )


def words_of(
    wish: wire.AddWords | wire.ConfirmWord, outbox: Outbox, replies: Replies
) -> wire.AddWords | None:
    """Return the words that a client adds; None, and a complaint, where there was no such word."""
    if isinstance(wish, wire.AddWords):
        return wish
    told = outbox.unknown_word(wish.id)
    if told is None:
        replies.complain_of_unknown_word(wish.id)
        return None
    return confirmed(told, wish)


def confirmed(told: wire.UnknownWord, word: wire.ConfirmWord) -> wire.AddWords:
    """Return what adds a word that was told of: it sounds as it was heard.

    A candidate sounds as it was taken to as well; any other word, as it is spelled.
    """
    ways = [one.pronunciation for one in told.candidates if one.text == word.text.strip().lower()]
    pronunciations = tuple(dict.fromkeys((*(ways or [GUESSED]), told.phones)))
    new = wire.NewWord(text=word.text, pronunciations=pronunciations, boost=CONFIRMED_BOOST)
    return wire.AddWords(words=(new,), at=word.at)
