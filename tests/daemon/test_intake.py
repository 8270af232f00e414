from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.fakes import pcm, speak
from tests.daemon.listening import Run
from tests.recordings import encoded, opus_file

from steno_daemon import wire
from steno_daemon.intake import Intake
from steno_daemon.wire import Encoding, ErrorCode
from steno_models.audio import resample
from steno_models.types import FloatArray

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 47_999, 48_000]
CONTAINERS = {Encoding.WEBM_OPUS: "webm", Encoding.OGG_OPUS: "ogg"}
PCM = [encoding for encoding in Encoding if not encoding.is_container]


def heard(intake: Intake, data: bytes, cuts: list[int] | None = None) -> FloatArray:
    """What an intake makes of bytes that are cut at some places."""
    edges = [0, *sorted(cuts or []), len(data)]
    pieces = [intake.accept(data[a:b]) for a, b in pairwise(edges)]
    return np.concatenate([*pieces, intake.flush()], axis=1)


def noise(samples: int, *, channels: int = 1) -> bytes:
    """16-bit samples of noise, each channel another."""
    sound = np.random.default_rng(0).standard_normal(samples * channels)
    return pcm(np.asarray(0.1 * sound, np.float32))


def test_a_thousand_flushes_do_not_move_the_clock() -> None:
    intake = Intake(wire.Start(rate=44_100))
    given_samples = 0
    for length in range(1, 1_001):
        given_samples += intake.accept(pcm(np.zeros(length, np.float32))).shape[1]
        given_samples += intake.flush().shape[1]
        assert given_samples == intake.position
    assert intake.position == round(500_500 * 16_000 / 44_100)


@settings(deadline=None, max_examples=20)
@given(
    rate=st.sampled_from(RATES),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
    at_sample=st.integers(0, 100_000),
)
def test_the_samples_do_not_depend_on_how_the_bytes_are_cut(
    rate: int, cuts: list[int], at_sample: int
) -> None:
    data = pcm(speak("do mi", lead_s=0.1, tail_s=0.1))[:20_000]
    start = wire.Start(rate=rate)
    expected = heard(Intake(start, at_sample=at_sample), data)
    assert np.array_equal(heard(Intake(start, at_sample=at_sample), data, cuts), expected)


def test_positions_are_counted_in_samples_of_one_channel() -> None:
    intake = Intake(wire.Start(encoding=Encoding.PCM_F32LE, rate=48_000, channels=2))
    intake.accept(b"\0" * (8 * 48_000 + 3))
    assert intake.received_samples == 48_000
    assert intake.received_bytes == 8 * 48_000
    assert intake.loose_bytes == 3
    assert intake.position == 16_000
    assert intake.client_samples(8_000) == 24_000
    assert intake.client_samples(16_001) == 48_000


@pytest.mark.parametrize("encoding", PCM)
def test_every_encoding_of_the_wire_is_understood(encoding: Encoding) -> None:
    intake = Intake(wire.Start(encoding=encoding))
    samples = intake.accept(bytes(16))
    assert samples.shape == (1, 16 // intake.format.block_bytes)


def test_telephone_audio_comes_out_as_speech_at_16_khz() -> None:
    tone = np.sin(np.arange(8_000) / 8_000 * 2 * np.pi * 440) * 0.5
    # mu-law by its formula: sign, and the logarithm of the magnitude in 7 bits, all inverted
    magnitude = np.log1p(255 * np.abs(tone)) / np.log(256)
    codes = ~(np.where(tone < 0, 0x80, 0) | np.rint(magnitude * 127).astype(int)) & 0xFF
    data = codes.astype(np.uint8).tobytes()
    intake = Intake(wire.Start(encoding=Encoding.MULAW, rate=8_000))
    [samples] = heard(intake, data)
    assert len(samples) == 16_000
    wanted = np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 440) * 0.5
    assert np.abs(samples - wanted)[500:-500].max() < 0.03


def test_channels_that_are_told_apart_stay_apart_on_one_clock() -> None:
    data = noise(44_100, channels=3)
    start = wire.Start(rate=44_100, channels=3, separate_channels=True)
    intake = Intake(start)
    separate = heard(intake, data, [1, 70_001])
    assert intake.channels == 3
    assert separate.shape == (3, intake.position)
    every_channel = np.frombuffer(data, "<i2").reshape(-1, 3).T
    for samples, channel in zip(separate, every_channel, strict=True):
        alone = heard(Intake(wire.Start(rate=44_100)), channel.tobytes())
        assert np.array_equal(samples, alone[0])


def test_channels_that_are_mixed_are_their_mean() -> None:
    data = noise(16_000, channels=2)
    [mixed] = heard(Intake(wire.Start(channels=2)), data)
    both = np.frombuffer(data, "<i2").reshape(-1, 2) / 32768
    np.testing.assert_allclose(mixed, both.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("position", [0, 1, 777, 20_001])
def test_who_goes_on_in_the_middle_gives_the_same_samples_from_there(
    rate: int, position: int
) -> None:
    data = noise(2 * rate)
    start = wire.Start(rate=rate)
    intake = Intake(start)
    whole = heard(intake, data)
    again = Intake.resumed(start, position)
    assert again.received_samples == intake.needed_from(position)
    assert again.received_bytes == 2 * again.received_samples
    first = again.position
    assert first <= position
    rest = heard(again, data[again.received_bytes :])
    assert first + rest.shape[1] == whole.shape[1]
    np.testing.assert_allclose(rest[:, position - first :], whole[:, position:], atol=1e-5)


def test_bytes_that_make_no_sample_yet_are_forgotten_when_they_come_again() -> None:
    data = noise(1_000)
    intake = Intake(wire.Start())
    first = intake.accept(data[:1_001])
    intake.forget_loose_bytes()
    assert intake.received_bytes == 1_000
    rest = intake.accept(data[1_000:])
    assert np.array_equal(np.concatenate([first, rest], axis=1), heard(Intake(wire.Start()), data))


@pytest.mark.parametrize("encoding", list(CONTAINERS))
@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_of_a_browser_is_decoded_whatever_start_says_of_it(
    encoding: Encoding, channels: int
) -> None:
    file = opus_file(CONTAINERS[encoding], channels=channels)
    intake = Intake(wire.Start(encoding=encoding, rate=8_000))
    [samples] = heard(intake, file.data)
    assert intake.received_bytes == len(file.data)
    assert intake.received_samples == len(file.decoded)
    assert intake.position == len(samples)
    mono = file.decoded.mean(axis=1, dtype=np.float64).astype(np.float32)
    np.testing.assert_allclose(samples, resample(mono, 48_000, 16_000), atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(encoding=st.sampled_from(list(CONTAINERS)), cuts=st.lists(st.integers(0, 12_000)))
def test_a_container_may_be_cut_anywhere(encoding: Encoding, cuts: list[int]) -> None:
    data = opus_file(CONTAINERS[encoding]).data
    start = wire.Start(encoding=encoding)
    whole = heard(Intake(start), data)
    assert np.array_equal(heard(Intake(start), data, [min(c, len(data)) for c in cuts]), whole)


@pytest.mark.parametrize("encoding", list(CONTAINERS))
def test_the_channels_of_a_container_are_told_apart_if_wanted(encoding: Encoding) -> None:
    file = opus_file(CONTAINERS[encoding], channels=2)
    start = wire.Start(encoding=encoding, channels=2, separate_channels=True)
    separate = heard(Intake(start), file.data)
    for samples, channel in zip(separate, file.decoded.T, strict=True):
        np.testing.assert_allclose(samples, resample(channel, 48_000, 16_000), atol=1e-5)


@pytest.mark.parametrize("encoding", list(CONTAINERS))
def test_a_container_that_comes_again_goes_on_with_the_same_samples(encoding: Encoding) -> None:
    data = opus_file(CONTAINERS[encoding]).data
    start = wire.Start(encoding=encoding)
    whole = heard(Intake(start), data)
    again = Intake.resumed(start, 9_001)
    assert again.received_bytes == 0
    first = again.position
    assert np.array_equal(heard(again, data, [5_000]), whole[:, first:])


@pytest.mark.parametrize("encoding", list(CONTAINERS))
def test_what_came_before_a_fault_is_heard_and_nothing_after(encoding: Encoding) -> None:
    data = opus_file(CONTAINERS[encoding]).data
    start = wire.Start(encoding=encoding)
    intake = Intake(start)
    samples = intake.accept(data + bytes(2_000) + data)
    assert intake.fault is not None
    assert intake.fault.code is ErrorCode.INVALID_AUDIO
    assert "is broken" in intake.fault.message
    whole = heard(Intake(start), data)
    assert 0 < samples.shape[1] < whole.shape[1]
    assert np.array_equal(samples, whole[:, : samples.shape[1]])
    assert intake.accept(data).shape == (1, 0)
    assert intake.flush().shape[1] == intake.position - samples.shape[1]


@pytest.mark.parametrize("encoding", list(CONTAINERS))
def test_a_container_of_other_channels_than_start_says_is_a_fault(encoding: Encoding) -> None:
    intake = Intake(wire.Start(encoding=encoding, channels=2, separate_channels=True))
    samples = intake.accept(opus_file(CONTAINERS[encoding]).data)
    assert samples.shape == (2, 0)
    assert intake.fault is not None
    assert (intake.fault.expected, intake.fault.found) == ("2", "1")


@pytest.mark.parametrize("encoding", list(CONTAINERS))
def test_a_session_hears_what_a_browser_sends_up_to_the_place_where_it_breaks(
    encoding: Encoding,
) -> None:
    sound = resample(speak("do mi so", tail_s=0.1), 16_000, 48_000)
    data = encoded(CONTAINERS[encoding], sound[:, None])
    run = Run(wire.Start(encoding=encoding, word_times=True))
    for begin in range(0, len(data), 500):
        run.hear(data[begin : begin + 500])
    run.hear(b"what is this?")
    run.stop()
    [final] = run.of(wire.Final)
    assert final.text == "do mi so"
    assert final.words is not None
    assert [word.start for word in final.words] == pytest.approx([0.6, 1.1, 1.6], abs=0.1)
    errors = [event for event in run.of(wire.Error) if event.code is ErrorCode.INVALID_AUDIO]
    assert [error.fatal for error in errors] == [True]
    assert errors[0].found in {"7768 of 8564 bytes", "b'what'"}
    assert run.of(wire.Closed)[0].reason is wire.CloseReason.FAILED


def test_a_telephone_call_is_two_transcripts_on_one_clock() -> None:
    caller = speak("do mi", lead_s=0.6, tail_s=2.6)
    called = speak("so", lead_s=2.6, tail_s=1.2)
    size = min(len(caller), len(called))
    both = np.stack([caller[:size], called[:size]])
    at_8_khz = np.stack([resample(channel, 16_000, 8_000) for channel in both], axis=1)
    run = Run(wire.Start(rate=8_000, channels=2, separate_channels=True))
    run.hear(pcm(at_8_khz.reshape(-1)))
    run.stop()
    finals = {final.channel: final for final in run.of(wire.Final)}
    assert {channel: final.text for channel, final in finals.items()} == {0: "do mi", 1: "so"}
    assert finals[0].start == pytest.approx(0.6, abs=0.1)
    assert finals[1].start == pytest.approx(2.6, abs=0.1)
