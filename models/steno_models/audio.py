"""Sound as the models take it: mono float32 in [-1, 1] at 16 kHz, from bytes and from files.

Bytes of a stream pass through a `PcmDecoder` (whatever encoding and channels its client sends)
and a `Resampler`; `read_file` and `stream_file` do the same for recordings. Each gives the same
samples however its input was cut up.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import soundfile
import soxr

from steno_models.errors import DataError
from steno_models.types import ByteArray, FloatArray

SAMPLE_RATE = 16_000
MIN_SAMPLE_RATE = 8_000
MAX_SAMPLE_RATE = 48_000
MAX_CHANNELS = 64

Recording = str | Path | BinaryIO


class Encoding(Enum):
    """How one sample is written in bytes; multi-byte samples are little-endian."""

    S16LE = "s16le"
    F32LE = "f32le"
    U8 = "u8"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        if self is Encoding.S16LE:
            return 2
        return 4 if self is Encoding.F32LE else 1


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a stream of raw bytes holds.

    Attributes:
        encoding: how one sample is written.
        sample_rate: samples a second of each channel, 8000 to 48000.
        channels: how many channels take turns, sample by sample.
    """

    encoding: Encoding = Encoding.S16LE
    sample_rate: int = SAMPLE_RATE
    channels: int = 1

    def __post_init__(self) -> None:
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise DataError(
                f"expected a sample rate from {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
                f"found {self.sample_rate}"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise DataError(f"expected 1 to {MAX_CHANNELS} channels, found {self.channels}")

    @classmethod
    def named(cls, encoding: str, sample_rate: int = SAMPLE_RATE, channels: int = 1) -> Self:
        """Return the format whose encoding a client calls `encoding`."""
        try:
            known = Encoding(encoding)
        except ValueError:
            names = ", ".join(e.value for e in Encoding)
            raise DataError(f"expected an encoding out of {names}, found {encoding!r}") from None
        return cls(known, sample_rate, channels)

    @property
    def block_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.encoding.sample_bytes * self.channels


def _mulaw_table() -> FloatArray:
    """Return the 256 values of mu-law, ITU-T G.711 table 2: 14 bits, left-aligned in 16."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return np.asarray(np.where(code & 0x80, -magnitude, magnitude) / 32768, np.float32)


def _alaw_table() -> FloatArray:
    """Return the 256 values of A-law, ITU-T G.711 table 1: 13 bits, left-aligned in 16."""
    code = np.arange(256) ^ 0x55
    segment = code >> 4 & 7
    step = (code & 0x0F) << 4 | 8
    magnitude = np.where(segment == 0, step, (step | 0x100) << np.maximum(segment - 1, 0))
    return np.asarray(np.where(code & 0x80, magnitude, -magnitude) / 32768, np.float32)


_MULAW = _mulaw_table()
_ALAW = _alaw_table()


def decode_pcm(data: bytes, audio_format: AudioFormat) -> FloatArray:
    """Return the samples in `data`, (N, channels) float32 in [-1, 1].

    In float input, not-a-number becomes silence and what lies outside [-1, 1] is clipped, so that
    one bad sample of a live stream spoils one sample and not the stream.
    """
    if len(data) % audio_format.block_bytes:
        raise DataError(
            f"expected whole samples of {audio_format.block_bytes} bytes "
            f"({audio_format.channels} × {audio_format.encoding.value}), found {len(data)} bytes"
        )
    return _decode(data, audio_format.encoding).reshape(-1, audio_format.channels)


def _decode(data: bytes, encoding: Encoding) -> FloatArray:
    match encoding:
        case Encoding.S16LE:
            return np.asarray(np.frombuffer(data, "<i2") * np.float32(1 / 32768), np.float32)
        case Encoding.F32LE:
            return _in_range(np.frombuffer(data, "<f4"))
        case Encoding.U8:
            return (_octets(data).astype(np.float32) - 128) / np.float32(128)
        case Encoding.MULAW:
            return _MULAW[_octets(data)]
        case Encoding.ALAW:
            return _ALAW[_octets(data)]


def _octets(data: bytes) -> ByteArray:
    return np.frombuffer(data, np.uint8)


def _in_range(samples: FloatArray) -> FloatArray:
    limited: FloatArray = np.minimum(np.maximum(samples, np.float32(-1)), np.float32(1))
    limited[np.isnan(limited)] = 0.0
    return limited


def mix_down(samples: FloatArray) -> FloatArray:
    """Return the mean of the channels, (N,), of `samples`, (N, channels)."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    mono: FloatArray = samples.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mono


class PcmDecoder:
    """The streaming form: bytes in, cut anywhere, and the mono samples that they complete out."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._block_bytes = audio_format.block_bytes
        self._rest = b""

    def accept(self, data: bytes) -> FloatArray:
        """Return the new samples, (N,) float32, after `data`, at the format's own rate."""
        self.hold(data)
        return mix_down(self.read())

    def hold(self, data: bytes) -> None:
        """Keep bytes for the next `read`."""
        self._rest = self._rest + data if self._rest else data

    def read(self) -> FloatArray:
        """Return the samples, (N, channels), that what is held completes."""
        known = self._rest
        whole = len(known) - len(known) % self._block_bytes
        self._rest = bytes(known[whole:])
        return decode_pcm(known[:whole], self._format)

    def forget_loose_bytes(self) -> None:
        """Drop what makes no whole sample yet."""
        self._rest = self._rest[: len(self._rest) - len(self._rest) % self._block_bytes]

    def finish(self) -> None:
        """Check that the stream did not end within a sample."""
        rest, self._rest = self._rest, b""
        if rest:
            raise DataError(
                f"expected the stream to end on a whole sample of {self._format.block_bytes} "
                f"bytes, found {len(rest)} bytes left over"
            )


class Resampler:
    """Changes the sample rate of a stream by soxr's HQ filter, aligned with its input.

    The filter looks ahead: what `accept` returns may be up to a tenth of a second (from 8 kHz;
    40 ms from 48 kHz) behind its input, and `finish` returns the rest.
    """

    def __init__(self, rate_in: int, rate_out: int = SAMPLE_RATE) -> None:
        if rate_in <= 0 or rate_out <= 0:
            raise DataError(f"expected sample rates above 0, found {rate_in} and {rate_out}")
        self._stream = None if rate_in == rate_out else soxr.ResampleStream(rate_in, rate_out, 1)

    def accept(self, samples: FloatArray) -> FloatArray:
        """Return the samples, (M,), that `samples`, (N,) float32, complete."""
        if self._stream is None or len(samples) == 0:
            return samples
        resampled: FloatArray = self._stream.resample_chunk(np.ascontiguousarray(samples))
        return resampled

    def finish(self) -> FloatArray:
        """Return the last samples, (M,), and be ready for a new stream."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        last: FloatArray = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self._stream.clear()
        return last


def resample(samples: FloatArray, rate_in: int, rate_out: int) -> FloatArray:
    """Return `samples`, (N,) float32, at `rate_out`: exactly what the streamed form gives."""
    resampler = Resampler(rate_in, rate_out)
    return np.concatenate([resampler.accept(samples), resampler.finish()])


def read_file(recording: Recording, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    """Return a recording, (N,) float32 mono: a path or a file open for reading bytes."""
    blocks = list(_resampled(recording, sample_rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def stream_file(
    recording: Recording, block_s: float, sample_rate: int = SAMPLE_RATE
) -> Iterator[FloatArray]:
    """Yield a recording in blocks of `block_s` seconds, the last one shorter, never all at once."""
    block_samples = round(block_s * sample_rate)
    if block_samples < 1:
        raise DataError(f"expected blocks of at least one sample, found {block_s} s")
    pending = np.zeros(0, np.float32)
    for samples in _resampled(recording, sample_rate):
        pending = np.concatenate([pending, samples])
        while len(pending) >= block_samples:
            yield pending[:block_samples]
            pending = pending[block_samples:]
    if len(pending):
        yield pending


def _resampled(recording: Recording, sample_rate: int) -> Iterator[FloatArray]:
    resampler: Resampler | None = None
    for rate, samples in _decoded(recording):
        resampler = resampler or Resampler(rate, sample_rate)
        yield resampler.accept(samples)
    if resampler is not None:
        yield resampler.finish()


_READ_SAMPLES = 1 << 16


def _decoded(recording: Recording) -> Iterable[tuple[int, FloatArray]]:
    """Return blocks of (sample rate, mono samples): libsndfile's formats, then FFmpeg's."""
    if isinstance(recording, str | Path) and not Path(recording).is_file():
        raise DataError(f"expected a recording at {recording}, found no file")
    try:
        sound = soundfile.SoundFile(recording)
    except soundfile.LibsndfileError:
        if not isinstance(recording, str | Path):
            recording.seek(0, io.SEEK_SET)
        return _decoded_by_ffmpeg(recording)
    return _decoded_by_libsndfile(sound, _name_of(recording))


def _name_of(recording: Recording) -> str:
    return str(recording if isinstance(recording, str | Path) else "the open file")


def _decoded_by_libsndfile(
    sound: soundfile.SoundFile, name: str
) -> Iterator[tuple[int, FloatArray]]:
    with sound:
        try:
            for block in sound.blocks(_READ_SAMPLES, dtype="float32", always_2d=True):
                yield sound.samplerate, _in_range(mix_down(block))
        except soundfile.LibsndfileError as error:
            raise DataError(f"expected a whole recording in {name}, found: {error}") from error


def _decoded_by_ffmpeg(recording: Recording) -> Iterator[tuple[int, FloatArray]]:
    import av  # noqa: PLC0415 -- a tenth of a second that most recordings can do without

    source = str(recording) if isinstance(recording, Path) else recording
    try:
        with av.open(source, mode="r") as container:
            if not container.streams.audio:
                raise DataError(f"expected sound in {_name_of(recording)}, found none")
            as_float = av.AudioResampler(format="fltp")
            for frame in container.decode(audio=0):
                for planar in as_float.resample(frame):
                    block = planar.to_ndarray().T.astype(np.float32, copy=False)
                    yield planar.sample_rate, _in_range(mix_down(block))
    except av.FFmpegError as error:
        raise DataError(
            f"expected a recording that libsndfile or FFmpeg can read in {_name_of(recording)}, "
            f"found: {error}"
        ) from error
