import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak

from steno_daemon import wire
from steno_daemon.endpoint import Rules
from steno_daemon.engine import perform
from steno_daemon.offer import Offer, room_at
from steno_daemon.recording import Recorder, Setting
from steno_daemon.replay import Replayed, evaluate, replay, replay_capture
from steno_daemon.session import Session
from steno_models.errors import ConfigError
from steno_models.recogniser import DecodeOptions, State, Update
from steno_models.recogniser import Work as Chunk


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


class Recorded:
    """A session whose work is done as soon as it is there, and that is recorded."""

    def __init__(self, directory: Path, start: wire.Start, offer: Offer | None = None) -> None:
        offer = offer or Offer()
        setting = Setting(
            program="0.2", bundle="notes 1", chunk_ms=offer.chunk_ms, rules=offer.rules
        )
        self._directory = directory
        self.recorder = Recorder(directory, setting)
        self.recording = self.recorder.open("ab12", start, phase=0)
        self.session = Session("ab12", offer, room_at(0), observe=self.recording.event)
        self.recogniser = Scripted()
        self.session.receive_start(start)

    def work(self) -> None:
        while work := self.session.work_to_do():
            self.recording.decoding(work, self.session.decoding)
            answer = perform(self.recogniser, work, self.session.decoding)
            self.session.work_done(*answer, channel=work.channel)
        self.session.events_to_send()

    def hear(self, data: bytes) -> None:
        self.recording.audio(data)
        self.session.receive_audio(data)
        self.work()

    def say(self, message: wire.Configure | wire.Finalize | wire.Stop) -> None:
        self.recording.message(message)
        match message:
            case wire.Configure():
                self.session.receive_configure(message)
            case wire.Finalize():
                self.session.receive_finalize()
            case wire.Stop():
                self.session.receive_stop()
        self.work()

    def kept(self) -> Path:
        """Its capture, once all of it is written."""
        self.recording.close()
        self.recorder.close(60.0)
        [path] = self._directory.iterdir()
        return path


class Scripted(FakeRecogniser):
    """Remembers with what effort segments began."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[DecodeOptions] = []

    def start(self, options: DecodeOptions) -> State:
        self.options.append(options)
        return super().start(options)


def again(path: Path, recogniser: FakeRecogniser | None = None) -> Replayed:
    return replay_capture(
        recogniser or FakeRecogniser(), path, language_models=("general", "notes")
    )


def said(finals: Iterable[wire.Final]) -> list[tuple[int, int, str, float, float]]:
    return [(one.channel, one.segment, one.text, one.start, one.end) for one in finals]


def test_a_captured_session_is_heard_again_as_it_was(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True, rate=8_000))
    data = pcm(speak("do mi re", gap_s=0.9)[::2])
    for begin in range(0, len(data), 1_001):  # cut within samples
        recorded.hear(data[begin : begin + 1_001])
    recorded.say(wire.Stop())
    replayed = again(recorded.kept())
    assert [one.text for one in replayed.then] == ["do", "mi", "re"]
    assert said(replayed.now) == said(replayed.then)
    assert replayed.ending is None
    assert replayed.audio_s == pytest.approx(len(data) / 16_000)
    assert (replayed.session, replayed.bundle) == ("ab12", "notes 1")


def test_messages_between_the_audio_come_again_at_the_same_byte(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    data = pcm(speak("do mi re fa", gap_s=0.5))
    recorded.hear(data[:30_000])
    recorded.say(wire.Finalize())
    recorded.hear(data[30_000:50_001])
    recorded.say(wire.Configure(endpointing=wire.Endpointing(trailing_silence_ms=300)))
    recorded.hear(data[50_001:])
    recorded.say(wire.Stop())
    replayed = again(recorded.kept())
    assert len(replayed.then) > 1
    assert said(replayed.now) == said(replayed.then)


def test_the_rules_of_the_daemon_of_then_are_used(tmp_path: Path) -> None:
    patient = Offer(rules=Rules(trailing_silence_samples=32_000), chunk_ms=80)
    recorded = Recorded(tmp_path, wire.Start(record=True), patient)
    recorded.hear(pcm(speak("do mi", gap_s=1.0)))
    recorded.say(wire.Stop())
    recogniser = Scripted()
    replayed = again(recorded.kept(), recogniser)
    assert [one.text for one in replayed.now] == ["do mi"]
    assert {options.chunk_steps for options in recogniser.options} == {2}


def test_channels_are_heard_again_apart(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True, channels=2, separate_channels=True))
    left, right = speak("do mi"), speak("so")
    right = np.pad(right, (0, len(left) - len(right)))
    recorded.hear(pcm(np.stack([left, right], axis=1).reshape(-1)))
    recorded.say(wire.Stop())
    replayed = again(recorded.kept())
    assert [(one.channel, one.text) for one in replayed.then] == [(0, "do mi"), (1, "so")]
    assert said(replayed.now) == said(replayed.then)


def test_segments_that_an_overloaded_daemon_decoded_with_less_effort_are_so_again(
    tmp_path: Path,
) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    data = pcm(speak("do mi re", gap_s=1.2))
    recorded.hear(data[:40_000])
    recorded.session.degrade(2, lag_ms=3_000)
    recorded.hear(data[40_000:80_000])
    recorded.session.degrade(0, lag_ms=0)
    recorded.hear(data[80_000:])
    recorded.say(wire.Stop())
    then = recorded.recogniser.options
    recogniser = Scripted()
    replayed = again(recorded.kept(), recogniser)
    assert replayed.saved_segments > 0
    assert recogniser.options == then
    assert len({(one.beam_scale, one.chunk_steps) for one in then}) == 2
    assert said(replayed.now) == said(replayed.then)


def test_a_session_that_the_daemon_ended_is_ended_again(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    recorded.hear(pcm(speak("do mi", tail_s=0.0)))
    recorded.session.end(wire.CloseReason.SHUTDOWN)
    recorded.work()
    replayed = again(recorded.kept())
    assert [one.text for one in replayed.now] == ["do mi"]
    assert said(replayed.now) == said(replayed.then)
    assert replayed.ending is None


def test_a_session_without_its_last_word_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    recorded.hear(pcm(speak("do mi", gap_s=1.0, tail_s=0.0)))
    replayed = again(recorded.kept())
    assert replayed.ending == "its client went away"
    assert [one.text for one in replayed.then] == ["do"]
    assert said(replayed.now) == said(replayed.then)


def test_a_capture_without_a_word_is_one_too(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    replayed = again(recorded.kept())
    assert (replayed.then, replayed.now) == ((), ())


def test_another_model_says_something_else(tmp_path: Path) -> None:
    class Deaf(FakeRecogniser):
        def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
            return [
                (replace(update, words=update.words[:1], stable_words=0), state)
                for update, state in super().step(work)
            ]

    recorded = Recorded(tmp_path, wire.Start(record=True))
    recorded.hear(pcm(speak("do mi")))
    recorded.say(wire.Stop())
    replayed = again(recorded.kept(), Deaf())
    assert [one.text for one in replayed.then] == ["do mi"]
    assert [one.text for one in replayed.now] == ["do"]


def test_a_language_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    recorded.say(wire.Stop())
    path = recorded.kept()
    recogniser = Scripted()
    with pytest.raises(ConfigError, match=r"ab12: .* expected one of notes, found general"):
        replay_capture(recogniser, path, language_models=("notes",))
    replayed = replay_capture(recogniser, path, language_models=("notes",), language_model="notes")
    assert replayed.language_model == "general"


def test_another_language_model_decodes(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, wire.Start(record=True))
    recorded.hear(pcm(speak("do")))
    recorded.say(wire.Stop())
    recogniser = Scripted()
    replay_capture(
        recogniser, recorded.kept(), language_models=("general", "notes"), language_model="notes"
    )
    assert {options.language_model for options in recogniser.options} == {"notes"}
