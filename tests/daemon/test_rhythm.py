"""Chunks of sessions that began at any moment end together."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.listening import run

from steno_daemon import wire
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import perform
from steno_daemon.happenings import STEP_SAMPLES
from steno_daemon.journal import Journal, Opening
from steno_daemon.offer import Offer, room_at
from steno_daemon.rhythm import (
    BEATS,
    LATE_SAMPLES,
    LOOK_SAMPLES,
    Pace,
    Rhythm,
    first_chunk_steps,
)
from steno_daemon.session import Session
from steno_models.features.extractor import FRAME_LENGTH_SAMPLES, FRAME_SHIFT_SAMPLES

STEPS = 16
PERIOD = STEPS * STEP_SAMPLES


class Clock:
    """Seconds, told by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@given(
    origin=st.integers(0, 10**9), phase=st.integers(0, PERIOD - 1), chunk=st.sampled_from([8, 16])
)
def test_a_first_chunk_ends_with_the_beat_and_is_never_empty(
    origin: int, phase: int, chunk: int
) -> None:
    steps = first_chunk_steps(origin, phase, chunk)
    assert 1 <= steps <= chunk
    early = (phase - origin - steps * STEP_SAMPLES) % (chunk * STEP_SAMPLES)
    assert early < STEP_SAMPLES


@given(position=st.integers(0, 10**9), phase=st.none() | st.integers(0, PERIOD - 1))
def test_looks_are_one_grid_whatever_the_position(position: int, phase: int | None) -> None:
    pace = Pace(phase)
    look = pace.next_look(position)
    assert position < look <= position + LOOK_SAMPLES
    assert pace.next_look(look - 1) == look
    assert pace.next_look(look) == look + LOOK_SAMPLES


@given(origin=st.integers(0, 10**9), phase=st.integers(0, PERIOD - 1))
def test_at_a_look_the_first_chunk_is_complete_just_after_the_beat(origin: int, phase: int) -> None:
    pace = Pace(phase, STEPS)
    needed = (pace.first_frames(origin) - 1) * FRAME_SHIFT_SAMPLES + FRAME_LENGTH_SAMPLES
    look = pace.next_look(origin)
    while look < origin + needed:
        look += LOOK_SAMPLES
    assert (look - phase) % PERIOD <= LATE_SAMPLES


def test_without_a_phase_it_is_whole() -> None:
    assert first_chunk_steps(12_345, None, STEPS) == STEPS


def test_who_comes_first_sets_the_beat() -> None:
    clock = Clock()
    rhythm = Rhythm(STEPS, 8, clock)
    for start_s in (0.123, 7.77):
        clock.now_s += start_s
        part = rhythm.join(1)
        assert part.phase == 0
        rhythm.leave(part)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8))
def test_chunks_of_all_end_at_once(waits: list[float]) -> None:
    clock = Clock()
    rhythm = Rhythm(STEPS, 8, clock)
    ends = []
    for wait_s in waits:
        clock.now_s += wait_s
        part = rhythm.join(1)
        ends.append(clock.now_s + part.phase / SAMPLE_RATE)
    period_s = PERIOD / SAMPLE_RATE
    off = (np.array(ends) - ends[0] + period_s / 2) % period_s - period_s / 2
    assert np.abs(off).max() <= STEP_SAMPLES / SAMPLE_RATE  # each of the two is rounded


def test_beats_fill_one_after_the_other_and_then_evenly() -> None:
    rhythm = Rhythm(STEPS, 2, Clock())
    parts = [rhythm.join(1) for _ in range(2 * len(BEATS))]
    assert [part.beat for part in parts] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [rhythm.join(1).beat for _ in BEATS] == [0, 1, 2, 3]
    rhythm.leave(parts[4])
    rhythm.leave(parts[5])
    assert rhythm.join(1).beat == 2  # where there is room again


def test_a_session_of_more_channels_than_a_beat_has_room_for_takes_the_emptiest() -> None:
    rhythm = Rhythm(STEPS, 4, Clock())
    rhythm.join(1)
    assert rhythm.join(6).beat == 1


def test_without_company_all_are_as_if_alone() -> None:
    clock = Clock()
    rhythm = Rhythm(STEPS, 0, clock)
    for _ in range(5):
        clock.now_s += 0.3
        assert rhythm.join(1).phase == 0


@pytest.mark.parametrize("phase", [0, 5 * STEP_SAMPLES, 15 * STEP_SAMPLES])
def test_whole_chunks_of_a_session_end_with_its_beat(phase: int) -> None:
    session, recogniser = Session("test", Offer(), room_at(phase)), FakeRecogniser()
    session.receive_start(wire.Start())
    known, ends, texts = 0, [], []
    sound = pcm(speak("do re mi fa so do re mi", lead_s=1.0))
    for begin in range(0, len(sound), 320):
        session.receive_audio(sound[begin : begin + 320])
        if begin + 320 >= len(sound):
            session.receive_stop()
        while work := session.work_to_do():
            update, state = perform(recogniser, work, session.decoding)
            if not work.is_last and update.steps > known > 0:
                ends.append(work.position)
            known = 0 if work.is_last else update.steps
            session.work_done(update, state)
        texts += [event.text for event in session.events_to_send() if isinstance(event, wire.Final)]
    assert texts == ["do re mi fa so do re mi"]
    late = (np.array(ends) - phase) % PERIOD
    assert len(late) > 3
    assert late.max() <= LATE_SAMPLES


def test_the_phase_is_kept_on_disk(tmp_path: Path) -> None:
    done = run(speak("do re"))
    journal, name = Journal(tmp_path, keep_s=60), "0123456789abcdef"
    page = journal.page(name)
    page.begin(Opening(start=wire.Start(), token_sha256="0" * 64, grant="everybody", phase=1_280))
    page.write([], done.session.checkpoints)
    page.close()
    kept = journal.read(name)
    assert kept is not None
    session = Session("test", Offer(), room_at(7))
    session.restore(kept[1])
    assert session.decoding.phase == 1_280
