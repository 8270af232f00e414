"""Features against Kaldi's own extractors, and in any chunking."""

from collections.abc import Callable, Sequence

import kaldi_native_fbank as knf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.features.deltas import StreamingDeltas, add_deltas
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import StreamingFbank, fbank
from steno_models.features.mfcc import StreamingMfcc, mfcc
from steno_models.types import FloatArray

Extract = Callable[[FloatArray], FloatArray]

chunk_sizes = st.lists(st.integers(0, 1200), min_size=1, max_size=20)


def noise(samples: int, seed: int = 0) -> FloatArray:
    """Return low-passed noise with a swelling level, (N,) float32 in [-1, 1]."""
    white = np.random.default_rng(seed).standard_normal(samples + 1)
    swell = np.linspace(0.01, 0.3, samples)
    return np.asarray(np.clip((white[1:] + 0.9 * white[:-1]) * swell, -1, 1), np.float32)


def chunks(values: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    """Return `values` cut after `sizes`, the rest as the last chunk."""
    return np.split(values, np.minimum(np.cumsum(sizes), len(values)))


def kaldi_frames(extractor: knf.OnlineFbank, samples: FloatArray) -> FloatArray:
    """Return the frames of one call, nothing dropped in between."""
    extractor.accept_waveform(16_000, (samples.astype(np.float64) * 32768).tolist())
    return np.array([extractor.get_frame(i).copy() for i in range(extractor.num_frames_ready)])


def kaldi_framing() -> knf.FrameExtractionOptions:
    return knf.FrameExtractionOptions(samp_freq=16_000, dither=0.0)


def kaldi_fbank() -> knf.OnlineFbank:
    mel = knf.MelBanksOptions(num_bins=80, low_freq=20, high_freq=-400)
    return knf.OnlineFbank(knf.FbankOptions(frame_opts=kaldi_framing(), mel_opts=mel))


def kaldi_mfcc() -> knf.OnlineMfcc:
    return knf.OnlineMfcc(knf.MfccOptions(frame_opts=kaldi_framing(), use_energy=False))


@pytest.mark.parametrize(("ours", "kaldi"), [(fbank, kaldi_fbank), (mfcc, kaldi_mfcc)])
def test_features_are_those_of_kaldi(ours: Extract, kaldi: Callable[[], knf.OnlineFbank]) -> None:
    samples = noise(3 * 65_536 + 77)  # more than one internal block
    np.testing.assert_allclose(ours(samples), kaldi_frames(kaldi(), samples), atol=1e-3)


def test_a_log_mel_energy_follows_its_definition() -> None:
    # One frame by hand: mean off, pre-emphasis, Povey window, power spectrum, mel triangles, log.
    frame = noise(400).astype(np.float64) * 32768
    frame -= frame.mean()
    frame -= 0.97 * np.concatenate([frame[:1], frame[:-1]])
    frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frame, 512)) ** 2
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(7600 / 700), 82)
    mels = 1127 * np.log1p(np.arange(257) * 16_000 / 512 / 700)
    rising = (mels - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - mels) / (edges[2:] - edges[1:-1])[:, None]
    energies = np.maximum(np.minimum(rising, falling), 0) @ power
    np.testing.assert_allclose(fbank(noise(400))[0], np.log(energies), atol=1e-3)


@pytest.mark.parametrize(("whole", "streaming"), [(fbank, StreamingFbank), (mfcc, StreamingMfcc)])
@settings(deadline=None, max_examples=15)
@given(sizes=chunk_sizes)
def test_any_chunking_gives_the_same_features(
    whole: Extract, streaming: Callable[[], StreamingExtractor], sizes: list[int]
) -> None:
    samples = noise(6000)
    extractor = streaming()
    parts = [extractor.accept(chunk) for chunk in chunks(samples, sizes)]
    np.testing.assert_array_equal(np.concatenate(parts), whole(samples))


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_a_frame_needs_all_its_samples(samples: int, frames: int) -> None:
    assert fbank(noise(samples)).shape == (frames, 80)
    assert mfcc(noise(samples)).shape == (frames, 13)


def test_frames_stay_as_they_were_while_later_ones_arrive() -> None:
    extractor = StreamingFbank()
    first = extractor.accept(noise(16_000))
    kept = first.copy()
    for seed in range(20):
        extractor.accept(noise(16_000, seed))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("frames", [1, 2, 5, 40])
@pytest.mark.parametrize(("order", "window"), [(1, 1), (1, 2), (2, 2), (2, 3), (3, 2)])
def test_deltas_are_those_of_kaldi(frames: int, order: int, window: int) -> None:
    features = np.random.default_rng(1).standard_normal((frames, 4)).astype(np.float32)
    kaldi = knf.compute_deltas(knf.DeltaOptions(order=order, window=window), features)
    np.testing.assert_allclose(add_deltas(features, order, window), kaldi, atol=1e-5)


def test_the_delta_of_a_straight_line_is_its_slope() -> None:
    line = np.arange(30, dtype=np.float32)[:, None] * 3 + 7
    inside = add_deltas(line)[4:-4]
    np.testing.assert_allclose(inside[:, 1], 3, atol=1e-5)
    np.testing.assert_allclose(inside[:, 2], 0, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(
    frames=st.integers(1, 30),
    sizes=st.lists(st.integers(0, 7), max_size=8),
    order=st.integers(0, 3),
    window=st.integers(1, 3),
)
def test_any_chunking_gives_the_same_deltas(
    frames: int, sizes: list[int], order: int, window: int
) -> None:
    features = np.random.default_rng(2).standard_normal((frames, 3)).astype(np.float32)
    deltas = StreamingDeltas(order, window)
    parts = [deltas.accept(chunk) for chunk in chunks(features, sizes)]
    streamed = np.concatenate([*parts, deltas.finish()])
    np.testing.assert_array_equal(streamed, add_deltas(features, order, window))


def test_deltas_of_nothing_are_empty() -> None:
    assert add_deltas(np.zeros((0, 13), np.float32)).shape == (0, 39)
    with pytest.raises(ValueError, match="at least one frame"):
        StreamingDeltas().finish()
