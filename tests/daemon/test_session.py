"""The session alone, with a recogniser that hears hummed notes: no sockets, no threads."""

from itertools import pairwise
from typing import TypeVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.fakes import NOTES, FakeRecogniser, finals, hum, murmur, pcm, silence, speak

from steno_daemon import wire
from steno_daemon.engine import perform
from steno_daemon.errors import OverloadedError
from steno_daemon.session import TRANSITIONS, Input, Offer, Session, State
from steno_daemon.wire import CloseReason, EndpointReason, ErrorCode
from steno_models.audio import resample
from steno_models.types import FloatArray

Events = list[wire.ServerMessage]
Event = TypeVar("Event")


class Run:
    """A session whose work is done as soon as it is there."""

    def __init__(self, start: wire.Start | None = None) -> None:
        self.session = Session("test", Offer())
        self.recogniser = FakeRecogniser()
        self.events: Events = []
        if start is not None:
            self.session.receive_start(start)
            self.work()

    def work(self) -> None:
        while work := self.session.work_to_do():
            self.session.work_done(*perform(self.recogniser, work, self.session.decoding))
            self.events += self.session.events_to_send()
        self.events += self.session.events_to_send()

    def hear(self, sound: FloatArray | bytes) -> None:
        self.session.receive_audio(sound if isinstance(sound, bytes) else pcm(sound))
        self.work()

    def finalize(self) -> None:
        self.session.receive_finalize()
        self.work()

    def stop(self) -> Events:
        self.session.receive_stop()
        self.work()
        return self.events

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def run(sound: FloatArray, start: wire.Start | None = None) -> Run:
    done = Run(start or wire.Start())
    for begin in range(0, len(sound), 320):
        done.hear(sound[begin : begin + 320])
    done.stop()
    return done


# What is heard.


def test_words_become_partials_then_a_final_then_an_endpoint() -> None:
    done = run(speak("do mi re"))
    kinds = [type(event) for event in done.events if not isinstance(event, wire.Acknowledged)]
    assert kinds[:2] == [wire.Ready, wire.SpeechStarted]
    assert set(kinds[2:-3]) == {wire.Partial}
    assert kinds[-3:] == [wire.Final, wire.Endpoint, wire.Closed]
    assert finals(done.events) == ["do mi re"]
    assert done.of(wire.Endpoint)[0].reason is EndpointReason.TRAILING_SILENCE
    assert done.session.state is State.CLOSED


def test_events_are_numbered_without_gaps() -> None:
    events = run(speak("do mi re")).events
    assert [event.seq for event in events] == list(range(len(events)))


def test_words_have_their_place_in_the_stream() -> None:
    sound = np.concatenate([speak("do", lead_s=2.0), speak("mi re", lead_s=3.0)])
    done = run(sound, wire.Start(word_times=True))
    words = [word for final in done.of(wire.Final) for word in final.words or ()]
    assert [word.text for word in words] == ["do", "mi", "re"]
    # 2 s lead, 0.3 s word, 1.2 s tail, 3 s lead; a step is 40 ms and frames look 25 ms ahead.
    for word, start in zip(words, (2.0, 6.5, 7.0), strict=True):
        assert word.start == pytest.approx(start, abs=0.08)
        assert word.end == pytest.approx(start + 0.3, abs=0.08)


def test_the_first_and_the_last_word_are_heard_whole_without_silence_around_them() -> None:
    sound = np.concatenate([silence(0.05), hum("do", 0.4), silence(0.2), hum("fa", 0.3)])
    assert finals(run(sound).events) == ["do fa"]


def test_silence_is_no_segment() -> None:
    done = run(silence(5.0))
    kinds = {type(event) for event in done.events}
    assert kinds == {wire.Ready, wire.Acknowledged, wire.Closed}
    assert done.recogniser.batches == []


def test_a_noise_without_words_has_an_endpoint_and_no_final() -> None:
    done = run(np.concatenate([silence(1.0), murmur(0.5), silence(2.0)]))
    assert len(done.of(wire.SpeechStarted)) == 1
    assert [event.reason for event in done.of(wire.Endpoint)] == [EndpointReason.EMPTY_SILENCE]
    assert finals(done.events) == []


def test_stable_text_is_a_prefix_of_all_that_follows() -> None:
    done = run(speak("do mi re fa so do re mi", gap_s=0.1))
    stable = ""
    partials = done.of(wire.Partial)
    assert len(partials) > 3
    for partial in partials:
        assert partial.stable_chars >= len(stable)
        assert partial.text.startswith(stable)
        stable = partial.text[: partial.stable_chars]
    assert stable
    assert finals(done.events)[0].startswith(stable)


def test_no_partials_if_none_are_wished_and_the_same_finals() -> None:
    sound = speak("do mi re")
    quiet = run(sound, wire.Start(partials=False))
    assert quiet.of(wire.Partial) == []
    assert quiet.of(wire.Final) == [
        msgspec.structs.replace(final, seq=quiet.of(wire.Final)[0].seq)
        for final in run(sound).of(wire.Final)
    ]


def test_alternatives_come_if_more_than_one_is_wished() -> None:
    assert run(speak("do mi")).of(wire.Final)[0].alternatives is None
    alternatives = run(speak("do mi"), wire.Start(n_best=3)).of(wire.Final)[0].alternatives
    assert alternatives is not None
    assert [entry.text for entry in alternatives] == ["do mi", "do"]
    assert alternatives[0].score > alternatives[1].score


# Any chunking gives the same events.


def told(events: Events) -> list[wire.ServerMessage]:
    """What must not depend on chunking: all but partials, acknowledgements and their numbers."""
    varying = wire.Partial | wire.Acknowledged | wire.Error
    return [
        msgspec.structs.replace(event, seq=0) for event in events if not isinstance(event, varying)
    ]


@settings(deadline=None, max_examples=15)
@given(
    text=st.lists(st.sampled_from(sorted(NOTES)), min_size=1, max_size=6).map(" ".join),
    gap_ms=st.integers(60, 1_200),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    cuts=st.lists(st.floats(0, 1), max_size=8),
    endpointing=st.sampled_from(
        [
            wire.Endpointing(),
            wire.Endpointing(max_utterance_s=1.0, trailing_silence_ms=100),
            wire.Endpointing(blank_silence_ms=200, pre_roll_ms=0),
        ]
    ),
    finalize_at=st.none() | st.floats(0, 1),
)
def test_the_same_audio_in_any_chunks_gives_the_same_events(
    text: str,
    gap_ms: int,
    rate: int,
    cuts: list[float],
    endpointing: wire.Endpointing,
    finalize_at: float | None,
) -> None:
    sound = speak(text, gap_s=gap_ms / 1000, lead_s=0.2, tail_s=0.5)
    data = pcm(resample(sound, 16_000, rate))
    start = wire.Start(rate=rate, endpointing=endpointing, word_times=True)
    finalize_byte = None if finalize_at is None else int(finalize_at * len(data)) // 2 * 2

    def heard(edges: list[int]) -> list[wire.ServerMessage]:
        stops = sorted({*edges, 0, len(data), *([finalize_byte] if finalize_byte else [])})
        taken = Run(start)
        for begin, end in pairwise(stops):
            taken.hear(data[begin:end])
            if end == finalize_byte:
                taken.finalize()
        return told(taken.stop())

    assert heard([int(cut * len(data)) for cut in cuts]) == heard(list(range(0, len(data), 1_001)))


def test_a_slow_engine_changes_nothing() -> None:
    sound = speak("do mi re fa", gap_s=0.9)
    late = Run(wire.Start())
    taken = []
    for begin in range(0, len(sound), 320):
        late.session.receive_audio(pcm(sound[begin : begin + 320]))
        taken += [work for work in [late.session.work_to_do()] if work]
    late.session.receive_stop()
    assert late.session.undecoded_s > 1
    (first,) = taken  # answered only after the end of the stream
    late.session.work_done(*perform(late.recogniser, first, late.session.decoding))
    late.work()
    assert told(late.events) == told(run(sound).events)


# Where utterances end.


def test_a_pause_parts_utterances_and_a_shorter_one_does_not() -> None:
    assert finals(run(speak("do mi", gap_s=0.4)).events) == ["do mi"]
    assert finals(run(speak("do mi", gap_s=1.0)).events) == ["do", "mi"]


def test_long_speech_is_cut_and_no_word_is_lost_or_said_twice() -> None:
    text = " ".join(["do", "mi", "re", "fa", "so"] * 6)
    start = wire.Start(endpointing=wire.Endpointing(max_utterance_s=3.0), word_times=True)
    done = run(speak(text, gap_s=0.08), start)
    assert " ".join(finals(done.events)) == text
    assert len(finals(done.events)) > 2
    ends = [event.time for event in done.of(wire.Endpoint)]
    for final, end in zip(done.of(wire.Final), ends, strict=True):
        assert final.end <= end
        assert end - final.start < 3.5


def test_long_speech_is_cut_at_a_short_pause_where_there_is_one() -> None:
    start = wire.Start(endpointing=wire.Endpointing(max_utterance_s=5.0))
    text = "do mi re fa so " * 2
    sound = np.concatenate(
        [
            speak(text, gap_s=0.08, tail_s=0.15),
            speak(text, gap_s=0.08, lead_s=0.15),
        ]
    )
    done = run(sound, start)
    assert finals(done.events) == [text.strip(), text.strip()]
    assert done.of(wire.Endpoint)[0].reason is EndpointReason.MAX_UTTERANCE


def test_words_under_steady_sound_end_when_the_model_hears_no_more() -> None:
    sound = np.concatenate([speak("do mi", tail_s=0.0), murmur(3.0), hum("re"), murmur(3.0)])
    done = run(sound, wire.Start(endpointing=wire.Endpointing(blank_silence_ms=800)))
    assert finals(done.events)[:2] == ["do mi", "re"]
    assert done.of(wire.Endpoint)[0].reason is EndpointReason.BLANK_SILENCE
    assert done.of(wire.Endpoint)[0].time < 4.5


def test_every_announced_segment_ends_once_and_segments_are_counted() -> None:
    start = wire.Start(endpointing=wire.Endpointing(max_utterance_s=2.0))
    done = run(speak("do mi re fa so " * 3, gap_s=0.08), start)
    started = [event.segment for event in done.of(wire.SpeechStarted)]
    assert started == list(range(len(started)))
    assert [event.segment for event in done.of(wire.Endpoint)] == started


# What a client may say meanwhile.


def test_finalize_gives_the_words_at_once_and_the_session_goes_on() -> None:
    talk = Run(wire.Start())
    talk.hear(speak("do mi", tail_s=0.0))
    assert finals(talk.events) == []
    talk.finalize()
    assert finals(talk.events) == ["do mi"]
    assert talk.of(wire.Endpoint)[0].reason is EndpointReason.FINALIZE
    assert talk.of(wire.Acknowledged)[-1].samples == len(speak("do mi", tail_s=0.0))
    talk.hear(speak("re"))
    talk.stop()
    assert finals(talk.events) == ["do mi", "re"]
    assert len(talk.of(wire.SpeechStarted)) == 2


def test_finalize_in_silence_is_answered_by_an_acknowledgement() -> None:
    talk = Run(wire.Start(rate=8_000))
    talk.hear(bytes(2 * 1_234))
    talk.finalize()
    assert talk.of(wire.Acknowledged)[-1].samples == 1_234
    assert talk.of(wire.Endpoint) == []


def test_finalize_within_a_word_loses_nothing_of_what_follows() -> None:
    sound = speak("do mi re", lead_s=0.5, tail_s=1.0)
    talk = Run(wire.Start())
    talk.hear(sound[: int(1.15 * 16_000)])  # half of "mi"
    talk.finalize()
    talk.hear(sound[int(1.15 * 16_000) :])
    talk.stop()
    assert " ".join(finals(talk.events)) in {"do mi mi re", "do mi re"}
    assert talk.of(wire.Final)[0].text.startswith("do")
    assert talk.of(wire.Final)[-1].text.endswith("re")


def test_configure_changes_the_rules_for_what_follows() -> None:
    talk = Run(wire.Start())
    talk.hear(speak("do mi", gap_s=0.4))
    talk.session.receive_configure(wire.Endpointing(trailing_silence_ms=250, vad_aggressiveness=3))
    talk.hear(speak("re fa", gap_s=0.4))
    assert finals(talk.stop()) == ["do mi", "re", "fa"]


def test_a_ping_is_answered_in_every_state_before_the_end() -> None:
    talk = Run()
    talk.session.receive_ping(1)
    talk.session.receive_start(wire.Start())
    talk.session.receive_ping(2)
    talk.session.receive_audio(pcm(speak("do")))
    talk.session.receive_stop()
    talk.session.receive_ping(3)
    talk.work()
    talk.session.receive_ping(4)
    talk.work()
    assert [pong.id for pong in talk.of(wire.Pong)] == [1, 2, 3]


def test_stop_brings_the_last_words_and_acknowledges_every_sample() -> None:
    talk = Run(wire.Start(rate=48_000))
    sound = resample(speak("do mi", tail_s=0.05), 16_000, 48_000)
    talk.hear(sound)
    talk.stop()
    assert finals(talk.events) == ["do mi"]
    assert talk.of(wire.Endpoint)[0].reason is EndpointReason.STOP
    assert talk.of(wire.Acknowledged)[-1].samples == len(sound)
    assert isinstance(talk.events[-1], wire.Closed)
    assert talk.events[-1].reason is CloseReason.STOPPED


def test_the_daemon_can_end_a_session_and_says_so() -> None:
    talk = Run(wire.Start())
    talk.hear(speak("do mi", tail_s=0.1))
    talk.session.end(CloseReason.SHUTDOWN)
    talk.session.end(CloseReason.IDLE)
    talk.work()
    assert finals(talk.events) == ["do mi"]
    assert [event.reason for event in talk.of(wire.Closed)] == [CloseReason.SHUTDOWN]


# What goes wrong.


def send(session: Session, what: Input) -> None:
    match what:
        case Input.START:
            session.receive_start(wire.Start())
        case Input.AUDIO:
            session.receive_audio(bytes(320))
        case Input.CONFIGURE:
            session.receive_configure(wire.Endpointing())
        case Input.FINALIZE:
            session.receive_finalize()
        case Input.STOP:
            session.receive_stop()


def in_state(state: State) -> Run:
    talk = Run(None if state is State.IDLE else wire.Start())
    if state in (State.DRAINING, State.CLOSED):
        talk.session.receive_audio(pcm(speak("do")))
        talk.session.receive_stop()
    if state is State.CLOSED:
        talk.work()
    talk.session.events_to_send()
    assert talk.session.state is state
    return talk


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("what", list(Input))
def test_what_does_not_fit_the_state_is_an_error_that_changes_nothing(
    state: State, what: Input
) -> None:
    talk = in_state(state)
    send(talk.session, what)
    errors = [e for e in talk.session.events_to_send() if isinstance(e, wire.Error)]
    if (state, what) in TRANSITIONS:
        assert errors == []
        assert talk.session.state is TRANSITIONS[state, what]
        return
    assert talk.session.state is state
    if state is State.CLOSED:
        assert errors == []
        return
    assert errors[0].code is ErrorCode.UNEXPECTED_MESSAGE
    assert errors[0].found == what.value
    assert errors[0].expected
    assert not errors[0].fatal


def test_audio_before_start_is_told_once_not_for_every_frame() -> None:
    talk = Run()
    for _ in range(50):
        talk.session.receive_audio(bytes(320))
    errors = talk.session.events_to_send()
    assert len(errors) == 1
    assert isinstance(errors[0], wire.Error)
    assert errors[0].expected == "start or stop"
    talk.session.receive_start(wire.Start())
    talk.hear(speak("do"))
    assert finals(talk.stop()) == ["do"]


def test_a_message_cut_within_a_sample_is_told_and_joined_to_the_next() -> None:
    data = pcm(speak("do mi"))
    talk = Run(wire.Start())
    talk.hear(data[:10_001])
    talk.hear(data[10_001:20_003])
    talk.hear(data[20_003:])
    assert finals(talk.stop()) == ["do mi"]
    errors = talk.of(wire.Error)
    assert len(errors) == 1
    assert errors[0].code is ErrorCode.INVALID_AUDIO
    assert errors[0].expected == "a multiple of 2 bytes"
    assert "10001 bytes" in str(errors[0].found)
    assert not errors[0].fatal


def test_an_unknown_language_model_is_named_and_the_client_may_try_again() -> None:
    talk = Run(wire.Start(language_model="radiology"))
    error = talk.of(wire.Error)[0]
    assert error.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL
    assert (error.expected, error.found) == ("one of general", "radiology")
    assert not error.fatal
    talk.session.receive_start(wire.Start())
    talk.work()
    assert isinstance(talk.events[-1], wire.Ready)


def test_a_full_daemon_refuses_and_says_when_to_come_back() -> None:
    def full() -> None:
        raise OverloadedError("the daemon is busy", retry_after_s=5.0)

    session = Session("test", Offer(), admit=full)
    session.receive_start(wire.Start())
    error, closed = session.events_to_send()
    assert isinstance(error, wire.Error)
    assert (error.code, error.fatal, error.retry_after_s) == (ErrorCode.OVERLOADED, True, 5.0)
    assert closed == wire.Closed(seq=1, reason=CloseReason.REFUSED)
    assert session.state is State.CLOSED


def test_if_the_recogniser_fails_the_words_so_far_are_still_told() -> None:
    talk = Run(wire.Start())
    talk.hear(speak("do mi", tail_s=0.5))
    assert finals(talk.events) == []
    talk.session.receive_audio(pcm(silence(0.5)))
    assert talk.session.work_to_do() is not None
    talk.session.work_failed("it broke")
    talk.work()
    assert finals(talk.events) == ["do mi"]
    assert talk.of(wire.Endpoint)[0].reason is EndpointReason.FAILED
    assert isinstance(talk.events[-2], wire.Error)
    assert talk.events[-2].fatal
    assert talk.events[-1] == wire.Closed(seq=talk.events[-1].seq, reason=CloseReason.FAILED)
    talk.session.receive_audio(pcm(silence(0.5)))
    assert talk.session.work_to_do() is None


def test_numbers_that_are_none_do_not_spoil_the_stream() -> None:
    sound = speak("do mi").astype("<f4")
    sound[3_000:3_010] = np.nan
    sound[4_000] = np.inf
    talk = Run(wire.Start(encoding=wire.Encoding.PCM_F32LE))
    talk.hear(sound.tobytes())
    assert finals(talk.stop()) == ["do mi"]
