"""Unknown words behind a session: told behind their final, confirmed as they were heard."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, pcm, speak

from steno_daemon import wire
from steno_daemon.candidates import telling_of_unknown_words
from steno_daemon.engine import perform
from steno_daemon.happenings import Ended
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_daemon.unheard import CONFIRMED_BOOST, confirmed, unknown_words
from steno_models.recogniser import CandidateWord, UnknownWord

if TYPE_CHECKING:
    from steno_models.bundle import Bundle

GUESS = CandidateWord("domino", ("D", "AA", "M"), 0.8, -1.0, -2.0, -9.0)
FOUND = UnknownWord("do mi", 1, 6, ("D", "AH", "M"), 0.9, (GUESS,))


def _events(start: wire.Start) -> tuple[Session, list[wire.ServerMessage]]:
    """Speak, with a recogniser that calls the first words of each segment unknown."""
    recogniser = FakeRecogniser()
    session, told = Session("test", Offer(chunk_ms=640)), list[wire.ServerMessage]()

    def answer() -> None:
        while (work := session.work_to_do()) is not None:
            update, state = perform(recogniser, work, session.decoding)
            wanted = session.decoding.unknown_words and work.is_last and update.words
            told_of = replace(update, unknown=(FOUND,), unknown_s=0.0) if wanted else update
            session.work_done(told_of, state, channel=work.channel)
        told.extend(session.events_to_send())

    session.receive_start(start)
    session.receive_audio(pcm(np.concatenate([speak("do mi so"), np.zeros(32_000, np.float32)])))
    answer()
    return session, told


def test_an_unknown_word_comes_behind_its_final() -> None:
    _, events = _events(wire.Start())
    [place] = [i for i, event in enumerate(events) if isinstance(event, wire.UnknownWord)]
    final, event = events[place - 1], events[place]
    assert isinstance(final, wire.Final)
    assert isinstance(event, wire.UnknownWord)
    assert (event.segment, event.text, event.phones) == (final.segment, "do mi", "D AH M")
    assert event.candidates[0].text == "domino"
    assert 0 <= event.start < event.end
    assert wire.decode_server(wire.encode(event)) == event


def test_a_session_that_does_not_wish_them_hears_of_none() -> None:
    _, events = _events(wire.Start(unknown_words=False))
    assert any(isinstance(event, wire.Final) for event in events)
    assert not any(isinstance(event, wire.UnknownWord) for event in events)


def test_a_word_is_confirmed_with_what_was_heard() -> None:
    [told] = unknown_words(
        Ended(3, 0, 16_000, wire.EndpointReason.STOP, (), (), (FOUND,)), channel=1
    )
    assert told.id == "1-3-0"
    candidate = confirmed(told, wire.ConfirmWord(id=told.id, text="domino"))
    assert candidate.words[0].pronunciations == ("D AA M", "D AH M")
    assert candidate.words[0].boost == CONFIRMED_BOOST
    typed = confirmed(told, wire.ConfirmWord(id=told.id, text="dommy", at=wire.When.NOW))
    assert typed.words[0].pronunciations == ("*", "D AH M")
    assert typed.at is wire.When.NOW


def test_confirming_what_was_never_told_of_is_answered_with_what_was_expected() -> None:
    session, _ = _events(wire.Start())
    session.receive_add_words(wire.ConfirmWord(id="9-9-9", text="domino"))
    [error] = [one for one in session.events_to_send() if isinstance(one, wire.Error)]
    assert (error.fatal, error.found) == (False, "9-9-9")


def test_confirming_adds_the_word() -> None:
    session, _ = _events(wire.Start())
    session.receive_add_words(wire.ConfirmWord(id="0-0-0", text="domino"))
    [answer] = [one for one in session.events_to_send() if isinstance(one, wire.Vocabulary)]
    assert [one.text for one in answer.refused] == ["domino"]  # nobody extends a fake


def test_candidates_that_are_missing_leave_the_recogniser_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recogniser = FakeRecogniser()
    loaded = cast(
        "Bundle",
        SimpleNamespace(
            path=tmp_path,
            name="fake",
            recogniser=recogniser,
            first_pass=recogniser,
            description=SimpleNamespace(family="none"),
        ),
    )
    assert telling_of_unknown_words(loaded, None) == (recogniser, "off")
    with caplog.at_level(logging.WARNING):
        same, says = telling_of_unknown_words(loaded, tmp_path / "nowhere")
    assert same is recogniser
    assert says.startswith("failed: expected a bundle of the family ctc")
    assert "nobody is told of unknown words" in caplog.text
