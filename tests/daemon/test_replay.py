import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.daemon.fakes import FakeRecogniser, finals, speak

from steno_daemon import wire
from steno_daemon.replay import evaluate, replay


def test_a_recording_is_heard_as_a_client_would_hear_it() -> None:
    sound = speak("do mi re")
    events = list(replay(FakeRecogniser(), sound, start=wire.Start(word_times=True)))
    assert finals(event for _, event in events) == ["do mi re"]
    assert isinstance(events[0][1], wire.Ready)
    assert isinstance(events[-1][1], wire.Closed)


def test_no_event_comes_before_the_samples_that_it_tells_of() -> None:
    received = 0
    for samples, event in replay(FakeRecogniser(), speak("do mi re fa", gap_s=0.9)):
        assert samples >= received
        received = samples
        if isinstance(event, wire.Final):
            assert event.end * 16_000 <= samples
        if isinstance(event, wire.SpeechStarted):
            assert event.time * 16_000 <= samples < (event.time + 0.5) * 16_000


@pytest.mark.parametrize("block_samples", [1, 7_777, 10**9])
def test_the_size_of_blocks_changes_no_final(block_samples: int) -> None:
    sound = speak("do mi", lead_s=0.2, tail_s=0.3)
    if block_samples == 1:
        sound = sound[:4_000]
    whole = finals(event for _, event in replay(FakeRecogniser(), sound))
    blocks = replay(FakeRecogniser(), sound, block_samples=block_samples)
    assert finals(event for _, event in blocks) == whole


def test_the_evaluation_hears_words_with_their_times() -> None:
    events = [event for _, event in evaluate(FakeRecogniser(), speak("do mi"), 4)]
    assert isinstance(events[0], wire.Ready)
    assert events[0].chunk_ms == 160
    [final] = [event for event in events if isinstance(event, wire.Final)]
    assert [word.text for word in final.words or ()] == ["do", "mi"]


def test_the_evaluation_finds_the_replay_by_its_entry_point() -> None:
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    table = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["entry-points"]
    for name, value in table["steno.streaming"].items():
        assert callable(EntryPoint(name, value, "steno.streaming").load())
