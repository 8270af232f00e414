"""Blocks of samples whose form is said with each of them, as the one stream that a session takes.

Wyoming says rate, width and channels with every chunk, Hermes sends every frame as a WAV file. A
session has one form: that of the first block. Blocks of its form pass as they are; others are
resampled and written anew.
"""

import struct
from dataclasses import dataclass

import numpy as np

from steno_daemon import wire
from steno_daemon.errors import WireError
from steno_daemon.wire import CHANNELS_MAX, SAMPLE_RATE_MAX, SAMPLE_RATE_MIN, Encoding, ErrorCode
from steno_models.audio import Resampler, mix_down
from steno_models.types import FloatArray

WIDTH_MAX = 4
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FMT = struct.Struct("<HHIIHH")
_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")


@dataclass(frozen=True, slots=True)
class Form:
    """How the samples of a block are written, little-endian, channels interleaved.

    Attributes:
        rate: samples a second of each channel.
        width: bytes of one sample; one byte is unsigned, as in a WAV file.
        channels: how many take turns.
        is_float: whether samples are 32-bit floats.
    """

    rate: int = 16_000
    width: int = 2
    channels: int = 1
    is_float: bool = False

    def check(self) -> None:
        """Check that a session can take it.

        Raises:
            WireError: it cannot.
        """
        for what, value, least, most in (
            ("rate", self.rate, SAMPLE_RATE_MIN, SAMPLE_RATE_MAX),
            ("width", self.width, 1, WIDTH_MAX),
            ("channels", self.channels, 1, CHANNELS_MAX),
        ):
            if not least <= value <= most:
                raise WireError(
                    ErrorCode.INVALID_AUDIO,
                    f"the audio has no {what} that is known here",
                    expected=f"{what} from {least} to {most}",
                    found=str(value),
                )
        if self.is_float and self.width != WIDTH_MAX:
            raise WireError(
                ErrorCode.INVALID_AUDIO,
                "the audio has floats of another size",
                expected="32 bits a sample",
                found=str(8 * self.width),
            )

    @property
    def block_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.width * self.channels

    @property
    def encoding(self) -> Encoding:
        """How a session takes such samples: 24 and 32 bits as floats, which hold them."""
        if self.width == 1:
            return Encoding.PCM_U8
        return Encoding.PCM_S16LE if self.width == 2 else Encoding.PCM_F32LE

    @property
    def is_plain(self) -> bool:
        """Whether a session takes the bytes as they are."""
        return self.is_float or self.width <= 2

    def start(self) -> wire.Start:
        """Return the message that opens a session of this form."""
        return wire.Start(encoding=self.encoding, rate=self.rate, channels=self.channels)


class Converter:
    """Writes blocks of any form as blocks of one.

    Args:
        form: of the session, from its first block.

    Raises:
        WireError: no session takes that.
    """

    def __init__(self, form: Form) -> None:
        form.check()
        self.form = form
        self._now = form
        self._rest = b""
        self._resampler: Resampler | None = None

    def accept(self, data: bytes, form: Form) -> bytes:
        """Return the block as the session takes it.

        Raises:
            WireError: no session takes such a form.
        """
        if form == self.form and form.is_plain and self._resampler is None:
            return data
        tail = b""
        if form != self._now:
            form.check()
            tail = self._leave()
            self._now = form
            if form.rate != self.form.rate or form.channels != self.form.channels:
                self._resampler = Resampler(form.rate, self.form.rate)
        known = self._rest + data
        whole = len(known) - len(known) % form.block_bytes
        self._rest = known[whole:]
        samples = samples_of(known[:whole], form)
        if self._resampler is None:
            return tail + self._written(samples)
        return tail + self._spread(self._resampler.accept(mix_down(samples)))

    def _leave(self) -> bytes:
        """Return what the resampler of the form so far still holds."""
        resampler, self._resampler, self._rest = self._resampler, None, b""
        return b"" if resampler is None else self._spread(resampler.finish())

    def _spread(self, mono: FloatArray) -> bytes:
        """Return samples, (N,), in every channel of the session."""
        return self._written(np.repeat(mono[:, None], self.form.channels, axis=1))

    def _written(self, samples: FloatArray) -> bytes:
        """Return samples, (N, channels), in the session's encoding."""
        match self.form.encoding:
            case Encoding.PCM_U8:
                written = np.clip(np.rint(samples * 128) + 128, 0, 255).astype("u1")
            case Encoding.PCM_S16LE:
                written = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2")
            case _:
                written = samples.astype("<f4")
        return bytes(written.tobytes())


def samples_of(data: bytes, form: Form) -> FloatArray:
    """Return whole samples, (N, channels) float32 in [-1, 1]."""
    if form.is_float:
        values = np.clip(np.nan_to_num(np.frombuffer(data, "<f4"), nan=0.0), -1, 1)
    elif form.width == 1:
        values = (np.frombuffer(data, "u1").astype("f4") - 128) / 128
    else:
        # Into the high bytes of 32 bits: 16 and 24 bits then differ by zeros alone.
        octets = np.zeros((len(data) // form.width, 4), "u1")
        octets[:, 4 - form.width :] = np.frombuffer(data, "u1").reshape(-1, form.width)
        values = octets.view("<i4")[:, 0] / 2**31
    samples: FloatArray = values.astype(np.float32).reshape(-1, form.channels)
    return samples


def wav_block(data: bytes) -> tuple[Form, bytes]:
    """Return form and samples of a WAV file; lengths in it that say too much are not believed.

    Raises:
        WireError: it is none, or is written in a way that is not known here.
    """
    form, at, size = wav_head(data)
    return form, data[at : at + size]


def wav_head(data: bytes) -> tuple[Form, int, int]:
    """Return form, first byte and length of the samples of a WAV file.

    Raises:
        WireError: as above.
    """
    form: Form | None = None
    if len(data) < _RIFF.size or _RIFF.unpack_from(data)[::2] != (b"RIFF", b"WAVE"):
        raise _no_wav("a WAV file, which begins with RIFF and WAVE", data[:12].hex(" ") or "none")
    at = _RIFF.size
    while at + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        if name == b"fmt ":
            form = _form_of(data[at : at + size])
        elif name == b"data":
            if form is None:
                raise _no_wav("a chunk fmt before the chunk data", "none")
            return form, at, size
        at += size + size % 2
    raise _no_wav("a WAV file with a chunk data", "none")


class WavReader:
    """Reads WAV files of which most have the same head; then it is read once."""

    def __init__(self) -> None:
        self._head = b""
        self._known = Form(), 0, 0

    def read(self, data: bytes) -> tuple[Form, bytes]:
        """Return form and samples of a file.

        Raises:
            WireError: it is none, as `wav_block` says.
        """
        if not self._head or not data.startswith(self._head):
            self._known = wav_head(data)
            self._head = data[: self._known[1]]
        form, at, size = self._known
        return form, data[at : at + size]


def _form_of(chunk: bytes) -> Form:
    """Return what a chunk fmt says."""
    if len(chunk) < _FMT.size:
        raise _no_wav(f"{_FMT.size} bytes in the chunk fmt", f"{len(chunk)}")
    tag, channels, rate, _, _, bits = _FMT.unpack_from(chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    if tag not in {_PCM, _FLOAT} or bits % 8:
        raise _no_wav("samples as integers or floats of whole bytes", f"format {tag}, {bits} bits")
    form = Form(rate, bits // 8, channels, is_float=tag == _FLOAT)
    form.check()
    return form


def wav_file(form: Form, data: bytes) -> bytes:
    """Return a WAV file of samples."""
    tag = _FLOAT if form.is_float else _PCM
    block = form.block_bytes
    fmt = _FMT.pack(tag, form.channels, form.rate, form.rate * block, block, 8 * form.width)
    chunks = _CHUNK.pack(b"fmt ", len(fmt)) + fmt + _CHUNK.pack(b"data", len(data)) + data
    return _RIFF.pack(b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def _no_wav(expected: str, found: str) -> WireError:
    return WireError(
        ErrorCode.INVALID_AUDIO, "the audio is not understood", expected=expected, found=found
    )
