"""The dialect of sherpa-onnx's streaming server."""

import pytest
from tests.daemon.dialects.speaking import ABOUT, Speaking, hello, of
from tests.daemon.fakes import silence, speak

from steno_daemon.dialects.sherpa import SherpaDialect, SherpaDoor
from steno_daemon.errors import ForbiddenError, OverloadedError, UnknownModelError
from steno_daemon.wire import CloseReason
from steno_models.types import FloatArray

KEYS = {
    *("text", "tokens", "timestamps", "ys_probs", "lm_probs", "context_scores"),
    *("segment", "words", "start_time", "is_final", "is_eof"),
}


def floats(sound: FloatArray) -> bytes:
    return sound.astype("<f4").tobytes()


def client() -> Speaking:
    return Speaking(SherpaDialect("general"))


def test_results_grow_and_every_endpoint_begins_another_segment() -> None:
    talk = client()
    results = talk.speak(floats(speak("do mi re", gap_s=1.0, tail_s=0.2)), frame_bytes=12_800)
    results += talk.say("Done")
    assert [one["text"] for one in of(results, is_final=True)] == ["do", "mi", "re"]
    assert [one["segment"] for one in of(results, is_final=True)] == [0, 1, 2]
    assert all(one.keys() == KEYS for one in results)
    assert [one["is_eof"] for one in results] == [False] * (len(results) - 1) + [True]
    assert talk.frames[-1] == "Done!"
    assert talk.closed == (1000, "stopped")


def test_times_count_from_the_start_of_the_segment() -> None:
    talk = client()
    results = talk.speak(floats(speak("do mi", gap_s=0.2, tail_s=1.5)))
    [final] = of(results, is_final=True)
    assert final["tokens"] == [" do", " mi"]
    assert final["timestamps"][0] == 0.0
    assert 0.3 < final["timestamps"][1] < 0.7
    assert 0.4 < final["start_time"] < 0.8
    assert final["ys_probs"] == pytest.approx([-0.105361] * 2)


def test_the_last_result_is_told_even_where_all_was_said() -> None:
    talk = client()
    talk.speak(floats(speak("do", tail_s=2.0)))
    [last] = talk.say("Done")
    assert (last["text"], last["segment"], last["is_eof"]) == ("", 1, True)


def test_what_is_no_message_and_what_comes_too_late_means_nothing() -> None:
    talk = client()
    assert talk.say("hello", "{}", b"") == []
    talk.speak(floats(speak("do", tail_s=0.1)))
    assert talk.say("Done")[-1]["text"] == "do"
    assert talk.say("Done", floats(silence(0.5))) == []


def test_frames_cut_within_a_sample_are_put_together() -> None:
    talk = client()
    talk.speak(floats(speak("do mi", tail_s=0.2)), frame_bytes=1_001)
    assert talk.say("Done")[-1]["text"] == "do mi"


def test_words_that_are_left_when_the_daemon_ends_are_said() -> None:
    talk = client()
    talk.speak(floats(speak("do", tail_s=0.1)))
    talk.end(CloseReason.SHUTDOWN)
    assert talk.messages[-1]["text"] == "do"
    assert talk.frames[-1] == "Done!"
    assert talk.closed == (1001, "shutdown")


def test_the_way_in_says_what_is_wrong_as_sherpa_does() -> None:
    door = SherpaDoor(ABOUT)
    talk = Speaking(door.welcome(hello(("domain", "law"))).dialect)
    assert talk.session.start.language_model == "law"
    with pytest.raises(UnknownModelError):
        door.welcome(hello(("domain", "medicine")))
    full = door.refusal(hello(), OverloadedError("the daemon is busy", retry_after_s=5))
    assert full.status == 503
    assert full.headers["Hint"] == "The server is overloaded. Please retry later."
    denied = ForbiddenError("no", expected="this", found="that")
    assert door.refusal(hello(), denied).status == 403
