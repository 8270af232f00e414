"""What a client may say to a session, and what goes wrong."""

import numpy as np
import pytest
from tests.daemon.fakes import finals, pcm, silence, speak
from tests.daemon.listening import Run

from steno_daemon import wire
from steno_daemon.errors import OverloadedError
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_daemon.states import TRANSITIONS, Input, State
from steno_daemon.wire import CloseReason, EndpointReason, ErrorCode
from steno_models.audio import resample

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


def test_finalize_in_silence_is_answered() -> None:
    talk = Run(wire.Start(rate=8_000))
    talk.hear(bytes(2 * 1_234))
    talk.finalize()
    assert talk.of(wire.Finalized)[-1].samples == 1_234
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
    wish = wire.Endpointing(trailing_silence_ms=250, vad_aggressiveness=3)
    talk.session.receive_configure(wire.Configure(endpointing=wish))
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
            session.receive_configure(wire.Configure())
        case Input.ADD_WORDS:
            session.receive_add_words(wire.AddWords(words=()))
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
    def full(_transcripts: int, *, is_resumed: bool) -> None:
        assert not is_resumed
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


def test_audio_is_noted_before_anything_comes_of_it_and_only_if_it_is_taken() -> None:
    happened: list[object] = []
    session = Session("test", Offer(session_s=0.5), note=happened.append, observe=happened.append)
    sound = pcm(silence(0.6))
    session.receive_audio(sound)
    session.receive_start(wire.Start())
    session.receive_audio(sound)
    session.receive_audio(sound)
    assert [what if isinstance(what, bytes) else type(what) for what in happened] == [
        wire.Error,
        wire.Ready,
        sound,
        wire.Error,
        wire.Stop,
    ]
