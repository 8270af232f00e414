"""The dialect of Deepgram's live transcription."""

import hashlib
import json
import struct

import pytest
from tests.daemon.dialects.speaking import ABOUT, Message, Speaking, hello, of, the
from tests.daemon.fakes import pcm, silence, speak
from tests.daemon.nasty import opus_file

from steno_daemon import wire
from steno_daemon.dialects.deepgram import DeepgramDialect, DeepgramDoor
from steno_daemon.dialects.deepgram_request import wishes_of
from steno_daemon.errors import LimitError, UnauthorisedError, WireError
from steno_daemon.wire import CloseReason, EndpointReason

LINEAR = {"encoding": "linear16", "sample_rate": "16000"}
CLOSE = {"type": "CloseStream"}


def client(**query: str) -> Speaking:
    said = hello(*{**LINEAR, **query}.items())
    return Speaking(DeepgramDialect(wishes_of(said, ABOUT), said, ABOUT))


def bare(**query: str) -> Speaking:
    said = hello(*query.items())
    return Speaking(DeepgramDialect(wishes_of(said, ABOUT), said, ABOUT))


def transcript(messages: list[Message], channel: int = 0) -> str:
    texts = [
        one["channel"]["alternatives"][0]["transcript"]
        for one in of(messages, type="Results", is_final=True)
        if one["channel_index"][0] == channel
    ]
    return " ".join(text for text in texts if text)


def test_finals_say_the_words_once_and_tile_the_time_line() -> None:
    talk = client()
    talk.speak(speak("do mi re", gap_s=1.0))
    talk.say(CLOSE)
    results = of(talk.messages, type="Results")
    assert transcript(results) == "do mi re"
    assert all(one["is_final"] for one in results)
    at_s = 0.0
    for one in results:
        assert one["start"] == pytest.approx(at_s, abs=1e-3)
        at_s = one["start"] + one["duration"]
    assert talk.closed == (1000, "stopped")


def test_a_result_has_all_that_clients_look_for() -> None:
    talk = client(model="law")
    talk.speak(speak("do", tail_s=1.5))
    [one] = of(talk.messages, type="Results")
    assert (one["channel_index"], one["speech_final"], one["from_finalize"]) == (
        [0, 1],
        True,
        False,
    )
    [alternative] = one["channel"]["alternatives"]
    assert (alternative["transcript"], alternative["confidence"]) == ("law-do", 0.9)
    [word] = alternative["words"]
    assert word.keys() == {"word", "start", "end", "confidence", "punctuated_word"}
    assert one["metadata"]["request_id"] == hello().id
    assert one["metadata"]["model_info"] == {"name": "law", "version": "7", "arch": "steno notes"}
    assert talk.session.start.language_model == "law"


def test_interim_results_come_where_they_are_asked_for_and_repeat_their_start() -> None:
    talk = client(interim_results="true")
    talk.speak(speak("do mi re", tail_s=1.5), frame_bytes=3_200)
    *interim, final = of(talk.messages, type="Results")
    assert [one["is_final"] for one in (*interim, final)] == [False] * len(interim) + [True]
    assert {one["start"] for one in (*interim, final)} == {0.0}
    texts = [one["channel"]["alternatives"][0]["transcript"] for one in interim]
    assert texts[0] in {"do", "do mi"}  # by where on the grid the words end
    assert texts == sorted(texts, key=len)
    durations = [one["duration"] for one in interim]
    assert durations == sorted(durations)
    assert not any(one["speech_final"] for one in interim)


@pytest.mark.parametrize(
    ("said", "milliseconds"),
    [("10", 100), ("300", 300), ("true", None), ("false", None), ("99999", 10_000)],
)
def test_endpointing_sets_the_silence_that_ends_an_utterance(
    said: str, milliseconds: int | None
) -> None:
    talk = client(endpointing=said)
    assert talk.session.start.endpointing.trailing_silence_ms == milliseconds
    talk.speak(speak("do", tail_s=1.5))
    if milliseconds != 10_000:
        assert of(talk.messages, type="Results")[0]["speech_final"] is (said != "false")


def test_finalize_flushes_and_says_so_also_where_nothing_was_said() -> None:
    talk = client()
    talk.speak(speak("do", tail_s=0.1))
    [one] = talk.say({"type": "Finalize"})
    assert one["from_finalize"]
    assert one["is_final"]
    assert transcript([one]) == "do"
    assert talk.say({"type": "Finalize"}) == []  # nothing was heard since
    talk.speak(silence(0.3))
    [empty] = talk.say({"type": "Finalize", "channel": 0})
    assert empty["from_finalize"]
    assert transcript([empty]) == ""
    talk.speak(speak("mi", tail_s=0.1))
    talk.say(CLOSE)
    assert transcript(talk.messages) == "do mi"


def test_the_start_of_speech_is_told_where_it_is_asked_for() -> None:
    talk = client(vad_events="true")
    talk.speak(speak("do", tail_s=1.5))
    one = the(talk.messages, type="SpeechStarted")
    assert one["channel"] == [0, 1]
    assert 0.3 < one["timestamp"] < 0.8
    silent = client()
    silent.speak(speak("do", tail_s=1.5))
    assert of(silent.messages, type="SpeechStarted") == []


def test_the_end_of_an_utterance_is_told_once_after_its_gap() -> None:
    talk = client(interim_results="true", utterance_end_ms="1500")
    talk.speak(speak("do", tail_s=1.2))
    assert of(talk.messages, type="UtteranceEnd") == []
    talk.speak(silence(1.0))
    one = the(talk.messages, type="UtteranceEnd")
    assert one["channel"] == [0, 1]
    assert 0.8 < one["last_word_end"] < 1.1
    talk.speak(silence(3.0))
    talk.say(CLOSE)
    assert len(of(talk.messages, type="UtteranceEnd")) == 1


def test_no_end_is_told_where_the_next_word_comes_within_the_gap() -> None:
    talk = client(interim_results="true", utterance_end_ms="1500")
    talk.speak(speak("do mi", gap_s=1.0, tail_s=0.5))
    talk.say(CLOSE)
    assert transcript(talk.messages) == "do mi"
    assert of(talk.messages, type="UtteranceEnd") == []


def test_the_last_message_tells_what_was_heard_in_all() -> None:
    talk = client(redact="pci", diarize="true", model="nova-3", tag="mine")
    sound = pcm(speak("do"))
    talk.speak(sound)
    talk.say(CLOSE)
    last = talk.messages[-1]
    assert last["type"] == "Metadata"
    assert last["sha256"] == hashlib.sha256(sound).hexdigest()
    assert last["duration"] == pytest.approx(len(sound) / 32_000)
    assert (last["channels"], last["created"][:19]) == (1, "2026-01-02T03:04:05")
    assert {one["parameter"] for one in last["warnings"]} == {"redact", "diarize", "model"}


def test_channels_are_told_apart_where_that_is_asked_for() -> None:
    talk = client(channels="2", multichannel="true")
    left, right = pcm(speak("do mi")), pcm(speak("re so"))
    pairs = zip(*[struct.iter_unpack("<h", side) for side in (left, right)], strict=True)
    talk.speak(b"".join(struct.pack("<hh", a[0], b[0]) for a, b in pairs), frame_bytes=12_800)
    talk.say(CLOSE)
    assert (transcript(talk.messages, 0), transcript(talk.messages, 1)) == ("do mi", "re so")
    assert of(talk.messages, type="Results")[0]["channel_index"][1] == 2


def test_an_empty_frame_ends_the_stream_and_nothing_counts_behind_the_end() -> None:
    talk = client()
    talk.speak(speak("do", tail_s=0.1))
    assert talk.say(b"")[-1]["type"] == "Metadata"
    assert talk.say(pcm(silence(0.1)), CLOSE, {"type": "KeepAlive"}) == []


def test_keeping_alive_is_no_answer_worth() -> None:
    assert client().say({"type": "KeepAlive"}) == []


@pytest.mark.parametrize(
    "frame", ["hello", "{", "[]", "{}", '{"type": 3}', '{"type": "Configure"}', "[" * 9_999]
)
def test_what_is_no_message_is_an_error_and_the_session_goes_on(frame: str) -> None:
    talk = client()
    [error] = talk.say(frame)
    assert (error["type"], error["variant"]) == ("Error", "SchemaError")
    assert "expected" in error["description"]
    assert frame.startswith(error["message"][:70])
    talk.speak(speak("do", tail_s=0.1))
    talk.say(CLOSE)
    assert transcript(talk.messages) == "do"


def wav(sound: bytes, *, tag: int = 1, bits: int = 16, rate: int = 16_000) -> bytes:
    form = struct.pack("<HHIIHH", tag, 1, rate, rate * bits // 8, bits // 8, bits)
    note = b"LIST" + struct.pack("<I", 5) + b"notes\0"
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + note
    return b"RIFF\0\0\0\0WAVE" + chunks + b"data\xff\xff\xff\xff" + sound


@pytest.mark.parametrize("frame_bytes", [7, 50, 4_000])
def test_a_wav_file_shows_itself_what_it_holds(frame_bytes: int) -> None:
    talk = bare()
    data = wav(pcm(speak("do mi", lead_s=0.3, tail_s=0.2)[::2]), rate=8_000)
    head, rest = data[:700], data[700:]
    talk.speak(head, frame_bytes=frame_bytes)
    talk.speak(rest)
    talk.say(CLOSE)
    assert transcript(talk.messages) == "do mi"
    assert talk.session.start.rate == 8_000


@pytest.mark.parametrize("kind", ["ogg", "webm"])
def test_a_file_of_opus_shows_itself_what_it_holds(kind: str) -> None:
    talk = bare()
    talk.speak(opus_file(kind), frame_bytes=1_000)
    talk.say(CLOSE)
    assert transcript(talk.messages) == "do mi"


@pytest.mark.parametrize(
    "data", [b"ID3\3 and more", b"RIFF\0\0\0\0AVI more", wav(b"x", tag=2), wav(b"x", rate=100)]
)
def test_what_cannot_be_heard_ends_with_the_code_for_data(data: bytes) -> None:
    talk = bare()
    talk.say(data)
    assert the(talk.messages, type="Error")["variant"] == "invalid_audio"
    assert talk.closed is not None
    assert talk.closed[0] == 1008
    assert talk.closed[1].startswith("DATA-0000: ")


def test_a_client_that_falls_silent_gets_the_code_for_that() -> None:
    talk = client()
    talk.speak(speak("do", tail_s=0.1))
    talk.end(CloseReason.IDLE)
    assert transcript(talk.messages) == "do"
    assert talk.closed is not None
    assert (talk.closed[0], talk.closed[1][:8]) == (1011, "NET-0001")


# The way in.


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"encoding": "flac"}, "encoding"),
        ({"encoding": "linear16"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "4000"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "-1"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "٣٢٠٠٠"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "1" * 5_000}, "sample_rate"),
        ({"channels": "9"}, "channels"),
        ({"interim_results": "perhaps"}, "interim_results"),
        ({"utterance_end_ms": "1000"}, "utterance_end_ms"),
        ({"utterance_end_ms": "500", "interim_results": "true"}, "utterance_end_ms"),
        ({"endpointing": "soon"}, "endpointing"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_name(query: dict[str, str], name: str) -> None:
    door, said = DeepgramDoor(ABOUT), hello(*query.items())
    with pytest.raises(WireError, match=f"the parameter {name} is not understood: expected"):
        door.welcome(said)


def test_refusals_have_their_form_in_body_and_headers() -> None:
    door = DeepgramDoor(ABOUT)
    denied = door.refusal(hello(), UnauthorisedError("expected a token, found none\n…"))
    body = json.loads(denied.body)
    assert (denied.status, body["err_code"]) == (401, "INVALID_AUTH")
    assert body["request_id"] == denied.headers["dg-request-id"] == hello().id
    assert denied.headers["dg-error"].isascii()
    assert "\n" not in denied.headers["dg-error"]
    limit = LimitError("security.tokens.max_sessions", expected="1", found="2", retry_after_s=3)
    full = door.refusal(hello(), limit)
    assert (full.status, json.loads(full.body)["err_code"]) == (429, "TOO_MANY_REQUESTS")
    assert full.headers["Retry-After"] == "4"


def test_a_token_comes_as_a_header_of_two_schemes_a_subprotocol_or_a_parameter() -> None:
    door = DeepgramDoor(ABOUT)
    assert door.token(hello(headers={"Authorization": "Token abc"})) == "abc"
    assert door.token(hello(headers={"Authorization": "bearer abc"})) == "abc"
    assert door.token(hello(headers={"Authorization": "Basic abc"})) is None
    assert door.token(hello(offers=("token", "abc"))) == "abc"
    assert door.token(hello(offers=("bearer", "abc"))) == "abc"
    assert door.token(hello(offers=("abc",))) is None
    assert door.token(hello(("token", "abc"))) == "abc"


def test_terms_and_keywords_are_expected() -> None:
    said = hello(*LINEAR.items(), ("keyterm", "mi re"), ("keywords", "fa:2.5"), ("keyterm", "so"))
    phrases = wishes_of(said, ABOUT).start.phrases
    assert [phrase.text for phrase in phrases] == ["mi re", "so", "fa"]


# Finals as people write them.


def told(words: str, written: tuple[tuple[str, int], ...] | None, **query: str) -> list[Message]:
    """What a client hears of a final with these words."""
    said = hello(*{**LINEAR, **query}.items())
    dialect = DeepgramDialect(wishes_of(said, ABOUT), said, ABOUT)
    spoken = tuple(
        wire.Word(text=word, start=float(at), end=at + 0.5, confidence=0.5)
        for at, word in enumerate(words.split())
    )
    entries = tuple(
        wire.WrittenWord(text=text, start=0.0, end=0.5, confidence=0.4, words=count)
        for text, count in written or ()
    )
    final = wire.Final(
        seq=1, segment=0, text=words, start=0.0, end=3.0, confidence=0.5, words=spoken,
        written=" ".join(one.text for one in entries) or None, written_words=entries or None,
    )  # fmt: skip
    endpoint = wire.Endpoint(seq=2, segment=0, time=4.0, reason=EndpointReason.TRAILING_SILENCE)
    closed = wire.Closed(seq=3, reason=CloseReason.STOPPED)
    frames = [frame for event in (final, endpoint, closed) for frame in dialect.encode(event)]
    return [json.loads(frame) for frame in frames]


def test_punctuation_and_figures_are_asked_for_by_name() -> None:
    def asked(**query: str) -> tuple[bool | None, bool | None]:
        start = wishes_of(hello(*{**LINEAR, **query}.items()), ABOUT).start
        return start.punctuate, start.written_numbers

    assert asked() == (None, None)
    assert asked(punctuate="true") == (True, False)
    assert asked(numerals="true") == (False, True)
    assert asked(smart_format="true", punctuate="false") == (True, True)
    assert asked(smart_format="false") == (None, None)


def test_written_words_stand_for_those_that_were_said() -> None:
    written = (("Mi", 1), ("paid", 1), ("$25.", 3))
    words = "mi paid twenty five dollars"
    result, last = told(words, written, smart_format="true")
    [best] = result["channel"]["alternatives"]
    assert best["transcript"] == "Mi paid $25."
    assert [one["word"] for one in best["words"]] == ["mi", "paid", "$25"]
    assert [one["punctuated_word"] for one in best["words"]] == ["Mi", "paid", "$25."]
    assert "warnings" not in last
    [best] = told(words, written)[0]["channel"]["alternatives"]
    assert best["transcript"] == words


def test_marks_that_the_bundle_cannot_set_are_named_in_the_last_message() -> None:
    result, last = told("do mi", None, punctuate="true")
    assert result["channel"]["alternatives"][0]["transcript"] == "do mi"
    assert [one["parameter"] for one in last["warnings"]] == ["punctuate"]


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "\0", "\x1b[2J", "\x7f", "é\u2066"])
def test_why_a_client_does_not_come_in_fits_into_a_header_whatever_it_asked_for(value: str) -> None:
    said = hello(*LINEAR.items(), ("punctuate", value))
    with pytest.raises(WireError) as caught:
        wishes_of(said, ABOUT)
    refusal = DeepgramDoor(ABOUT).refusal(said, caught.value)
    line = refusal.headers["dg-error"]
    assert line.isascii()
    assert line.isprintable()
    assert "the parameter punctuate is not understood" in line
    assert json.loads(refusal.body)["err_code"] == "INVALID_QUERY_PARAMETER"
