"""The dialect of OpenAI's realtime transcription."""

import base64
import json

import pytest
from tests.daemon.dialects.speaking import ABOUT, Message, Speaking, hello, of, the
from tests.daemon.fakes import pcm, silence, speak

from steno_daemon.dialects.openai import OpenAIDoor
from steno_daemon.errors import LimitError, OverloadedError, UnauthorisedError
from steno_daemon.wire import CloseReason, Encoding
from steno_models.audio import resample
from steno_models.types import FloatArray

DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
COMMIT = {"type": "input_audio_buffer.commit"}
CLEAR = {"type": "input_audio_buffer.clear"}


def client(*query: tuple[str, str], beta: str = "") -> Speaking:
    said = hello(*query, headers={"OpenAI-Beta": beta} if beta else {})
    return Speaking(OpenAIDoor(ABOUT).welcome(said).dialect)


def append(data: bytes) -> Message:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}


def update(**heard: object) -> Message:
    session = {"type": "transcription", "audio": {"input": heard}}
    return {"type": "session.update", "event_id": "mine", "session": session}


def say(talk: Speaking, sound: FloatArray, *, size: int = 9_600) -> list[Message]:
    data = pcm(resample(sound, 16_000, 24_000))
    return talk.say(*(append(data[at : at + size]) for at in range(0, len(data), size)))


MANUAL = update(turn_detection=None)


def test_the_first_message_says_what_the_session_is_set_to() -> None:
    talk = client(("model", "law"))
    [created] = talk.messages
    assert created["type"] == "session.created"
    session = created["session"]
    assert (session["type"], session["object"]) == (
        "transcription",
        "realtime.transcription_session",
    )
    assert session["id"].startswith("sess_")
    assert session["expires_at"] > 1_700_000_000
    heard = session["audio"]["input"]
    assert heard["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert heard["turn_detection"] == {"type": "server_vad"}
    assert heard["transcription"] == {"model": "law"}


def test_an_utterance_is_an_item_from_its_start_to_its_transcript() -> None:
    talk = client()
    heard = say(talk, speak("do mi", tail_s=1.5))
    order = list(dict.fromkeys(one["type"].rpartition(".")[2] for one in heard))
    assert order == ["speech_started", "delta", "speech_stopped", "committed", "completed"]
    assert len({one["item_id"] for one in heard}) == 1
    done = the(heard, type=COMPLETED)
    assert (done["transcript"], done["content_index"]) == ("do mi", 0)
    assert done["usage"]["type"] == "duration"
    assert 0.5 < done["usage"]["seconds"] < 2.5
    assert "logprobs" not in done
    assert "".join(one["delta"] for one in of(heard, type=DELTA)) == "do mi"
    started = the(heard, type="input_audio_buffer.speech_started")
    stopped = the(heard, type="input_audio_buffer.speech_stopped")
    assert 300 < started["audio_start_ms"] < 800
    assert 1_300 < stopped["audio_end_ms"] < 2_600


def test_items_follow_one_another_and_events_have_names_of_their_own() -> None:
    talk = client()
    say(talk, speak("do mi re", gap_s=1.0, tail_s=1.5))
    committed = of(talk.messages, type="input_audio_buffer.committed")
    items = [one["item_id"] for one in committed]
    assert [one["previous_item_id"] for one in committed] == [None, *items[:-1]]
    assert [one["transcript"] for one in of(talk.messages, type=COMPLETED)] == ["do", "mi", "re"]
    names = [one["event_id"] for one in talk.messages]
    assert len(set(names)) == len(names)


def test_without_detection_the_client_says_when_an_item_is_over() -> None:
    talk = client()
    assert talk.say(MANUAL)[-1]["type"] == "session.updated"
    heard = say(talk, speak("do mi", gap_s=1.0, tail_s=0.3))
    assert {one["type"] for one in heard} == {DELTA}
    committed, *_, done = talk.say(COMMIT)
    assert committed["type"] == "input_audio_buffer.committed"
    assert (done["type"], done["transcript"]) == (COMPLETED, "do mi")
    assert done["item_id"] == committed["item_id"]
    say(talk, speak("re", tail_s=0.3))
    *_, second = talk.say(COMMIT)
    assert second["transcript"] == "re"
    for one in (done, second):
        deltas = [d["delta"] for d in of(talk.messages, type=DELTA, item_id=one["item_id"])]
        assert "".join(deltas) == one["transcript"]


def test_several_pauses_in_one_item_are_one_transcript() -> None:
    talk = client()
    talk.say(update(turn_detection=None, transcription={"model": "general", "keywords": ["x"]}))
    say(talk, speak("do mi re", gap_s=1.9, tail_s=0.3))
    done = talk.say(COMMIT)[-1]
    assert done["transcript"] == "do mi re"
    deltas = [one["delta"] for one in of(talk.messages, type=DELTA)]
    assert "".join(deltas) == "do mi re"


def test_a_commit_ends_the_utterance_where_the_daemon_detects_too() -> None:
    talk = client()
    say(talk, speak("do", tail_s=0.1))
    heard = talk.say(COMMIT)
    assert the(heard, type=COMPLETED)["transcript"] == "do"
    assert of(heard, type="input_audio_buffer.speech_stopped") == []
    say(talk, silence(0.5))
    assert the(talk.say(COMMIT), type=COMPLETED)["transcript"] == ""


@pytest.mark.parametrize("manual", [False, True])
def test_there_is_nothing_to_commit_in_less_than_a_tenth_of_a_second(*, manual: bool) -> None:
    talk = client()
    talk.say(*([MANUAL] if manual else []), append(bytes(4_700)))
    [error] = talk.say({**COMMIT, "event_id": "mine"})
    assert error["error"]["code"] == "input_audio_buffer_commit_empty"
    assert "the buffer is empty" in error["error"]["message"]
    assert error["error"]["event_id"] == "mine"
    talk.say(append(bytes(200)))
    assert talk.say(COMMIT)[-1]["type"] == COMPLETED


@pytest.mark.parametrize("manual", [False, True])
def test_what_is_cleared_is_never_said(*, manual: bool) -> None:
    talk = client()
    talk.say(*([MANUAL] if manual else []))
    say(talk, speak("do", tail_s=0.1))
    assert talk.say(CLEAR, CLEAR)[0]["type"] == "input_audio_buffer.cleared"
    say(talk, speak("mi", tail_s=0.2))
    assert the(talk.say(COMMIT), type=COMPLETED)["transcript"] == "mi"


@pytest.mark.parametrize(
    ("form", "encoding", "rate"),
    [
        ({"type": "audio/pcm", "rate": 24_000}, Encoding.PCM_S16LE, 24_000),
        ({"type": "audio/pcm"}, Encoding.PCM_S16LE, 24_000),
        ({"type": "audio/pcmu"}, Encoding.MULAW, 8_000),
        ({"type": "audio/pcma"}, Encoding.ALAW, 8_000),
    ],
)
def test_the_audio_has_the_form_that_was_agreed_on(
    form: Message, encoding: Encoding, rate: int
) -> None:
    talk = client()
    talk.say(update(format=form))
    talk.say(append(bytes(800)))
    assert (talk.session.start.encoding, talk.session.start.rate) == (encoding, rate)
    [error] = talk.say(update(format={"type": "audio/pcm", "rate": 16_000}))
    assert error["error"]["param"] == "session.audio.input.format"


def test_detection_is_set_as_far_as_the_daemon_can() -> None:
    talk = client()
    vad = {"type": "server_vad", "silence_duration_ms": 300, "prefix_padding_ms": 9_000}
    said = talk.say(update(turn_detection={**vad, "threshold": 1.0}))[0]["session"]
    assert said["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 300
    talk.say(append(bytes(480)))
    rules = talk.session.start.endpointing
    assert (rules.trailing_silence_ms, rules.pre_roll_ms, rules.vad_aggressiveness) == (
        300,
        2000,
        3,
    )
    [after] = talk.say(update(turn_detection={"type": "semantic_vad", "eagerness": "high"}))
    heard = after["session"]["audio"]["input"]
    assert heard["turn_detection"] == {"type": "semantic_vad", "eagerness": "high"}
    assert heard["transcription"] == {"model": "general"}


def test_how_likely_words_are_is_told_where_it_is_asked_for() -> None:
    talk = client()
    wish = {**update(), "session": {"include": ["item.input_audio_transcription.logprobs"]}}
    talk.say(wish)
    [one] = the(say(talk, speak("do", tail_s=1.5)), type=COMPLETED)["logprobs"]
    assert (one["token"], one["bytes"]) == ("do", [100, 111])
    assert one["logprob"] == pytest.approx(-0.105361)


def test_clients_of_before_are_answered_in_their_form() -> None:
    talk = client(beta="realtime=v1")
    assert talk.messages[0]["type"] == "transcription_session.created"
    flat = {
        "type": "transcription_session.update",
        "session": {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "law", "prompt": "x", "language": "en"},
            "turn_detection": None,
            "input_audio_noise_reduction": {"type": "near_field"},
        },
    }
    [updated] = talk.say(flat)
    assert updated["type"] == "transcription_session.updated"
    assert updated["session"]["input_audio_format"] == "g711_ulaw"
    assert updated["session"]["input_audio_transcription"] == {"model": "law"}
    assert updated["session"]["turn_detection"] is None
    talk.say(append(bytes(800)))
    assert talk.session.start.language_model == "law"


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("hello", "invalid_json", None),
        ("[" * 9_999, "invalid_json", None),
        ("[]", "invalid_value", "type"),
        ('{"type": "response.create"}', "invalid_value", "type"),
        ('{"type": "input_audio_buffer.append"}', "invalid_value", None),
        ('{"type": "input_audio_buffer.append", "audio": 3}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "é*"}', "invalid_value", "audio"),
        ('{"type": "session.update"}', "invalid_value", None),
        ('{"type": "session.update", "session": {"type": "realtime"}}', None, "session.type"),
        (json.dumps(update(format={"type": "mp3"})), None, "session.audio.input.format.type"),
        (
            json.dumps(update(format={"type": "audio/pcm", "rate": 1})),
            None,
            "session.audio.input.format.rate",
        ),
        (b"\0\0", "invalid_value", None),
    ],
)
def test_what_is_wrong_is_an_error_that_says_where(
    frame: str | bytes, code: str | None, param: str | None
) -> None:
    talk = client()
    [error] = talk.say(frame)
    assert error["type"] == "error"
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["code"] == (code or "invalid_value")
    assert "expected" in error["error"]["message"]
    if param != "session.audio.input.format.type":
        assert error["error"]["param"] == param
    assert the(say(talk, speak("do", tail_s=1.5)), type=COMPLETED)["transcript"] == "do"


def test_an_item_that_breaks_fails_and_the_daemon_takes_the_blame() -> None:
    talk = client()
    say(talk, speak("do", tail_s=0.0))
    talk.session.work_failed("the recogniser failed")
    talk.advance()
    last = talk.messages[-1]
    assert last["error"]["type"] == "server_error"
    assert talk.closed is not None
    assert talk.closed[0] == 1011


def test_words_that_are_left_when_the_daemon_ends_are_said() -> None:
    talk = client()
    say(talk, speak("do", tail_s=0.1))
    talk.end(CloseReason.SHUTDOWN)
    assert the(talk.messages, type=COMPLETED)["transcript"] == "do"


def test_the_way_in() -> None:
    door = OpenAIDoor(ABOUT)
    assert door.welcome(hello()).subprotocols == ("realtime",)
    assert door.token(hello(headers={"Authorization": "Bearer abc"})) == "abc"
    assert door.token(hello(offers=("realtime", "openai-insecure-api-key.abc"))) == "abc"
    for error, status, code in (
        (UnauthorisedError("no"), 401, "invalid_api_key"),
        (LimitError("x", expected="1", found="2"), 429, "rate_limit_exceeded"),
        (OverloadedError("busy", retry_after_s=5), 503, "server_overloaded"),
    ):
        refusal = door.refusal(hello(), error)
        said = json.loads(refusal.body)["error"]
        assert (refusal.status, said["code"]) == (status, code)
        assert said.keys() == {"message", "type", "param", "code"}
