"""A session changes its language model while it runs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.fakes import RATE, FakeRecogniser, finals, pcm, silence, speak
from tests.daemon.listening import Run

from steno_daemon import wire
from steno_daemon.domains import Domains
from steno_daemon.engine import perform
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.outbox import is_durable
from steno_daemon.session import Session
from steno_daemon.wire import When
from steno_models.recogniser import State, Update
from steno_models.recogniser import Work as Chunk
from steno_models.types import FloatArray

FIRST = speak("do re mi", gap_s=0.1)
SECOND = speak("so fa")
SOUND = np.concatenate([FIRST, SECOND])
IN_FIRST = round(1.6 * RATE)


class Talk(Run):
    """A session that may have two language models."""

    def __init__(self, start: wire.Start | None = None) -> None:
        super().__init__()
        self.domains = Domains(("general", "legal"))
        self.session = Session("test", Offer(self.domains))
        self.session.receive_start(start or wire.Start())
        self.work()

    def hear_in_blocks(self, samples: FloatArray, n: int) -> None:
        for begin in range(0, len(samples), n):
            self.hear(samples[begin : begin + n])

    def switch(self, name: str, at: When) -> None:
        self.session.receive_configure(wire.Configure(language_model=name, at=at))
        self.work()

    def holds(self, name: str) -> bool:
        return "test" in self.domains.newest(name).holders


def switched(at: When, *, block: int = 800) -> Talk:
    """A session whose model changes within the first utterance."""
    talk = Talk()
    talk.hear_in_blocks(SOUND[:IN_FIRST], block)
    talk.switch("legal", at)
    talk.hear_in_blocks(SOUND[IN_FIRST:], block)
    talk.stop()
    return talk


def begun_with(name: str) -> list[str]:
    talk = Talk(wire.Start(language_model=name))
    talk.hear(SOUND)
    return finals(talk.stop())


def test_at_the_next_segment_the_open_one_keeps_its_words() -> None:
    talk = switched(When.SEGMENT)
    assert finals(talk.events) == ["do re mi", "legal-so legal-fa"]
    [event] = talk.of(wire.Switched)
    assert (event.language_model, event.version, event.segment) == ("legal", 1, None)
    kinds = [type(e) for e in talk.events if isinstance(e, wire.Switched | wire.Endpoint)]
    assert kinds == [wire.Endpoint, wire.Switched, wire.Endpoint]


def test_now_the_open_segment_reads_as_if_it_had_begun_with_the_other_model() -> None:
    talk = switched(When.NOW)
    assert finals(talk.events) == begun_with("legal") == ["legal-do legal-re legal-mi",
                                                          "legal-so legal-fa"]  # fmt: skip
    [event] = talk.of(wire.Switched)
    assert event.segment == 0
    assert event.time == pytest.approx(IN_FIRST / RATE, abs=0.01)
    before = talk.events[: talk.events.index(event)]
    assert [e.text for e in before if isinstance(e, wire.Partial)]
    after = talk.events[talk.events.index(event) + 1]
    assert isinstance(after, wire.Partial)
    assert after.text.startswith("legal-do")


def test_now_counts_before_more_audio_comes() -> None:
    talk = Talk()
    talk.hear_in_blocks(SOUND[: IN_FIRST + 640], 640)
    talk.switch("legal", When.NOW)
    [event] = talk.of(wire.Switched)
    assert event.time == pytest.approx((IN_FIRST + 640) / RATE, abs=0.01)
    after = talk.events[talk.events.index(event) + 1]
    assert isinstance(after, wire.Partial)
    assert after.text.startswith("legal-do")


class OfFewWords(FakeRecogniser):
    """Hears nothing with a language model that is not the general one."""

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        return [
            (replace(update, words=(), stable_words=0), state)
            if any(word.text.startswith("legal") for word in update.words)
            else (update, state)
            for update, state in super().step(work)
        ]


def test_where_the_other_model_hears_nothing_what_was_shown_is_taken_back_at_once() -> None:
    talk = Talk()
    talk.recogniser = OfFewWords()
    talk.hear_in_blocks(SOUND[:IN_FIRST], 800)
    talk.switch("legal", When.NOW)
    [event] = talk.of(wire.Switched)
    before, after = (talk.events[talk.events.index(event) + k] for k in (-1, 1))
    assert isinstance(before, wire.Partial)
    assert isinstance(after, wire.Partial)
    assert (bool(before.text), after.text, after.stable_chars) == (True, "", 0)
    talk.hear_in_blocks(SOUND[IN_FIRST:], 800)
    assert not any(e.text for e in talk.of(wire.Partial) if e.seq > event.seq)


def test_where_nothing_was_shown_nothing_is_taken_back() -> None:
    talk = Talk()
    talk.recogniser = OfFewWords()
    begun = round(0.8 * RATE)  # speech that nobody has decoded
    talk.hear_in_blocks(SOUND[:begun], 800)
    talk.switch("legal", When.NOW)
    talk.hear_in_blocks(SOUND[begun:IN_FIRST], 800)
    [event] = talk.of(wire.Switched)
    assert event.segment == 0
    assert not talk.of(wire.Partial)


def test_only_what_is_wished_at_once_and_waits_for_work_presses() -> None:
    talk = Talk()
    talk.hear(SOUND[:IN_FIRST])
    session = talk.session
    pressed = []
    while (work := session.work_to_do()) is None:
        session.receive_audio(pcm(SOUND[IN_FIRST : IN_FIRST + RATE]))
    pressed.append(session.is_pressed)
    session.receive_configure(wire.Configure(language_model="legal", at=When.SEGMENT))
    pressed.append(session.is_pressed)
    session.receive_configure(wire.Configure(language_model="legal", at=When.NOW))
    pressed.append(session.is_pressed)
    session.work_done(*perform(talk.recogniser, work, session.decoding))
    pressed.append(session.is_pressed)
    assert pressed == [False, False, True, False]


@settings(max_examples=10, deadline=None)
@given(block=st.integers(100, 20_000), at=st.sampled_from(When))
def test_any_cutting_of_the_audio_gives_the_same_words(block: int, at: When) -> None:
    assert finals(switched(at, block=block).events) == finals(switched(at).events)


def test_between_segments_both_ways_are_one() -> None:
    for at in When:
        talk = Talk()
        talk.hear(silence(2.0))
        talk.switch("legal", at)
        [event] = talk.of(wire.Switched)
        assert event.segment is None
        talk.hear(SECOND)
        assert finals(talk.stop()) == ["legal-so legal-fa"]


def test_a_name_that_is_not_there_changes_nothing() -> None:
    talk = Talk()
    talk.hear(FIRST[:IN_FIRST])
    wish = wire.Configure(
        language_model="../general",
        at=When.NOW,
        endpointing=wire.Endpointing(trailing_silence_ms=100),
    )
    talk.session.receive_configure(wish)
    talk.hear(SOUND[IN_FIRST:])
    assert finals(talk.stop()) == begun_with("general")
    [error] = talk.of(wire.Error)
    assert (error.code, error.fatal) == (wire.ErrorCode.UNKNOWN_LANGUAGE_MODEL, False)
    assert (error.expected, error.found) == ("one of general, legal", "../general")


def test_a_session_holds_what_it_needs_and_lets_go_of_the_rest() -> None:
    talk = Talk()
    talk.hear(FIRST[:IN_FIRST])
    talk.switch("legal", When.SEGMENT)
    assert talk.holds("general")
    assert talk.holds("legal")
    talk.hear(FIRST[IN_FIRST:])
    talk.hear(SECOND[:RATE])
    assert not talk.holds("general")
    assert talk.holds("legal")
    talk.stop()
    assert not talk.holds("legal")


def test_a_session_that_is_dropped_holds_nothing() -> None:
    talk = Talk()
    talk.hear(FIRST[:IN_FIRST])
    talk.session.let_go()
    assert not talk.holds("general")
    talk.session.let_go()


def test_every_channel_changes() -> None:
    talk = Talk(wire.Start(channels=2, separate_channels=True))
    both = pcm(np.repeat(SOUND, 2))
    talk.hear(both[: 4 * IN_FIRST])
    talk.switch("legal", When.NOW)
    talk.hear(both[4 * IN_FIRST :])
    talk.stop()
    assert {event.channel for event in talk.of(wire.Switched)} == {0, 1}
    assert finals(talk.events).count("legal-do legal-re legal-mi") == 2


def restored(domains: Domains, talk: Talk) -> Session:
    kept = tuple(event for event in talk.events if is_durable(event))
    session = Session("test", Offer(domains))
    session.restore(Snapshot(wire.Start(), talk.session.checkpoints, kept))
    return session


def test_the_next_daemon_goes_on_with_the_model_that_was_changed_to() -> None:
    talk = Talk()
    talk.hear(FIRST[:IN_FIRST])
    talk.switch("legal", When.NOW)
    [checkpoint] = talk.session.checkpoints
    assert checkpoint.language_model == "legal"
    later = Talk()
    later.session = restored(later.domains, talk)
    later.hear(SOUND[checkpoint.position :])
    assert finals(later.stop()) == begun_with("legal")


def test_where_the_next_daemon_has_no_such_model_it_says_so_and_takes_the_general_one() -> None:
    talk = Talk()
    talk.hear(FIRST[:IN_FIRST])
    talk.switch("legal", When.NOW)
    later = Talk()
    later.session = restored(Domains(("general",)), talk)
    later.hear(SOUND)
    assert finals(later.stop()) == begun_with("general")
    [error] = later.of(wire.Error)
    assert error.code is wire.ErrorCode.UNKNOWN_LANGUAGE_MODEL
