"""Finals as people write them: what sessions may wish, and that nothing else changes."""

import msgspec
import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, pcm, speak

from steno_daemon import wire
from steno_daemon.captions.cues import timed_words
from steno_daemon.captions.replacements import Replacements
from steno_daemon.engine import perform
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.session import Session
from steno_daemon.wire import EndpointReason
from steno_daemon.writing import Writing
from steno_models.punctuation.labelled import Case, Mark
from steno_models.punctuation.model import END, Punctuator

PUNCTUATOR = Punctuator(
    marks=np.zeros((2, len(Mark)), np.int8),
    cases=np.zeros((2, len(Case)), np.int8),
    mark_scale=1.0,
    # a stop where the final ends, else nothing; without silence at the end nothing, too
    pauses=np.array([[1.0, 0, 0, 0, 0]] * END + [[0.0, 0, 1, 0, 0], [0.0] * 5]),
)
WRITING = Writing(PUNCTUATOR, punctuate=True, numbers=True)


def a_final(text: str, *, start: float = 0.0, segment: int = 0) -> wire.Final:
    words = tuple(
        wire.Word(text=word, start=start + at, end=start + at + 0.5, confidence=0.9 - 0.1 * at)
        for at, word in enumerate(text.split())
    )
    return wire.Final(
        seq=0,
        segment=segment,
        text=text,
        start=words[0].start,
        end=words[-1].end,
        confidence=0.8,
        words=words,
    )


def heard(sound: list[str], start: wire.Start, writing: Writing = WRITING) -> list[wire.Final]:
    """The finals of a session that hears these phrases, a silence behind each."""
    session, recogniser = Session("test", Offer(writing=writing)), FakeRecogniser()
    session.receive_start(start)
    session.receive_audio(pcm(np.concatenate([speak(phrase) for phrase in sound])))
    session.receive_stop()
    while work := session.work_to_do():
        done = perform(recogniser, work, session.decoding)
        session.work_done(*done, channel=work.channel)
    return [event for event in session.events_to_send() if isinstance(event, wire.Final)]


def test_a_final_has_its_words_and_what_is_written_for_them() -> None:
    final = WRITING.final(a_final("mi paid twenty five dollars"), EndpointReason.STOP, None)
    assert final.text == "mi paid twenty five dollars"
    assert final.written == final.shown == "Mi paid $25."
    assert final.written_words is not None
    assert [(word.text, word.words) for word in final.written_words] == [
        ("Mi", 1), ("paid", 1), ("$25.", 3)
    ]  # fmt: skip
    assert (final.written_words[2].start, final.written_words[2].end) == (2.0, 4.5)
    assert final.written_words[2].confidence == pytest.approx(0.5)


def test_a_cut_within_speech_lets_the_sentence_go_on() -> None:
    first = WRITING.final(a_final("do re"), EndpointReason.MAX_UTTERANCE, None)
    assert first.written == "Do re"
    second = WRITING.final(a_final("mi fa", start=2.0), EndpointReason.STOP, first)
    assert second.written == "mi fa."
    third = WRITING.final(a_final("so la", start=4.0), EndpointReason.STOP, second)
    assert third.written == "So la."


def test_a_sentence_begins_behind_a_long_silence() -> None:
    first = WRITING.final(a_final("do re"), EndpointReason.MAX_UTTERANCE, None)
    second = WRITING.final(a_final("mi fa", start=9.0), EndpointReason.STOP, first)
    assert second.written == "Mi fa."


@pytest.mark.parametrize(
    ("wish", "written"),
    [
        (wire.Start(), "Do re."),
        (wire.Start(punctuate=True), "Do re."),
        (wire.Start(punctuate=False), "do re"),
        (wire.Start(punctuate=False, written_numbers=False), None),
    ],
)
def test_a_session_says_how_its_finals_are_written(wish: wire.Start, written: str | None) -> None:
    (final,) = heard(["do re"], wish)
    assert (final.text, final.written) == ("do re", written)


def test_the_daemon_decides_where_a_session_does_not() -> None:
    plain = Writing(PUNCTUATOR)
    assert heard(["do re"], wire.Start(), plain)[0].written is None
    assert heard(["do re"], wire.Start(punctuate=True), plain)[0].written == "Do re."


def test_another_language_is_not_written() -> None:
    assert heard(["do re"], wire.Start(punctuate=True), Writing())[0].written is None


def test_nothing_but_what_is_written_changes() -> None:
    start = wire.Start(word_times=True)
    with_it = heard(["do re mi", "fa so"], start)
    without = heard(["do re mi", "fa so"], start, Writing())
    assert [final.written for final in with_it] == ["Do re mi.", "Fa so."]
    bare = [msgspec.structs.replace(one, written=None, written_words=None) for one in with_it]
    assert bare == without


def test_written_words_come_where_words_do() -> None:
    assert heard(["do re"], wire.Start(word_times=True))[0].written_words is not None
    assert heard(["do re"], wire.Start())[0].written_words is None


def test_a_session_taken_up_again_knows_the_final_before() -> None:
    first = WRITING.final(a_final("do re"), EndpointReason.MAX_UTTERANCE, None)
    kept = msgspec.structs.replace(first, words=None, written_words=None)
    session = Session("test", Offer(writing=WRITING))
    snapshot = Snapshot(wire.Start(), session.checkpoints, (kept,))
    assert snapshot.newest == [kept]
    following = a_final("mi fa", start=2.0, segment=1)
    assert WRITING.final(following, EndpointReason.STOP, kept) == WRITING.final(
        following, EndpointReason.STOP, first
    )


def test_captions_show_what_is_written() -> None:
    final = WRITING.final(a_final("mi paid twenty five dollars"), EndpointReason.STOP, None)
    assert [word.text for word in timed_words(final)] == ["Mi", "paid", "$25."]
    spread = msgspec.structs.replace(final, words=None, written_words=None)
    assert [word.text for word in timed_words(spread)] == ["Mi", "paid", "$25."]


def test_replacements_count_for_what_is_written() -> None:
    final = WRITING.final(a_final("mi paid steno graph"), EndpointReason.STOP, None)
    shown = Replacements({"steno graph": "stenograph"}).final(final)
    assert shown is not None
    assert (shown.text, shown.written) == ("mi paid stenograph", "Mi paid stenograph.")
    assert shown.written_words is not None
    assert [word.words for word in shown.written_words] == [1, 1, 2]
