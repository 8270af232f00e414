"""The Wyoming protocol, event by event, without sockets."""

import json
from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemon.dialects.speaking import ABOUT, DOMAINS
from tests.daemon.fakes import pcm, speak
from tests.daemon.listening import Run

from steno_daemon import wire
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.growing import Growing
from steno_daemon.dialects.wyoming import WyomingDialect, error_event
from steno_daemon.dialects.wyoming_events import KNOWN_BYTES, LINE_BYTES, Event, Unpacker, pack
from steno_daemon.errors import OverloadedError, UnknownModelError, WireError
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_daemon.wire import CloseReason, ErrorCode

AUDIO: dict[str, object] = {"rate": 16_000, "width": 2, "channels": 1, "timestamp": None}
CATALOGUE = Catalogue(ABOUT, "1.2", "en")


class Client:
    """One client and the sessions that it has one after the other."""

    def __init__(self) -> None:
        self.dialect = WyomingDialect(CATALOGUE, "steno")
        self.run = Run()
        self.heard: list[Event] = []

    def say(self, *events: Event) -> list[Event]:
        """Say events, and return what comes back."""
        before = len(self.heard)
        for event in events:
            if not self.dialect.is_audio(event):
                self.heard += self.dialect.answer(event)
                continue
            if not self.dialect.is_recording:
                self.run = Run()
                self.run.session = Session("test", Offer(domains=DOMAINS))
            self.dialect.receive(self.run.session, event)
            self._advance()
        return self.heard[before:]

    def end(self, reason: CloseReason) -> list[Event]:
        before = len(self.heard)
        self.run.session.end(reason)
        self._advance()
        return self.heard[before:]

    def _advance(self) -> None:
        self.run.events = []
        self.run.work()
        for event in self.run.events:
            self.heard += self.dialect.encode(event)


def chunks(sound: bytes, size: int = 2_048, **form: object) -> list[Event]:
    return [
        Event("audio-chunk", {**AUDIO, **form}, sound[at : at + size])
        for at in range(0, len(sound), size)
    ]


def spoken(text: str, **transcribe: object) -> list[Event]:
    return [
        Event("transcribe", transcribe),
        Event("audio-start", AUDIO),
        *chunks(pcm(speak(text))),
        Event("audio-stop", {"timestamp": None}),
    ]


def types(events: Iterable[Event]) -> list[str]:
    return [event.type for event in events]


def texts(events: Iterable[Event], kind: str) -> list[object]:
    return [event.data["text"] for event in events if event.type == kind]


# Framing.


def test_data_behind_the_line_is_merged_over_that_in_it() -> None:
    line = b'{"type": "x", "data": {"a": 1, "b": 1}, "data_length": 8, "payload_length": 3}\n'
    [event] = Unpacker(100).receive(line + b'{"b": 2}' + b"raw")
    assert event == Event("x", {"a": 1, "b": 2}, b"raw")


def test_an_event_without_data_and_lengths_is_one() -> None:
    nothing = b'{"type": "describe", "version": "1.5.0", "data_length": null}\n'
    assert list(Unpacker(100).receive(nothing)) == [Event("describe")]


@given(st.lists(st.integers(1, 40), max_size=30))
def test_events_are_the_same_however_their_bytes_are_cut(sizes: list[int]) -> None:
    events = [Event("a", {"t": "é\n"}, b"\n\n"), Event("b"), Event("c", {}, b"x" * 9)]
    data = b"".join(map(pack, events))
    unpacker, found, at = Unpacker(100), [], 0
    for size in [*sizes, len(data)]:
        found += list(unpacker.receive(data[at : at + size]))
        at += size
    assert found == events


def test_chunks_that_say_the_same_are_read_once_and_others_anew() -> None:
    def chunk(rate: int, block: bytes, line: bytes = b"") -> bytes:
        data = json.dumps({"rate": rate}).encode()
        sizes = b'"data_length": %d, "payload_length": %d' % (len(data), len(block))
        return b'{"type": "audio-chunk", ' + line + sizes + b"}\n" + data + block

    long = b'"data": {"x": "%s"}, ' % (b"x" * KNOWN_BYTES)
    said = (
        chunk(16_000, b"ab"),
        chunk(16_000, b"cd"),
        chunk(22_050, b"ef"),  # the same line, other data
        chunk(22_050, b"ef", b'"data": {"width": 2}, '),
        *2 * [chunk(22_050, b"ef", long)],
    )
    events = list(Unpacker(100).receive(b"".join(said)))
    assert [event.payload for event in events] == [b"ab", b"cd"] + 4 * [b"ef"]
    assert events[0].data is events[1].data
    assert [event.data["rate"] for event in events] == 2 * [16_000] + 4 * [22_050]
    assert [event.data.get("width") for event in events] == [None, None, None, 2, None, None]
    assert events[4].data == events[5].data
    assert events[4].data is not events[5].data


def test_zero_lengths_are_left_out() -> None:
    line, rest = pack(Event("ping")).split(b"\n")
    assert rest == b""
    assert set(json.loads(line)) == {"type", "version"}


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"GET / HTTP/1.1\r\n", ErrorCode.INVALID_JSON, "expected a JSON object"),
        (b"[1]\n", ErrorCode.INVALID_JSON, "expected a JSON object"),
        (b"{}\n", ErrorCode.INVALID_MESSAGE, "expected a field type"),
        (b'{"type": "x", "payload_length": -1}\n', ErrorCode.INVALID_MESSAGE, "payload_length"),
        (b'{"type": "x", "payload_length": 101}\n', ErrorCode.TOO_LARGE, "at most 100 bytes"),
        (b'{"type": "x", "data_length": 9999999}\n', ErrorCode.TOO_LARGE, "the data of an event"),
        (b'{"type": "x", "data_length": 2}\n[]', ErrorCode.INVALID_JSON, "expected a JSON object"),
        (b"x" * (LINE_BYTES + 1), ErrorCode.TOO_LARGE, "the line of an event"),
    ],
)
def test_what_is_no_event_is_told_what_was_expected(data: bytes, code: str, says: str) -> None:
    with pytest.raises(WireError, match=says) as caught:
        list(Unpacker(100).receive(data))
    assert caught.value.code == code


# Between transcriptions.


def test_info_names_every_language_model() -> None:
    [info] = Client().say(Event("describe"))
    [program] = cast("list[dict[str, Any]]", info.data["asr"])
    assert program["installed"] is True
    assert program["supports_transcript_streaming"] is True
    assert [model["name"] for model in program["models"]] == ["general", "law"]
    assert {tuple(model["languages"]) for model in program["models"]} == {("en",)}


def test_a_ping_is_answered_with_its_text_and_unknown_events_are_passed_over() -> None:
    heard = Client().say(Event("select-program", {"name": "x"}), Event("ping", {"text": "hi"}))
    assert heard == [Event("pong", {"text": "hi"})]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"language": "de-DE"}, "expected en, found de-DE"),
        ({"name": "medicine"}, "expected one of general, law, found medicine"),
        ({"name": 3}, "name of transcribe is not understood: expected str"),
        ({"transcript_names": "Jane"}, "transcript_names of transcribe"),
    ],
)
def test_a_request_that_cannot_be_is_told_why(said: dict[str, object], says: str) -> None:
    with pytest.raises((WireError, UnknownModelError), match=says):
        Client().say(Event("transcribe", said))


@pytest.mark.parametrize("language", ["en", "en-GB", "EN_us", "auto", None])
def test_any_word_for_the_language_of_the_bundle_will_do(language: str | None) -> None:
    assert Client().say(Event("transcribe", {"language": language})) == []


# A transcription.


def test_a_transcription_from_its_first_event_to_its_last() -> None:
    heard = Client().say(*spoken("do mi so", language="en"))
    kinds = types(heard)
    assert kinds[:2] == ["transcript-start", "voice-started"]
    assert kinds[-3:] == ["voice-stopped", "transcript", "transcript-stop"]
    assert "transcript-chunk" in kinds
    assert heard[-2].data == {"text": "do mi so", "language": "en"}


def test_chunks_joined_are_the_transcript_over_several_utterances() -> None:
    heard = Client().say(*spoken("do mi so"), *spoken("re"))
    assert texts(heard, "transcript") == ["do mi so", "re"]
    assert "".join(map(str, texts(heard, "transcript-chunk"))) == "do mi sore"


def test_pauses_end_no_transcription() -> None:
    sound = pcm(speak("do mi")) + pcm(speak("re fa"))
    heard = Client().say(*chunks(sound), Event("audio-stop"))
    assert texts(heard, "transcript") == ["do mi re fa"]
    assert "".join(map(str, texts(heard, "transcript-chunk"))) == "do mi re fa"
    assert types(heard).count("voice-stopped") == 2


def test_silence_and_no_audio_at_all_have_an_empty_transcript() -> None:
    for events in ([*chunks(bytes(32_000))], [Event("audio-start", AUDIO)], []):
        heard = Client().say(Event("transcribe"), *events, Event("audio-stop"))
        assert types(heard) == ["transcript-start", "transcript", "transcript-stop"]
        assert heard[1].data["text"] == ""


def test_a_language_model_is_named_by_the_model_of_a_request_alone() -> None:
    client = Client()
    heard = client.say(*spoken("do", name="law"), *spoken("do"), *spoken("do", name="notes"))
    assert texts(heard, "transcript") == ["law-do", "do", "do"]


def test_what_the_client_wants_back_comes_back() -> None:
    heard = Client().say(*spoken("do", context={"id": 3}))
    assert heard[-2].data == {"text": "do", "language": "en", "context": {"id": 3}}


@pytest.mark.parametrize(("wish", "expected"), [("relaxed", 1_250), ("aggressive", 250), ("x", 0)])
def test_the_sensitivity_is_a_length_of_silence(wish: str, expected: int) -> None:
    client = Client()
    client.say(Event("transcribe", {"vad_sensitivity": wish}), *chunks(bytes(640)))
    found = client.run.session.start.endpointing.trailing_silence_ms
    assert found == (expected or None)


def test_names_and_terms_become_phrases_of_this_transcription_alone() -> None:
    client = Client()
    said: dict[str, object] = {
        "transcript_names": ["Jane Doe"],
        "transcript_terms": ["fbank", "Jane Doe"],
    }
    client.say(Event("transcribe", said), *chunks(bytes(640)))
    found = {phrase.text: phrase.boost for phrase in client.run.session.start.phrases}
    assert list(found) == ["Jane Doe", "fbank"]
    assert found["Jane Doe"] > found["fbank"]
    client.say(Event("audio-stop"), *chunks(bytes(640)))
    assert client.run.session.start.phrases == ()


def test_chunks_count_and_not_what_audio_start_said() -> None:
    client = Client()
    sound = speak("do mi").repeat(3)  # 48 kHz
    client.say(Event("audio-start", AUDIO), *chunks(pcm(sound), rate=48_000))
    heard = client.say(Event("audio-stop"))
    assert texts(heard, "transcript") == ["do mi"]


def test_a_large_chunk_is_taken_as_it_comes_in_pieces_of_whole_samples() -> None:
    sound = bytes(range(240)) * 500
    data = pack(Event("audio-chunk", {**AUDIO, "width": 3}, sound)) + pack(Event("audio-stop"))
    unpacker = Unpacker(len(sound))
    found: list[Event] = []
    for at in range(0, len(data), 50_000):
        before = len(found)
        found += unpacker.receive(data[at : at + 50_000])
        assert len(found) > before
    *chunks, stop = found
    assert stop == Event("audio-stop")
    assert {one.type for one in chunks} == {"audio-chunk"}
    assert all(one.data["width"] == 3 and len(one.payload) % 3 == 0 for one in chunks)
    assert b"".join(one.payload for one in chunks) == sound


def test_a_form_that_no_session_takes_is_an_error() -> None:
    with pytest.raises(WireError, match="expected rate from 8000 to 48000, found 96000"):
        Client().say(*chunks(bytes(640), rate=96_000))
    with pytest.raises(WireError, match="rate of audio-chunk is not understood"):
        Client().say(*chunks(bytes(640), rate=0))


def test_a_session_that_the_daemon_ends_still_has_its_transcript() -> None:
    client = Client()
    client.say(*spoken("do mi")[:-1])
    heard = client.end(CloseReason.SHUTDOWN)
    assert texts(heard, "transcript") == ["do mi"]


def test_a_session_that_is_refused_has_an_error_and_no_transcript() -> None:
    client = Client()
    session = client.run.session
    session.refuse_overloaded(OverloadedError("the daemon is full", retry_after_s=5))
    client._advance()
    assert client.heard == [Event("error", {"text": "the daemon is full", "code": "overloaded"})]


def test_complaints_that_are_not_fatal_are_not_told() -> None:
    client = Client()
    client.say(*chunks(bytes(641), size=641))
    assert types(client.heard) == ["transcript-start"]


def test_errors_have_a_code() -> None:
    unknown = UnknownModelError(expected=["a"], found="b")
    assert error_event(unknown).data["code"] == "unknown_language_model"


def test_words_that_are_taken_back_are_not_said_twice() -> None:
    growing = Growing()

    def partial(text: str, stable: int) -> wire.Partial:
        return wire.Partial(seq=0, segment=0, text=text, stable_chars=stable, start=0.0)

    def final(text: str) -> wire.Final:
        return wire.Final(seq=0, segment=0, text=text, start=0.0, end=1.0, confidence=1.0)

    assert growing.partial(partial("the cat", 3)) == "the"
    assert growing.partial(partial("a cat", 5)) == ""
    assert growing.final(final("a cat")) == ""
    assert growing.final(final("sat")) == " sat"
    assert growing.text == "a cat sat"
