"""Recognisers that answer nonsense: the session ends in words, and what was known is told."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import serving, talking

from steno_daemon import wire
from steno_daemon.errors import WireError
from steno_daemon.outbox import Outbox
from steno_daemon.replies import Replies
from steno_daemon.soundness import check
from steno_daemon.wire import CloseReason, ErrorCode
from steno_daemon.writing import Writing
from steno_models.recogniser import Alternative, State, Update, Word
from steno_models.recogniser import Work as Chunk

SOUND = Update((Word("do", 1, 3, 0.5),), 1, 4, 0, (Alternative((Word("do", 1, 3, 0.5),), -1.0),))
Spoil = Callable[[Any], Any]
WRONG: dict[str, Spoil] = {
    "no update": lambda _: None,
    "no words": lambda good: replace(good, words=None),
    "words that are texts": lambda good: replace(good, words=("do",)),
    "a word without a text": lambda good: replace(good, words=(Word(None, 1, 2, 0.5),)),  # type: ignore[arg-type]
    "a place that is none": lambda good: replace(good, words=(Word("do", None, 2, 0.5),)),  # type: ignore[arg-type]
    "a confidence that is none": lambda good: replace(
        good, words=(Word("do", 1, 2, float("nan")),)
    ),
    "no count of stable words": lambda good: replace(good, stable_words=None),
    "no count of steps": lambda good: replace(good, steps="many"),
    "silence that is none": lambda good: replace(good, trailing_blank_steps=None),
    "alternatives that are none": lambda good: replace(good, alternatives=None),
    "an alternative without words": lambda good: replace(
        good, alternatives=(Alternative(None, -1.0),)  # type: ignore[arg-type]
    ),
    "a score that is none": lambda good: replace(
        good, alternatives=(Alternative((), None),)  # type: ignore[arg-type]
    ),
}  # fmt: skip


class Confused(FakeRecogniser):
    """Answers well until it has heard so many words, and then nonsense."""

    def __init__(self, spoil: Spoil, *, words: int) -> None:
        super().__init__()
        self._spoil = spoil
        self._words = words

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        return [
            (self._spoil(update) if len(update.words) >= self._words else update, state)
            for update, state in super().step(work)
        ]


async def said(recogniser: FakeRecogniser, *then: wire.ClientMessage) -> list[wire.ServerMessage]:
    """All that a session says that hears three words."""
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        served.daemon.engine._recogniser = recogniser
        await talk.say(wire.Start(), pcm(speak("do mi re", gap_s=0.6)), *then)
        events = await talk.rest()
        await served.nobody_is_left()
        return events


def test_what_is_sound_passes() -> None:
    check(SOUND)
    check(Update((), 0, 0, 0))


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_sense_is_turned_away_with_what_was_expected(what: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r"nonsense: expected .*, found ") as caught:
        check(WRONG[what](SOUND))
    assert "'do'" not in str(caught.value)


@pytest.mark.parametrize("what", WRONG)
async def test_a_session_whose_recogniser_answers_nonsense_ends_in_words(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = await said(Confused(WRONG[what], words=2))
    error, closed = events[-2:]
    assert isinstance(error, wire.Error)
    assert (error.code, error.fatal) == (ErrorCode.INTERNAL, True)
    assert isinstance(closed, wire.Closed)
    assert closed.reason is CloseReason.FAILED
    assert finals(events) == ["do"]  # what was known before the nonsense
    assert caplog.text.count("a fault of the daemon") == 1


@pytest.mark.parametrize("then", [(), (wire.Stop(),)])
async def test_a_session_whose_last_words_cannot_be_told_ends_all_the_same(
    then: tuple[wire.ClientMessage, ...],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def confused(*_: object) -> wire.Final:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Writing, "final", confused)
    events = await said(FakeRecogniser(), *then)
    assert sum(isinstance(event, wire.Closed) for event in events) == 1
    error, closed = events[-2:]
    assert isinstance(error, wire.Error)
    assert (error.code, error.fatal) == (ErrorCode.INTERNAL, True)
    assert isinstance(closed, wire.Closed)
    assert closed.reason is CloseReason.FAILED
    assert "a fault of the daemon" in caplog.text


def test_what_a_client_did_is_told_with_what_was_expected() -> None:
    outbox = Outbox()
    wrong = WireError(ErrorCode.INVALID_AUDIO, "no audio", expected="sound", found="a picture")
    Replies(outbox).fail_for(wrong, retry_after_s=2.0)
    [error] = outbox.take()
    assert isinstance(error, wire.Error)
    assert (error.code, error.expected, error.found) == (
        ErrorCode.INVALID_AUDIO,
        "sound",
        "a picture",
    )
    assert (error.fatal, error.retry_after_s) == (True, 2.0)
