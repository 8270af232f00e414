from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.fakes import pcm, speak

from steno_daemon import wire
from steno_daemon.intake import Intake


def test_a_thousand_flushes_do_not_move_the_clock() -> None:
    intake = Intake(wire.Start(rate=44_100))
    given_samples = 0
    for length in range(1, 1_001):
        given_samples += len(intake.accept(pcm(np.zeros(length, np.float32))))
        given_samples += len(intake.flush())
        assert given_samples == intake.position
    assert intake.position == round(500_500 * 16_000 / 44_100)


@settings(deadline=None, max_examples=20)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
)
def test_the_samples_do_not_depend_on_how_the_bytes_are_cut(rate: int, cuts: list[int]) -> None:
    data = pcm(speak("do mi", lead_s=0.1, tail_s=0.1))[:20_000]
    whole = Intake(wire.Start(rate=rate))
    expected = np.concatenate([whole.accept(data), whole.flush()])
    pieces = Intake(wire.Start(rate=rate))
    edges = [0, *sorted(cuts), len(data)]
    heard = [pieces.accept(data[a:b]) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate([*heard, pieces.flush()]), expected)


def test_positions_are_counted_in_samples_of_one_channel() -> None:
    intake = Intake(wire.Start(encoding=wire.Encoding.PCM_F32LE, rate=48_000, channels=2))
    intake.accept(b"\0" * (8 * 48_000 + 3))
    assert intake.received_samples == 48_000
    assert intake.loose_bytes == 3
    assert intake.position == 16_000
    assert intake.client_samples(8_000) == 24_000
    assert intake.client_samples(16_001) == 48_000


@pytest.mark.parametrize("encoding", list(wire.Encoding))
def test_every_encoding_of_the_wire_is_understood(encoding: wire.Encoding) -> None:
    intake = Intake(wire.Start(encoding=encoding))
    samples = intake.accept(bytes(16))
    assert len(samples) == 16 // intake.format.block_bytes
