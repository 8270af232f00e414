"""Bytes and files to samples: against libsndfile, FFmpeg and soxr, in any chunking."""

import io
import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.audio import (
    AudioFormat,
    Encoding,
    PcmDecoder,
    Resampler,
    decode_pcm,
    read_file,
    resample,
    stream_file,
)
from steno_models.errors import DataError
from steno_models.types import FloatArray

# What libsndfile calls the same encodings.
SUBTYPES = {
    Encoding.S16LE: "PCM_16",
    Encoding.F32LE: "FLOAT",
    Encoding.U8: "PCM_U8",
    Encoding.MULAW: "ULAW",
    Encoding.ALAW: "ALAW",
}


def tone(hertz: float, seconds: float, rate: int) -> FloatArray:
    """Return a sine of a quarter of full scale, (N,)."""
    times = np.arange(round(seconds * rate)) / rate
    return np.asarray(0.25 * np.sin(2 * np.pi * hertz * times), np.float32)


def loudest_hertz(samples: FloatArray, rate: int) -> float:
    """Return the frequency of the highest peak of the spectrum."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def encode(path: Path, samples: FloatArray, rate: int, codec: str) -> Path:
    """Write `samples`, (N,), to `path` by FFmpeg and return the path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        to_codec = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        fifo = av.AudioFifo()
        for converted in to_codec.resample(frame):
            fifo.write(converted)
        for piece in fifo.read_many(stream.frame_size or 1024, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_code_means_what_libsndfile_reads(encoding: Encoding) -> None:
    if encoding is Encoding.F32LE:
        data = np.linspace(-1, 1, 999, dtype="<f4").tobytes()
    else:
        codes = np.arange(256**encoding.sample_bytes, dtype=f"<u{encoding.sample_bytes}")
        data = codes.tobytes()
    oracle, _ = soundfile.read(
        io.BytesIO(data),
        dtype="float32",
        format="RAW",
        subtype=SUBTYPES[encoding],
        samplerate=8000,
        channels=1,
    )
    decoded = decode_pcm(data, AudioFormat(encoding, 8000))
    np.testing.assert_array_equal(decoded[:, 0], oracle)


@settings(deadline=None, max_examples=100)
@given(
    data=st.binary(max_size=120),
    cuts=st.lists(st.integers(0, 40), max_size=12),
    encoding=st.sampled_from(Encoding),
    channels=st.integers(1, 11),
)
def test_any_chunking_of_bytes_gives_the_same_samples(
    data: bytes, cuts: list[int], encoding: Encoding, channels: int
) -> None:
    audio_format = AudioFormat(encoding, channels=channels)
    data = data[: len(data) - len(data) % audio_format.block_bytes]
    edges = [0, *np.minimum(np.cumsum(cuts, dtype=int), len(data)).tolist(), len(data)]
    decoder = PcmDecoder(audio_format)
    parts = [decoder.accept(data[a:b]) for a, b in itertools.pairwise(edges)]
    decoder.finish()
    whole = PcmDecoder(audio_format).accept(data)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_channels_are_told_apart_and_mixed_by_their_mean() -> None:
    left, right = tone(440, 0.1, 8000), tone(100, 0.1, 8000)
    data = np.stack([left, right], axis=1).astype("<f4").tobytes()
    stereo = AudioFormat(Encoding.F32LE, 8000, 2)
    np.testing.assert_array_equal(decode_pcm(data, stereo)[:, 1], right)
    np.testing.assert_allclose(PcmDecoder(stereo).accept(data), (left + right) / 2, atol=1e-7)


def test_bad_floats_spoil_themselves_alone() -> None:
    data = np.array([0.5, np.nan, np.inf, -np.inf, 3.0, -0.25], "<f4").tobytes()
    decoded = PcmDecoder(AudioFormat(Encoding.F32LE)).accept(data)
    assert decoded.tolist() == [0.5, 0.0, 1.0, -1.0, 1.0, -0.25]


def test_a_stream_that_ends_within_a_sample_is_an_error_once() -> None:
    decoder = PcmDecoder(AudioFormat(Encoding.S16LE, channels=2))
    assert len(decoder.accept(b"\0" * 7)) == 1
    with pytest.raises(DataError, match="whole sample of 4 bytes, found 3 bytes left over"):
        decoder.finish()
    decoder.finish()


@pytest.mark.parametrize(
    ("name", "rate", "channels", "message"),
    [
        ("opus", 16_000, 1, "expected an encoding out of s16le, .*found 'opus'"),
        ("s16le", 7_999, 1, "expected a sample rate from 8000 to 48000 Hz, found 7999"),
        ("s16le", 96_000, 1, "found 96000"),
        ("s16le", 16_000, 0, "expected 1 to 64 channels, found 0"),
    ],
)
def test_impossible_formats_are_refused(name: str, rate: int, channels: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AudioFormat.named(name, rate, channels)


def test_bytes_that_are_no_whole_samples_are_refused() -> None:
    with pytest.raises(DataError, match=r"whole samples of 2 bytes \(1 × s16le\), found 3 bytes"):
        decode_pcm(b"abc", AudioFormat())
    assert AudioFormat.named("mulaw", 8000, 2).block_bytes == 2


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_duration_pitch_and_place(rate: int) -> None:
    click = np.zeros(rate, np.float32)
    click[rate // 2] = 1
    assert abs(int(np.argmax(resample(click, rate, 16_000))) - 8_000) <= 1
    resampled = resample(tone(1000, 1, rate), rate, 16_000)
    assert len(resampled) == 16_000
    np.testing.assert_allclose(resampled[800:-800], tone(1000, 1, 16_000)[800:-800], atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    rate=st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]),
    sizes=st.lists(st.integers(0, 3000), max_size=12),
)
def test_any_chunking_of_samples_is_resampled_to_the_same(rate: int, sizes: list[int]) -> None:
    samples = np.random.default_rng(4).uniform(-1, 1, 9000).astype(np.float32)
    resampler = Resampler(rate)
    cuts = np.minimum(np.cumsum(sizes, dtype=int), len(samples))
    parts = [resampler.accept(chunk) for chunk in np.split(samples, cuts)]
    streamed = np.concatenate([*parts, resampler.finish()])
    np.testing.assert_array_equal(streamed, resample(samples, rate, 16_000))
    if rate != 16_000:
        np.testing.assert_array_equal(streamed, soxr.resample(samples, rate, 16_000))


def test_a_finished_resampler_starts_afresh() -> None:
    samples = tone(500, 0.5, 48_000)
    resampler = Resampler(48_000)
    first = np.concatenate([resampler.accept(samples), resampler.finish()])
    second = np.concatenate([resampler.accept(samples), resampler.finish()])
    np.testing.assert_array_equal(first, second)


def test_nothing_resampled_is_nothing() -> None:
    assert len(Resampler(8_000).finish()) == 0
    with pytest.raises(DataError, match="above 0, found 0 and 16000"):
        Resampler(0)


def test_a_file_is_read_mixed_and_resampled(tmp_path: Path) -> None:
    left, right = tone(300, 1, 44_100), tone(700, 1, 44_100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 44_100, subtype="FLOAT")
    expected = resample(np.asarray((left + right) / 2, np.float32), 44_100, 16_000)
    np.testing.assert_allclose(read_file(tmp_path / "a.wav"), expected, atol=1e-6)
    np.testing.assert_array_equal(
        read_file(io.BytesIO((tmp_path / "a.wav").read_bytes())), read_file(tmp_path / "a.wav")
    )


@pytest.mark.parametrize("block_s", [0.0625, 0.3, 100.0])
def test_a_streamed_file_is_the_file_in_blocks(clips: Path, block_s: float) -> None:
    recording = min((clips / "librivox").glob("*.flac"))
    blocks = list(stream_file(recording, block_s, 8_000))
    assert all(len(block) == round(block_s * 8_000) for block in blocks[:-1])
    assert 0 < len(blocks[-1]) <= round(block_s * 8_000)
    np.testing.assert_array_equal(np.concatenate(blocks), read_file(recording, 8_000))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.webm", "libopus", 48_000),
        ("a.m4a", "aac", 44_100),
        ("a.mp3", "libmp3lame", 22_050),
        ("a.ogg", "libopus", 48_000),
        ("a.flac", "flac", 16_000),
    ],
)
def test_compressed_recordings_keep_duration_and_pitch(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    path = encode(tmp_path / name, tone(880, 2, rate), rate, codec)
    samples = read_file(path)
    assert len(samples) == pytest.approx(32_000, abs=2400)  # codecs pad to whole frames
    assert loudest_hertz(samples, 16_000) == pytest.approx(880, abs=2)
    assert np.sqrt(np.mean(samples[4000:-4000] ** 2)) == pytest.approx(
        0.25 / 2**0.5, rel=0.06
    )  # LAME scales by 0.95
    with path.open("rb") as opened:
        np.testing.assert_array_equal(read_file(opened), samples)


def test_files_that_are_no_recordings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a recording at .*, found no file"):
        read_file(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("these are no samples")
    with pytest.raises(DataError, match=r"libsndfile or FFmpeg can read in .*text\.wav, found"):
        read_file(tmp_path / "text.wav")
    with pytest.raises(DataError, match="can read in the open file, found"):
        read_file(io.BytesIO(b"these are no samples"))
    (tmp_path / "picture.ppm").write_bytes(b"P6 2 2 255\n" + bytes(12))
    with pytest.raises(DataError, match=r"expected sound in .*picture\.ppm, found none"):
        read_file(tmp_path / "picture.ppm")
    with pytest.raises(DataError, match="at least one sample, found 0 s"):
        next(stream_file(tmp_path / "text.wav", 0))


def test_a_torn_recording_is_an_error_and_no_short_text(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, 160_000).astype(np.float32)
    soundfile.write(tmp_path / "whole.flac", noise, 16_000)
    data = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "torn.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"torn\.flac"):
        read_file(tmp_path / "torn.flac")


def test_a_recording_without_samples_is_empty(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16_000)
    assert read_file(tmp_path / "empty.wav").shape == (0,)
    assert list(stream_file(tmp_path / "empty.wav", 1.0)) == []
