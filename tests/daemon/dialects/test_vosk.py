"""The dialect of vosk-server: one reply a frame, whatever comes."""

import json
import re

import pytest
from tests.daemon.dialects.speaking import ABOUT, Message, Speaking, hello
from tests.daemon.fakes import pcm, silence, speak

from steno_daemon.dialects.expecting import PHRASES_MAX, expected
from steno_daemon.dialects.vosk import N_BEST_MAX, VoskDialect, VoskDoor
from steno_daemon.errors import OverloadedError, UnauthorisedError, UnknownModelError
from steno_daemon.wire import CloseReason, Configure

EOF = '{"eof" : 1}'
RESET = '{"reset" : 1}'
CONFIG = '{ "config" : { "sample_rate" : 16000.000000 } }'


def client(*config: str, rate: int = 16_000) -> Speaking:
    found = Speaking(VoskDialect(ABOUT, rate=rate, language_model="general"))
    assert found.say(*config) == []
    return found


def text_of(replies: list[Message]) -> str:
    """What a transcriber makes of the replies: those without a partial."""
    return " ".join(one["text"] for one in replies if one.get("text"))


@pytest.mark.parametrize("frame_bytes", [640, 3_200, 4_000, 8_000, 100_000])
def test_every_frame_has_one_reply_and_the_words_come_in_order(frame_bytes: int) -> None:
    talk = client(CONFIG)
    sound = pcm(speak("do mi re", gap_s=1.0))
    replies = []
    for begin in range(0, len(sound), frame_bytes):
        replies += talk.say(sound[begin : begin + frame_bytes])
        assert len(replies) == begin // frame_bytes + 1
        assert ("partial" in replies[-1]) is not ("text" in replies[-1])
    replies += talk.say(EOF)
    assert len(replies) == -(-len(sound) // frame_bytes) + 1
    assert text_of(replies) == "do mi re"
    assert talk.closed == (1000, "stopped")


def test_the_reply_in_which_an_utterance_ends_has_its_words_and_is_no_partial() -> None:
    talk = client(CONFIG)
    replies = talk.speak(speak("do mi", gap_s=0.2, tail_s=1.5), frame_bytes=3_200)
    [final] = [one for one in replies if "partial" not in one]
    assert (final["text"], [word["word"] for word in final["result"]]) == ("do mi", ["do", "mi"])
    assert final["result"][0].keys() == {"conf", "start", "end", "word"}
    assert any(one.get("partial", "").startswith("do") for one in replies)
    assert replies[-1] == {"partial": ""}
    for frame, reply in zip(talk.frames, replies, strict=True):  # as vosk itself writes it
        assert frame == json.dumps(reply, indent=2, separators=(",", " : "), sort_keys=True)
    assert talk.say(EOF) == [{"text": ""}]


def test_times_go_on_from_one_utterance_to_the_next() -> None:
    talk = client(CONFIG)
    replies = talk.speak(speak("do", tail_s=1.5)) + talk.say(RESET)
    replies += talk.speak(speak("mi", tail_s=1.5)) + talk.say(EOF)
    [do, mi] = [one["result"][0] for one in replies if "result" in one]
    assert 0.4 < do["start"] < 0.8
    assert 2.7 < mi["start"] < 3.2


def test_the_whole_file_in_one_frame_has_one_reply_with_all_utterances_that_ended() -> None:
    talk = client(CONFIG)
    [reply] = talk.say(speak("do mi re", gap_s=1.0, tail_s=0.2))
    assert reply["text"] == "do mi"
    assert [word["word"] for word in reply["result"]] == ["do", "mi"]
    [last] = talk.say(EOF)
    assert last["text"] == "re"


def test_replies_wait_until_their_audio_was_heard() -> None:
    dialect = VoskDialect(ABOUT, rate=16_000, language_model="general")
    talk = Speaking(dialect)
    frame = pcm(speak("do", tail_s=1.0))
    for piece in dialect.pieces(talk.session, frame):
        dialect.receive(talk.session, piece)
    assert talk.session.work_to_do() is not None  # and it is out
    assert list(dialect.replies(talk.session.told_s)) == []
    assert dialect.owed == 1


def test_a_client_that_does_not_wait_still_gets_one_reply_for_each_frame() -> None:
    dialect = VoskDialect(ABOUT, rate=16_000, language_model="general")
    talk = Speaking(dialect)
    sound = pcm(speak("do mi", gap_s=1.0))
    frames: list[bytes | str] = [sound[at : at + 640] for at in range(0, len(sound), 640)]
    for frame in [*frames, RESET, EOF]:
        for piece in dialect.pieces(talk.session, frame):
            dialect.receive(talk.session, piece)
    talk.advance()
    assert len(talk.frames) == len(frames) + 2
    assert text_of(talk.messages) == "do mi"


def test_a_reset_is_answered_with_the_words_so_far_and_the_session_goes_on() -> None:
    talk = client(CONFIG)
    talk.speak(speak("do", tail_s=0.1))
    [reset] = talk.say(RESET)
    assert reset["text"] == "do"
    assert talk.say(RESET) == [{"text": ""}]
    assert talk.closed is None
    talk.speak(speak("mi", tail_s=0.1))
    assert talk.say(EOF)[0]["text"] == "mi"


@pytest.mark.parametrize("frames", [[], [RESET, RESET]])
def test_nothing_heard_is_an_empty_text(frames: list[str]) -> None:
    talk = client()
    assert talk.say(*frames, EOF) == [{"text": ""}] * (len(frames) + 1)
    assert talk.closed == (1000, "stopped")


def test_without_a_config_the_samples_are_those_of_a_telephone_and_words_have_places() -> None:
    talk = client(rate=8_000)
    talk.speak(speak("do mi", tail_s=0.3)[::2])
    [reply] = talk.say(EOF)
    assert reply["text"] == "do mi"
    assert len(reply["result"]) == 2


@pytest.mark.parametrize("rate", ["8000", "8000.0", "8000.000000"])
def test_a_rate_may_be_an_integer_or_not(rate: str) -> None:
    talk = client(f'{{"config" : {{"sample_rate" : {rate}, "words" : 0}}}}')
    talk.speak(speak("do mi", tail_s=0.3)[::2])
    assert talk.say(EOF) == [{"text": "do mi"}]


def test_several_configs_count_until_the_first_audio_and_none_after_it() -> None:
    talk = client('{"config": {"words": false}}', CONFIG)
    talk.speak(speak("do", tail_s=0.1))
    assert talk.say('{"config": {"words": true, "sample_rate": 8000}}') == []
    talk.speak(speak("mi", tail_s=0.1))
    assert talk.say(EOF) == [{"text": "do mi"}]


def test_alternatives_take_the_place_of_the_text() -> None:
    talk = client('{"config": {"sample_rate": 16000, "max_alternatives": 3}}')
    replies = talk.speak(speak("do mi", tail_s=1.5))
    [final] = [one for one in replies if "partial" not in one]
    assert final.keys() == {"alternatives"}
    first, second, *_ = final["alternatives"]
    assert (first["text"], second["text"]) == ("do mi", "do")
    assert first["confidence"] >= second["confidence"]
    assert [word["word"] for word in first["result"]] == ["do", "mi"]
    assert first["result"][0].keys() == {"start", "end", "word"}
    assert [word["word"] for word in second["result"]] == ["do"]
    assert talk.say(EOF) == [{"alternatives": [{"text": "", "confidence": 1.0}]}]


@pytest.mark.parametrize(("asked", "told"), [("1e400", 0), ("-3", 0), ("9" * 400, N_BEST_MAX)])
def test_any_number_of_alternatives_may_be_asked_for(asked: str, told: int) -> None:
    talk = client(f'{{"config": {{"sample_rate": 16000, "max_alternatives": {asked}}}}}')
    [reply] = talk.say(pcm(silence(0.1)))
    assert ("error" in reply) == (asked == "1e400")  # JSON's own infinity
    assert talk.session.start.n_best == max(1, told)


def test_alternatives_of_several_utterances_are_put_together() -> None:
    talk = client('{"config": {"sample_rate": 16000, "max_alternatives": 2}}')
    [reply] = talk.say(speak("do mi re", gap_s=1.0, tail_s=1.5))
    assert reply["alternatives"][0]["text"] == "do mi re"


def test_phrases_are_expected_and_a_domain_is_chosen_by_the_name_of_a_model() -> None:
    config = '{"config": {"phrase_list": ["do mi", 3, "[unk]", "do mi"], "model": "/opt/law"}}'
    talk = client(config)
    assert talk.say(pcm(silence(0.1))) == [{"partial": ""}]
    assert talk.session.start.language_model == "law"
    assert [phrase.text for phrase in talk.session.start.phrases] == ["do mi"]


def test_phrases_that_are_no_list_are_said_beside_the_next_reply() -> None:
    talk = client('{"config": {"phrase_list": "do"}}')
    [reply] = talk.say(pcm(silence(0.1)))
    assert "expected a list of texts as phrase_list" in reply["error"]
    assert talk.session.start.phrases == ()


def test_phrases_change_while_there_is_audio_only_with_a_model() -> None:
    talk = client(CONFIG)
    talk.say(pcm(silence(0.1)))
    wishes: list[Configure] = []

    def note(wish: Configure) -> None:
        wishes.append(wish)

    talk.session.receive_configure = note  # type: ignore[method-assign]
    for more in ("", ', "model": "general"', ', "model": "general"', ', "model": "law"'):
        talk.say('{"config": {"phrase_list": ["do"]' + more + "}}")
    said = [(wish.language_model, wish.phrases and wish.phrases[0].text) for wish in wishes]
    assert said == [(None, "do"), ("law", None)]


def test_of_an_endless_list_of_phrases_some_are_enough() -> None:
    assert len(expected(f"phrase {number}" for number in range(20_000))) == PHRASES_MAX


def test_an_unknown_model_is_said_beside_the_next_reply_and_changes_nothing() -> None:
    talk = client('{"config": {"model": "model-ru"}}')
    [reply] = talk.say(pcm(silence(0.1)))
    assert reply["partial"] == ""
    assert "expected one of general, law as model" in reply["error"]
    assert talk.session.start.language_model == "general"
    assert talk.say(pcm(silence(0.1))) == [{"partial": ""}]


@pytest.mark.parametrize("frame", ["hello", "[]", '{"x": 1}', "{", '"eof"', "[" * 10_000])
def test_a_text_that_is_no_message_has_one_reply_that_says_so(frame: str) -> None:
    talk = client(CONFIG)
    [reply] = talk.say(frame)
    assert reply["partial"] == ""
    assert "expected a JSON object" in reply["error"]
    [reply] = talk.say(pcm(silence(0.1)))
    assert reply == {"partial": ""}


@pytest.mark.parametrize("config", ['{"config": ', '{"config": 3}', '{"config": {"words": 1}'])
def test_a_broken_config_has_no_reply_of_its_own(config: str) -> None:
    talk = client(CONFIG, config)
    [reply] = talk.say(pcm(silence(0.1)))
    assert "expected" in reply["error"]


@pytest.mark.parametrize("rate", ["100", "1e9", "9" * 400, "NaN", "true", '"16000"', "null"])
def test_a_rate_that_cannot_be_heard_ends_the_connection_in_words(rate: str) -> None:
    talk = client()
    talk.say(f'{{"config": {{"sample_rate": {rate}}}}}')
    assert talk.closed is not None
    assert talk.closed[0] == 1013
    assert "the audio cannot be heard" in talk.closed[1]


def test_a_wav_header_and_an_odd_byte_do_no_harm() -> None:
    talk = client(CONFIG)
    sound = b"RIFF" + bytes(40) + pcm(speak("do mi", tail_s=0.2)) + b"\0"
    replies = talk.speak(sound, frame_bytes=4_001)
    assert all("partial" in one for one in replies)
    assert talk.say(EOF)[0]["text"] == "do mi"


def test_nothing_counts_behind_the_end() -> None:
    talk = client(CONFIG)
    talk.speak(speak("do", tail_s=0.1))
    talk.say(EOF)
    assert talk.say(EOF, RESET, pcm(silence(0.1)), CONFIG) == []


def test_replies_look_as_those_of_vosk() -> None:
    talk = client(CONFIG)
    talk.say(pcm(silence(0.1)))
    assert talk.frames == ['{\n  "partial" : ""\n}']


@pytest.mark.parametrize("reason", [CloseReason.SHUTDOWN, CloseReason.IDLE])
def test_words_that_are_left_when_the_daemon_ends_are_said(reason: CloseReason) -> None:
    talk = client(CONFIG)
    talk.speak(speak("do", tail_s=0.1))
    before = len(talk.frames)
    talk.end(reason)
    [last] = [json.loads(frame) for frame in talk.frames[before:]]
    assert last["text"] == "do"


def test_the_way_in_says_what_is_wrong_in_plain_words() -> None:
    door = VoskDoor(ABOUT, rate=8_000)
    assert isinstance(door.welcome(hello(("domain", "law"))).dialect, VoskDialect)
    with pytest.raises(UnknownModelError, match="expected one of general, law, found medicine"):
        door.welcome(hello(("domain", "medicine")))
    full = door.refusal(hello(), OverloadedError("the daemon is busy", retry_after_s=5))
    assert (full.status, full.headers["Retry-After"]) == (503, "6")
    assert door.refusal(hello(), UnauthorisedError("who is it?")).status == 401
    assert door.token(hello(("token", "abc"))) == "abc"
    assert door.token(hello(headers={"Authorization": "Bearer abc"})) == "abc"
    assert re.fullmatch("/[a-z]+", door.path)
