"""The session alone, with a recogniser that hears hummed notes: no sockets, no threads."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.fakes import NOTES, finals, hum, murmur, pcm, silence, speak
from tests.daemon.listening import Events, Run, run

from steno_daemon import wire
from steno_daemon.engine import perform
from steno_daemon.states import State
from steno_daemon.wire import EndpointReason
from steno_models.audio import read_file, resample

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


def test_real_speech_in_any_chunks_gives_the_same_events(clips: Path) -> None:
    sound = read_file(min(clips.rglob("*.flac")))[: 8 * 16_000]
    rng = np.random.default_rng(0)
    expected = told(run(sound).events)
    assert any(isinstance(event, wire.SpeechStarted) for event in expected)
    edges = [0, *sorted(rng.integers(0, len(sound), 40).tolist()), len(sound)]
    taken = Run(wire.Start())
    for begin, end in pairwise(edges):
        taken.hear(sound[begin:end])
    assert told(taken.stop()) == expected
