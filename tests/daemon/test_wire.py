import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from steno_daemon import wire
from steno_daemon.wire import ErrorCode, WireError

numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.builds(wire.Word, text=st.text(), start=numbers, end=numbers, confidence=numbers)
endpointings = st.builds(
    wire.Endpointing,
    trailing_silence_ms=st.none() | st.integers(100, 10_000),
    empty_silence_ms=st.none() | st.integers(100, 60_000),
    max_utterance_s=st.none() | st.floats(1, 120),
    blank_silence_ms=st.none() | st.integers(0, 10_000),
    vad_aggressiveness=st.none() | st.integers(0, 3),
    pre_roll_ms=st.none() | st.integers(0, 2_000),
)
client_messages = st.one_of(
    st.builds(
        wire.Start,
        encoding=st.sampled_from(wire.Encoding),
        rate=st.integers(8_000, 48_000),
        channels=st.integers(1, 8),
        language_model=st.text(min_size=1, max_size=100),
        partials=st.booleans(),
        endpointing=endpointings,
        n_best=st.integers(1, 20),
        word_times=st.booleans(),
        chunk_ms=st.none() | st.integers(40, 5_000),
    ),
    st.builds(
        wire.Configure,
        endpointing=endpointings,
        language_model=st.none() | st.text(min_size=1, max_size=100),
        at=st.sampled_from(wire.When),
    ),
    st.just(wire.Finalize()),
    st.just(wire.Stop()),
    st.builds(wire.Ping, id=st.integers(-(2**63), 2**63 - 1)),
)
server_messages = st.one_of(
    st.builds(
        wire.Final,
        seq=st.integers(0, 2**40),
        segment=st.integers(0, 2**40),
        text=st.text(),
        start=numbers,
        end=numbers,
        confidence=numbers,
        words=st.none() | st.lists(words).map(tuple),
        alternatives=st.none()
        | st.lists(
            st.builds(wire.Alternative, text=st.text(), confidence=numbers, score=numbers)
        ).map(tuple),
    ),
    st.builds(
        wire.Error,
        seq=st.integers(0, 2**40),
        code=st.sampled_from(ErrorCode),
        message=st.text(),
        fatal=st.booleans(),
        expected=st.none() | st.text(),
        found=st.none() | st.text(),
        retry_after_s=st.none() | numbers,
    ),
    st.builds(
        wire.Endpoint,
        seq=st.integers(0, 2**40),
        segment=st.integers(0, 2**40),
        time=numbers,
        reason=st.sampled_from(wire.EndpointReason),
    ),
)


@settings(deadline=None, max_examples=50)
@given(client_messages)
def test_what_a_client_says_arrives_as_it_was_meant(message: wire.ClientMessage) -> None:
    assert wire.decode_client(wire.encode(message)) == message


@settings(deadline=None, max_examples=50)
@given(server_messages)
def test_what_the_daemon_says_arrives_as_it_was_meant(message: wire.ServerMessage) -> None:
    assert wire.decode_server(wire.encode(message).encode()) == message


@settings(deadline=None, max_examples=100)
@given(st.text() | st.binary())
def test_text_that_is_no_object_is_a_wire_error(text: str | bytes) -> None:
    assume(not str(text).lstrip().startswith("{"))
    with pytest.raises(WireError) as caught:
        wire.decode_client(text)
    assert caught.value.code in {ErrorCode.INVALID_JSON, ErrorCode.INVALID_MESSAGE}
    assert caught.value.expected


@pytest.mark.parametrize(
    ("text", "code", "message", "expected", "found"),
    [
        ("nope", "invalid_json", "not JSON", '{"type": "start"}', "nope"),
        (b"\xff", "invalid_json", "not JSON", '{"type": "start"}', "\\xff"),
        ("[" * 60_000, "invalid_json", "not JSON", "object", "[[["),
        ("[]", "invalid_message", "the message", "object", "[]"),
        ("{}", "invalid_message", "the message", "a field type", "{}"),
        ('{"type":"sing"}', "invalid_message", "type", "start, resume, configure", '"sing"'),
        ('{"type":3}', "invalid_message", "type", "start, resume, configure", "3"),
        ('{"type":"start","rate":1}', "invalid_message", "rate", "int >= 8000", "1"),
        ('{"type":"start","rate":96000}', "invalid_message", "rate", "int <= 48000", "96000"),
        ('{"type":"start","rate":"fast"}', "invalid_message", "rate", "int", '"fast"'),
        ('{"type":"start","encoding":"mp3"}', "invalid_message", "encoding", "mulaw", '"mp3"'),
        ('{"type":"start","speed":2}', "invalid_message", "speed", "rate", "a field speed"),
        ('{"type":"stop","now":true}', "invalid_message", "now", "type", "a field now"),
        ('{"type":"resume"}', "invalid_message", "the message", "a field token", "resume"),
        ('{"type":"configure","at":"once"}', "invalid_message", "at", "segment, now", "once"),
        (
            '{"type":"start","endpointing":{"vad_aggressiveness":7}}',
            "invalid_message",
            "endpointing.vad_aggressiveness",
            "int <= 3",
            "7",
        ),
        (
            '{"type":"configure","endpointing":{"silence":7}}',
            "invalid_message",
            "endpointing.silence",
            "trailing_silence_ms",
            "a field silence",
        ),
    ],
)
def test_an_error_says_what_was_expected_and_what_was_found(
    text: str | bytes, code: str, message: str, expected: str, found: str
) -> None:
    with pytest.raises(WireError) as caught:
        wire.decode_client(text)
    assert caught.value.code == code
    assert message in caught.value.message
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert len(caught.value.found) < 300


def test_a_message_of_a_megabyte_is_refused_unread() -> None:
    with pytest.raises(WireError, match="found 1000000") as caught:
        wire.decode_client("x" * 1_000_000)
    assert caught.value.code == ErrorCode.TOO_LARGE


def test_a_client_ignores_fields_that_a_newer_daemon_adds() -> None:
    pong = wire.decode_server('{"type":"pong","seq":3,"id":7,"mood":"fine"}')
    assert pong == wire.Pong(seq=3, id=7)


def test_every_event_is_numbered() -> None:
    for message in get_args(wire.ServerMessage):
        assert "seq" in message.__struct_fields__


def test_no_message_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        wire.Ping(id=1).id = 2  # type: ignore[misc]


def test_the_wire_needs_neither_numpy_nor_torch() -> None:
    program = (
        "import sys, steno_daemon.wire; "
        "print([m for m in ('numpy', 'torch', 'websockets', 'steno_models') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
