"""A session is taken up where another daemon left it, and nothing in its transcript shows it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.fakes import RATE, FakeRecogniser, murmur, pcm, silence, speak
from tests.daemon.listening import Events, Run

from steno_daemon import wire
from steno_daemon.engine import perform
from steno_daemon.happenings import Work
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.outbox import to_keep
from steno_daemon.segmenter import QUIET_SAMPLES
from steno_daemon.session import Session
from steno_models.audio import resample

ENDPOINTING = wire.Endpointing(max_utterance_s=3)  # so that utterances are cut in speech, too
START = wire.Start(word_times=True, endpointing=ENDPOINTING)
SOUND = np.concatenate(
    [
        speak("do re mi"),
        silence(QUIET_SAMPLES / RATE + 2, seed=3),
        speak("so", tail_s=0.8),
        murmur(6.0),
        speak("fa fa do mi re so do", gap_s=0.05),
    ]
)
BLOCK_BYTES = 3_200


def spoken(events: Events) -> list[tuple[object, ...]]:
    """What must be the same: finals, word for word and second for second, and endpoints."""
    return [
        (type(event).__name__, event.channel, event.segment)
        + (
            (event.text, event.words)
            if isinstance(event, wire.Final)
            else (event.time, event.reason)
        )
        for event in events
        if isinstance(event, wire.Final | wire.Endpoint)
    ]


def heard(start: wire.Start, sound: bytes) -> Run:
    """A session that nothing disturbs."""
    run = Run(start)
    for begin in range(0, len(sound), BLOCK_BYTES):
        run.hear(sound[begin : begin + BLOCK_BYTES])
    run.stop()
    return run


class Killed:
    """A session whose daemon is killed and started again: what was sent survives, no more."""

    def __init__(self, start: wire.Start) -> None:
        self.start = start
        self.run = Run(start)
        self.sent, self.run.events = self.run.events, []

    def hear(self, block: bytes) -> None:
        self.run.hear(block)
        self.sent += self.run.events
        self.run.events = []

    def kill(self) -> int:
        """Start again from what was kept; return the sample from which audio is needed."""
        kept = tuple(to_keep(self.sent))
        phase = self.run.session.decoding.phase
        snapshot = Snapshot(self.start, self.run.session.checkpoints, kept, phase=phase)
        fresh = Run()
        fresh.session = Session("test", Offer())
        fresh.session.restore(snapshot)
        seen = max(event.seq for event in self.sent)
        fresh.session.receive_resume(wire.Resume(token="", seq=seen))
        fresh.work()
        resumed, *missed = fresh.events
        assert isinstance(resumed, wire.Resumed)
        assert not missed
        acknowledged = [e.samples for e in self.sent if isinstance(e, wire.Acknowledged)]
        assert resumed.samples == (acknowledged[-1] if acknowledged else 0)
        fresh.events = []
        self.run = fresh
        return resumed.samples

    def stop(self) -> Events:
        self.sent += self.run.stop()
        return self.sent


def disturbed(start: wire.Start, sound: bytes, kills: list[int], width: int) -> Killed:
    """The same sound with the daemon killed before each of these blocks."""
    session = Killed(start)
    blocks = -(-len(sound) // BLOCK_BYTES)
    position = 0
    for block in range(blocks):
        if block in kills:
            position = session.kill() * width
        end = min(len(sound), (block + 1) * BLOCK_BYTES)
        session.hear(sound[position:end])
        position = end
    session.stop()
    return session


UNDISTURBED = spoken(heard(START, pcm(SOUND)).events)
BLOCKS = -(-2 * len(SOUND) // BLOCK_BYTES)


def test_the_undisturbed_session_has_something_to_lose() -> None:
    kinds = [kind for kind, *_ in UNDISTURBED]
    assert kinds.count("Final") >= 3
    assert kinds.count("Endpoint") > kinds.count("Final")
    reasons = {entry[-1] for entry in UNDISTURBED if entry[0] == "Endpoint"}
    assert len(reasons) >= 2


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, BLOCKS - 1), max_size=4, unique=True))
def test_a_killed_daemon_loses_and_repeats_no_word(kills: list[int]) -> None:
    session = disturbed(START, pcm(SOUND), kills, 2)
    assert spoken(session.sent) == UNDISTURBED
    numbers = [event.seq for event in session.sent]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("kills", [[40], [90, 200], [160]])
def test_likewise_where_the_rate_has_to_be_changed(kills: list[int]) -> None:
    start = wire.Start(rate=48_000, word_times=True, endpointing=ENDPOINTING)
    sound = pcm(resample(SOUND, RATE, 48_000))
    expected = spoken(heard(start, sound).events)
    assert spoken(disturbed(start, sound, [3 * kill for kill in kills], 2).sent) == expected


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_session_that_was_over_asks_for_no_audio_that_it_acknowledged(rate: int) -> None:
    pause = silence(0.9)  # in which there is no checkpoint
    sound = pcm(resample(np.concatenate([SOUND, pause]), RATE, rate))
    session = Killed(wire.Start(rate=rate, word_times=True, endpointing=ENDPOINTING))
    session.hear(sound)
    assert isinstance(session.stop()[-1], wire.Closed)
    assert session.kill() == len(sound) // 2
    assert session.kill() == len(sound) // 2


def test_audio_is_acknowledged_in_long_silence_and_after_each_final() -> None:
    run = heard(START, pcm(SOUND))
    acknowledged = [event.samples for event in run.of(wire.Acknowledged)]
    assert acknowledged == sorted(set(acknowledged))
    assert acknowledged[-1] == len(SOUND)
    # Never is more than a long utterance or a long silence kept.
    assert max(np.diff([0, *acknowledged])) <= 26 * RATE
    assert len(acknowledged) >= len(run.of(wire.Final))


def test_each_channel_has_its_own_transcript_on_one_clock() -> None:
    left, right = speak("do re", tail_s=3.0), speak("so", lead_s=2.0, tail_s=2.0)
    length = max(len(left), len(right))
    both = np.stack([np.pad(side, (0, length - len(side))) for side in (left, right)], axis=1)
    start = wire.Start(channels=2, separate_channels=True, word_times=True)
    run = heard(start, pcm(both.ravel()))
    words = {
        channel: [w for e in run.of(wire.Final) if e.channel == channel for w in e.words or ()]
        for channel in (0, 1)
    }
    assert [word.text for word in words[0]] == ["do", "re"]
    assert [word.text for word in words[1]] == ["so"]
    assert words[1][0].start == pytest.approx(2.0, abs=0.15)
    assert words[0][0].start == pytest.approx(0.6, abs=0.15)
    for channel, side in enumerate((left, right)):
        alone = heard(wire.Start(word_times=True), pcm(np.pad(side, (0, length - len(side)))))
        assert [e.text for e in alone.of(wire.Final)] == [
            e.text for e in run.of(wire.Final) if e.channel == channel
        ]


def test_a_killed_session_of_two_channels_goes_on_in_both() -> None:
    left, right = speak("do re mi", tail_s=4.0), speak("so fa", lead_s=2.0, tail_s=2.0)
    length = max(len(left), len(right))
    both = np.stack([np.pad(side, (0, length - len(side))) for side in (left, right)], axis=1)
    start = wire.Start(channels=2, separate_channels=True, word_times=True)
    sound = pcm(both.ravel())
    expected = spoken(heard(start, sound).events)
    blocks = -(-len(sound) // BLOCK_BYTES)
    for kill in range(5, blocks, 17):
        found = spoken(disturbed(start, sound, [kill], 4).sent)
        assert sorted(found) == sorted(expected)


def test_a_finalize_is_answered_when_every_channel_has_finished() -> None:
    run = Run(wire.Start(channels=2, separate_channels=True))
    sound = np.repeat(speak("do", tail_s=0.1), 2)
    run.hear(pcm(sound))
    run.finalize()
    [answer] = run.of(wire.Finalized)
    assert answer.samples == len(sound) // 2
    assert [event.channel for event in run.of(wire.Final)] == [0, 1]


def test_a_degraded_session_says_so_once_and_decodes_with_less_effort() -> None:
    run = Run(START)
    run.session.degrade(1, 1500)
    run.session.degrade(1, 1700)
    run.work()
    assert [(event.degraded, event.lag_ms) for event in run.of(wire.Load)] == [(1, 1500)]
    run.hear(speak("do"))
    assert run.session.decoding.degraded == 1
    assert perform(FakeRecogniser(), _any_work(run), run.session.decoding)


def _any_work(run: Run) -> Work:
    run.session.receive_audio(pcm(speak("re", tail_s=0.0)))
    work = run.session.work_to_do()
    assert work is not None
    return work
