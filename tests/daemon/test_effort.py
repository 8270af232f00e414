"""What a session costs, on a clock that every piece of work moves."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, speak

from steno_daemon.effort import BATCH_S, PAUSE_S, TOGETHER_MAX, measure, room, sentence, together
from steno_daemon.engine import own_chunk_ms
from steno_daemon.offer import Decoding
from steno_models.recogniser import State, Update
from steno_models.recogniser import Work as Chunk

PIECE_S = 0.05


class Timed(FakeRecogniser):
    """Takes so long for each piece of work by its own clock, and longer the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.piece_s = PIECE_S

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        self.now_s += self.piece_s if self.batches else 100.0
        return super().step(work)


@pytest.mark.parametrize(
    ("factor", "headroom", "sessions"),
    [(0.1, 0.75, 7), (2.0, 0.75, 1), (0.0, 0.75, 1_000), (0.05, 0.72, 14)],
)
def test_the_limit_of_sessions_follows_from_the_measured_speed(
    factor: float, headroom: float, sessions: int
) -> None:
    assert room(factor, headroom=headroom) == sessions


def test_a_whole_session_is_heard_and_its_warm_up_left_out() -> None:
    recogniser, sound = Timed(), speak("do re mi")
    done: list[int] = []

    def clock() -> float:
        done.append(len(recogniser.batches))
        return recogniser.now_s

    factor = measure(recogniser, Decoding(), sound, clock=clock)
    warm_up, pieces = done[0], done[1] - done[0]
    assert warm_up >= 1
    assert pieces >= 2
    assert factor == pytest.approx(pieces * PIECE_S / (len(sound) / 16_000))


@pytest.mark.parametrize(
    ("batch_s", "pieces"), [(0.001, TOGETHER_MAX), (BATCH_S * 8 / 5.5, 5), (9.0, 2)]
)
def test_so_many_are_decoded_together_as_take_no_longer_than_others_wait(
    batch_s: float, pieces: int
) -> None:
    recogniser = Timed()
    recogniser.piece_s = batch_s
    clock = partial(getattr, recogniser, "now_s")
    assert together(recogniser, Decoding(), speak("do re mi"), clock=clock) == pieces
    assert set(recogniser.batches) == {TOGETHER_MAX}


def test_what_is_saved_is_measured() -> None:
    recogniser = FakeRecogniser()
    measure(recogniser, Decoding(degraded=2), speak("do re mi fa so"))
    saved, recogniser.batches = len(recogniser.batches), []
    measure(recogniser, Decoding(), speak("do re mi fa so"))
    assert saved < len(recogniser.batches)


def test_the_sentence_that_is_measured_is_speech_with_a_pause() -> None:
    samples = sentence()
    pause = round(PAUSE_S * 16_000)
    assert 2 < len(samples) / 16_000 - PAUSE_S < 6
    assert np.abs(samples[:-pause]).max() > 0.1
    assert not samples[-pause:].any()


def test_a_recogniser_has_a_decoding_step_of_its_own() -> None:
    assert own_chunk_ms(FakeRecogniser()) == 640
