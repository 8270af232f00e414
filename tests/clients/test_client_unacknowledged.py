"""What is kept until the daemon needs it no more, and when to try again; without any socket."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineError,
    ProtocolError,
    ServerError,
    SessionEndedError,
    StenoClientsError,
)
from steno_clients.resumption import Outage, Resumption, is_interruption, may_pass, wish_s
from steno_clients.unacknowledged import Content, Unacknowledged
from steno_daemon.wire import (
    CloseReason,
    Configure,
    Encoding,
    Endpointing,
    Error,
    ErrorCode,
    Finalize,
    Finalized,
    Ping,
    Pong,
    Resumed,
    Start,
    Stop,
)

TELEPHONE = Start(encoding=Encoding.MULAW, rate=8_000)


def resumed(samples: int) -> Resumed:
    return Resumed(seq=0, session="s", samples=samples, bytes=samples)


@dataclass
class Listener:
    """Whoever gets what is sent, one byte a sample."""

    audio: bytearray = field(default_factory=bytearray)
    said: list[tuple[int, Content]] = field(default_factory=list)

    def hear(self, content: Content) -> None:
        if isinstance(content, bytes):
            self.audio += content
        else:
            self.said.append((len(self.audio), content))

    def forget(self, keep: int, doubtful: int) -> None:
        """Know only the audio up to a byte, and of the messages there only some."""
        del self.audio[keep:]
        sure = [(place, what) for place, what in self.said if place < keep]
        self.said = sure + [(place, what) for place, what in self.said if place == keep][:doubtful]


contents = st.one_of(
    st.integers(1, 40),
    st.integers(1, 40),
    st.just(Finalize()),
    st.integers(100, 102).map(
        lambda ms: Configure(endpointing=Endpointing(trailing_silence_ms=ms))
    ),
)
turns = st.lists(
    st.one_of(
        st.tuples(st.just("append"), contents),
        st.tuples(st.just("append"), contents),
        st.tuples(st.just("send"), st.integers(1, 5)),
        st.tuples(st.just("acknowledge"), st.floats(0, 1)),
        st.tuples(st.just("break"), st.tuples(st.floats(0, 1), st.integers(0, 3))),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(turns=turns)
def test_whatever_breaks_wherever_everything_arrives_once_and_at_its_place(
    turns: "list[tuple[str, object]]",
) -> None:
    log, listener = Unacknowledged(TELEPHONE, limit_s=1.0, is_kept=True), Listener()
    audio, told, acknowledged = bytearray(), [], 0
    for act, what in turns:
        match act, what:
            case "append", int(size):
                piece = bytes((len(audio) + k) % 251 for k in range(size))
                log.append(piece)
                audio += piece
            case "append", Finalize() | Configure() as message:
                log.append(message)
                told.append((len(audio), message))
            case "send", int(count):
                for _ in range(count):
                    if log.is_waiting:
                        listener.hear(log.next())
            case "acknowledge", float(share):
                acknowledged += int(share * (len(listener.audio) - acknowledged))
                log.acknowledge(acknowledged)
            case "break", (float(share), int(doubtful)):
                keep = acknowledged + int(share * (len(listener.audio) - acknowledged))
                listener.forget(keep, doubtful)
                log.rewind(resumed(keep))
        assert log.position == len(audio)
        assert log.held_bytes >= len(audio) - acknowledged
    while log.is_waiting:
        listener.hear(log.next())
    assert listener.audio == audio
    assert list(dict.fromkeys(listener.said)) == list(dict.fromkeys(told))


def sent(log: Unacknowledged) -> list[Content]:
    """Everything that waits, which then is sent."""
    found = []
    while log.is_waiting:
        found.append(log.next())
    return found


def test_room_comes_back_with_acknowledgements() -> None:
    log = Unacknowledged(TELEPHONE, limit_s=0.01, is_kept=True)
    assert log.has_room(1_000)  # where nothing is held, always: else it could never be sent
    log.append(bytes(60))
    assert log.has_room(20)
    assert not log.has_room(21)
    assert sent(log) == [bytes(60)]
    assert not log.has_room(21)
    log.acknowledge(59)
    assert not log.has_room(21)
    log.acknowledge(60)
    assert log.has_room(80)
    assert log.held_bytes == 0


def test_what_needs_not_be_sent_again_is_not_held() -> None:
    log = Unacknowledged(TELEPHONE, limit_s=0.01, is_kept=False)
    for _ in range(10):
        log.append(bytes(80))
        assert sent(log) == [bytes(80)]
        assert log.held_bytes == 0


def test_of_a_container_the_last_part_is_held() -> None:
    log = Unacknowledged(Start(encoding=Encoding.OGG_OPUS), limit_s=0.001, is_kept=True)
    for letter in b"abcde":
        log.append(bytes([letter]) * 32)
        assert log.has_room(64) is False
        sent(log)
        assert log.has_room(64)
        log.acknowledge(1_000_000)  # samples, which are no place in a container
    assert log.held_bytes == 64
    with pytest.raises(ProtocolError, match=r"between byte 96 and 160 .* wants byte 95"):
        log.rewind(Resumed(seq=0, session="s", samples=0, bytes=95))
    log.rewind(Resumed(seq=0, session="s", samples=0, bytes=100))
    assert sent(log) == [b"d" * 28, b"e" * 32]


def test_a_ping_goes_again_first_until_it_is_answered() -> None:
    log = Unacknowledged(TELEPHONE, limit_s=1.0, is_kept=True)
    for content in (b"abc", Ping(id=1), b"de", Ping(id=2), Ping(id=2)):
        log.append(content)
    sent(log)
    assert log.is_answer(Pong(seq=1, id=2))
    assert not log.is_answer(Pong(seq=2, id=3))
    log.append(Stop())
    log.rewind(resumed(4))
    assert sent(log) == [Ping(id=1), Ping(id=2), b"e", Stop()]
    assert log.is_answer(Pong(seq=3, id=1))
    assert not log.is_answer(Pong(seq=4, id=1))


def test_a_finalize_is_answered_once_however_often_it_is_sent() -> None:
    log = Unacknowledged(Start(rate=44_100), limit_s=1.0, is_kept=True)
    log.append(bytes(2_000))
    log.append(Finalize())
    sent(log)
    rounded = Finalized(seq=1, samples=999)  # as a daemon does that counts at 16 kHz
    assert log.is_answer(rounded)
    log.rewind(Resumed(seq=1, session="s", samples=900, bytes=1_800))
    log.append(bytes(2_000))
    log.append(Finalize())
    assert sent(log) == [bytes(200), Finalize(), bytes(2_000), Finalize()]
    assert not log.is_answer(rounded)
    assert log.is_answer(Finalized(seq=3, samples=2_000))
    assert not log.is_answer(Finalized(seq=4, samples=2_000))


def test_who_asks_again_and_again_in_silence_is_not_remembered_for_ever() -> None:
    log = Unacknowledged(TELEPHONE, limit_s=1.0, is_kept=True)
    log.append(b"a")
    for _ in range(1_000):
        log.append(Finalize())
        sent(log)
        assert log.is_answer(Finalized(seq=1, samples=1))
    log.append(Finalize())
    log.append(Finalize())
    sent(log)
    log.rewind(resumed(1))
    assert sent(log) == [Finalize()] * 3  # two that are waited for, and the last one before


@pytest.mark.parametrize(("wanted", "acknowledged"), [(3, 4), (9, 0)])
def test_a_place_that_cannot_be_gone_on_from_is_an_error(wanted: int, acknowledged: int) -> None:
    log = Unacknowledged(TELEPHONE, limit_s=1.0, is_kept=True)
    for piece in (b"abcd", b"efgh"):
        log.append(piece)
    sent(log)
    log.append(b"ijkl")
    log.acknowledge(acknowledged)
    with pytest.raises(ProtocolError, match=f"byte {acknowledged} and 8 .* wants byte {wanted}"):
        log.rewind(resumed(wanted))


def test_waits_grow_to_their_limit_and_differ_by_chance() -> None:
    policy = Resumption(first_delay_s=0.1, delay_s_max=3.0)
    runs = []
    for _ in range(20):
        outage = Outage(policy, ends_s=1e9)
        runs.append([outage.next_delay_s(0.0) or 0.0 for _ in range(8)])
    for delays in runs:
        for longest_s, delay_s in zip((0.1, 0.2, 0.4, 0.8, 1.6, 3, 3, 3), delays, strict=True):
            assert longest_s / 2 <= delay_s <= longest_s
    assert all(first != second for first, second in itertools.pairwise(runs))


def test_the_last_try_is_at_the_end_and_no_wish_is_later() -> None:
    outage = Outage(Resumption(first_delay_s=0.1), ends_s=10.0)
    assert outage.next_delay_s(1.0, at_least_s=7.0) == 7.0
    assert outage.next_delay_s(8.0, at_least_s=7.0) == 2.0
    assert [outage.next_delay_s(1.0, at_least_s=0.25) for _ in range(9)] == [0.25] * 9
    assert outage.next_delay_s(10.0) is None


def test_a_client_tries_no_longer_than_the_daemon_waits() -> None:
    assert Resumption().limit_s(60.0) == 60.0
    assert Resumption(resume_s=5.0).limit_s(60.0) == 5.0
    assert Resumption(resume_s=100.0).limit_s(60.0) == 60.0


def refusal(code: ErrorCode, retry_after_s: float | None = None) -> ServerError:
    return ServerError(
        Error(seq=0, code=code, message="no", fatal=True, retry_after_s=retry_after_s)
    )


@pytest.mark.parametrize(
    ("failure", "passes"),
    [
        (ConnectionFailedError("nobody"), True),
        (AccessDeniedError("unknown"), False),
        (DeadlineError("silence"), True),
        (ConnectionLostError("torn"), True),
        (ConnectionLostError("too long", code=1009), False),
        (SessionEndedError(CloseReason.SHUTDOWN), True),
        (SessionEndedError(CloseReason.FAILED), False),
        (refusal(ErrorCode.OVERLOADED), True),
        (refusal(ErrorCode.NOT_RESUMABLE), False),
        (refusal(ErrorCode.NOT_RESUMABLE, 0.25), True),  # another daemon may have it
        (refusal(ErrorCode.INTERNAL), False),
        (ProtocolError("gibberish"), False),
    ],
)
def test_a_try_is_repeated_where_it_may_succeed_later(
    failure: StenoClientsError, *, passes: bool
) -> None:
    assert may_pass(failure) is passes


def test_a_daemon_without_room_may_say_when_to_come_back() -> None:
    assert wish_s(refusal(ErrorCode.OVERLOADED, 3.0)) == 3.0
    assert wish_s(refusal(ErrorCode.OVERLOADED)) == 0.0
    assert wish_s(DeadlineError("silence")) == 0.0


@pytest.mark.parametrize(
    ("loss", "by_accident"),
    [
        (ConnectionLostError("torn"), True),
        (ConnectionLostError("going away", code=1001), True),
        (ConnectionLostError("restart", code=1012), True),
        (ConnectionLostError("fault", code=1011), True),
        (ConnectionLostError("policy", code=1008), False),
        (ConnectionLostError("taken over", code=4000), False),
        (SessionEndedError(CloseReason.SHUTDOWN), False),
    ],
)
def test_connections_are_replaced_that_were_lost_by_accident(
    loss: ConnectionLostError, *, by_accident: bool
) -> None:
    assert is_interruption(loss) is by_accident
