"""Features against Kaldi's own extractors, and in any chunking."""

from collections.abc import Callable, Sequence
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from steno_models.errors import DataError
from steno_models.features.cmvn import CmvnStats, GlobalCmvn, StreamingCmvn
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
@example(frames=5, sizes=[0, 2], order=2, window=2)
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


def recordings(count: int) -> list[FloatArray]:
    """Return `count` random feature matrices, (T, 5), of different lengths and levels."""
    rng = np.random.default_rng(3)
    return [
        np.asarray(rng.standard_normal((20 + 7 * i, 5)) * (1 + i) + i, np.float32)
        for i in range(count)
    ]


def test_global_normalisation_is_that_of_kaldi() -> None:
    several = recordings(4)
    accumulator = knf.CmvnAccumulator(5)
    for features in several:
        accumulator.accumulate(features)
    kaldi = knf.apply_cmvn(accumulator.stats, knf.CmvnOptions(norm_vars=True), several[0])
    cmvn = GlobalCmvn.accumulate(several)
    np.testing.assert_allclose(cmvn.apply(several[0]), kaldi, atol=1e-4)


def test_global_normalisation_leaves_mean_0_and_variance_1() -> None:
    several = recordings(3)
    normalised = GlobalCmvn.accumulate(several).apply(np.concatenate(several))
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-4)


def test_a_saved_normalisation_is_read_back_unchanged(tmp_path: Path) -> None:
    cmvn = GlobalCmvn.accumulate(recordings(2))
    cmvn.save(tmp_path / "cmvn.safetensors")
    loaded = GlobalCmvn.load(tmp_path / "cmvn.safetensors")
    np.testing.assert_array_equal(loaded.mean, cmvn.mean)
    np.testing.assert_array_equal(loaded.istd, cmvn.istd)


def test_a_file_that_is_no_normalisation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no tensors")
    with pytest.raises(DataError, match="expected a safetensors file"):
        GlobalCmvn.load(tmp_path / "broken")
    with pytest.raises(DataError, match="expected a safetensors file"):
        GlobalCmvn.load(tmp_path / "missing")
    save_file({"mean": np.zeros(3, np.float32)}, tmp_path / "half")
    with pytest.raises(DataError, match="expected mean and istd"):
        GlobalCmvn.load(tmp_path / "half")


def test_nothing_to_normalise_by_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one recording"):
        GlobalCmvn.accumulate([])
    with pytest.raises(DataError, match="at least one frame"):
        GlobalCmvn.accumulate([np.zeros((0, 5), np.float32)])


@pytest.mark.parametrize("with_variance", [True, False])
def test_the_window_holds_the_last_frames_and_the_prior_fills_the_gap(
    with_variance: bool,  # noqa: FBT001
) -> None:
    prior, features = np.concatenate(recordings(2)), recordings(3)[2]
    cmvn = StreamingCmvn(
        CmvnStats.of(prior), window_frames=12, prior_frames=5, with_variance=with_variance
    )
    normalised, _ = cmvn.apply(features, cmvn.start())
    for t, frame in enumerate(features.astype(np.float64)):
        window = features[max(t - 11, 0) : t + 1].astype(np.float64)
        borrowed = min(12 - len(window), 5)
        weights = np.r_[np.full(len(prior), borrowed / len(prior)), np.ones(len(window))]
        both = np.concatenate([prior, window])
        mean = np.average(both, axis=0, weights=weights)
        deviation = np.sqrt(np.average((both - mean) ** 2, axis=0, weights=weights))
        expected = (frame - mean) / (deviation if with_variance else 1)
        np.testing.assert_allclose(normalised[t], expected, atol=1e-4)


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(0, 20), max_size=8), window=st.integers(1, 40))
def test_any_chunking_gives_the_same_normalised_features(sizes: list[int], window: int) -> None:
    features = recordings(3)[2]
    cmvn = StreamingCmvn(CmvnStats.of(recordings(1)[0]), window_frames=window)
    whole, _ = cmvn.apply(features, cmvn.start())
    parts, state = [], cmvn.start()
    for chunk in chunks(features, sizes):
        part, state = cmvn.apply(chunk, state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(state.recent) == min(window, len(features))


def test_a_state_can_be_continued_twice() -> None:
    features = recordings(2)[1]
    cmvn = StreamingCmvn(CmvnStats.of(features), window_frames=8)
    _, state = cmvn.apply(features[:10], cmvn.start())
    first, _ = cmvn.apply(features[10:], state)
    second, _ = cmvn.apply(features[10:], state)
    np.testing.assert_array_equal(first, second)


def test_digital_silence_stays_finite() -> None:
    silence = np.full((50, 5), -15.94, np.float32)
    cmvn = StreamingCmvn(CmvnStats.of(recordings(1)[0]), window_frames=10)
    normalised, _ = cmvn.apply(silence, cmvn.start())
    np.testing.assert_allclose(normalised[10:], 0, atol=1e-3)
    np.testing.assert_allclose(GlobalCmvn.accumulate([silence]).apply(silence), 0, atol=0.1)
