"""Opus: the header of a stream, how long a packet is, and its samples by libopus."""

import struct
from dataclasses import dataclass

import av
import numpy as np

from steno_models.errors import AudioError
from steno_models.types import FloatArray

SAMPLE_RATE = 48_000
"""Samples a second that every stream decodes to, whatever was recorded (RFC 6716, section 1)."""
MAX_CHANNELS = 8
MAX_PACKET_SAMPLES = 120 * SAMPLE_RATE // 1000

_HEAD = struct.Struct("<8sBBHIhB")
_MAPPED_FAMILIES = (1, 255)
_SILK_SAMPLES = (480, 960, 1920, 2880)
_FFMPEG_ORDER = {
    3: (0, 2, 1),
    4: (0, 1, 2, 3),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
"""Which channel of the stream FFmpeg gives at each place, where there are more than two: it puts
Vorbis' order of loudspeakers into its own."""


@dataclass(frozen=True, slots=True)
class Head:
    """The identification header of a stream (RFC 7845, section 5.1).

    Attributes:
        channels: how many it decodes to.
        pre_skip: samples at its start that are to be left out.
        gain: to be applied, in 1/256 dB.
        streams: how many Opus streams each packet holds.
        coupled: how many of them are stereo.
        mapping: for each channel, the decoded one that it is.
    """

    channels: int
    pre_skip: int = 0
    gain: int = 0
    streams: int = 1
    coupled: int = 0
    mapping: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> "Head":
        """Return the header that `data` is.

        Raises:
            AudioError: it is none, or of a kind that nobody has heard of.
        """
        if len(data) < _HEAD.size or not data.startswith(b"OpusHead"):
            raise _no_head("19 bytes that begin with OpusHead", f"{len(data)}: {data[:8]!r}")
        _, version, channels, pre_skip, _, gain, family = _HEAD.unpack_from(data)
        if version & 0xF0:
            raise _no_head("version 0 to 15", str(version))
        if not 1 <= channels <= MAX_CHANNELS:
            raise _no_head(f"1 to {MAX_CHANNELS} channels", str(channels))
        if family == 0:
            if channels > 2:
                raise _no_head("1 or 2 channels without a mapping", str(channels))
            return cls(channels, pre_skip, gain, 1, channels - 1, bytes(range(channels)))
        if family not in _MAPPED_FAMILIES:
            raise _no_head("the channel mapping family 0, 1 or 255", str(family))
        table = data[_HEAD.size : _HEAD.size + 2 + channels]
        if len(table) < 2 + channels:
            raise _no_head(f"a mapping of {channels} channels", f"{len(table)} bytes")
        return _checked(cls(channels, pre_skip, gain, table[0], table[1], bytes(table[2:])))

    def for_ffmpeg(self) -> bytes:
        """Return the header with which FFmpeg decodes every sample, channels in our order."""
        mapping = bytearray(self.mapping)
        for place, channel in enumerate(_FFMPEG_ORDER.get(self.channels, ())):
            mapping[channel] = self.mapping[place]
        fixed = _HEAD.pack(b"OpusHead", 1, self.channels, 0, SAMPLE_RATE, self.gain, 255)
        return fixed + bytes([self.streams, self.coupled]) + bytes(mapping)


def _checked(head: Head) -> Head:
    """Return a header if its mapping can be (RFC 7845, section 5.1.1)."""
    decoded = head.streams + head.coupled
    if head.streams < 1 or head.coupled > head.streams or decoded > 255:
        raise _no_head(
            "at least one stream, at most all of them coupled",
            f"{head.streams} streams, {head.coupled} coupled",
        )
    wrong = [place for place in head.mapping if place != 255 and place >= decoded]
    if wrong:
        raise _no_head(f"a mapping to {decoded} decoded channels", f"one to channel {wrong[0]}")
    return head


def _no_head(expected: str, found: str) -> AudioError:
    return AudioError("the header of the Opus stream is wrong", expected=expected, found=found)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a stream.

    Attributes:
        data: as it was sent.
        discard_samples: how many samples at its end are to be left out.
    """

    data: bytes
    discard_samples: int = 0

    @property
    def samples(self) -> int:
        """How many samples of each channel it decodes to (RFC 6716, section 3.1).

        Raises:
            AudioError: it has no length that a packet can have.
        """
        if not self.data:
            raise _no_packet("at least one byte", "none")
        config, code = self.data[0] >> 3, self.data[0] & 3
        frames = (1, 2, 2, self._counted_frames())[code]
        samples = frames * _frame_samples(config)
        if not 0 < samples <= MAX_PACKET_SAMPLES:
            raise _no_packet("2.5 to 120 ms", f"{samples * 1000 / SAMPLE_RATE:g} ms")
        return samples

    def _counted_frames(self) -> int:
        """Return the number of frames where the packet says it, 0 if it ends before."""
        return self.data[1] & 0x3F if len(self.data) > 1 else 0


def _frame_samples(config: int) -> int:
    """Return the length of each frame of a packet (RFC 6716, table 2)."""
    if config < 12:
        return _SILK_SAMPLES[config & 3]
    if config < 16:
        return _SILK_SAMPLES[config & 1]
    return 120 << (config & 3)


def _no_packet(expected: str, found: str) -> AudioError:
    return AudioError("a packet of Opus is broken", expected=expected, found=found)


class OpusDecoder:
    """Turns the packets of one stream into samples, each of its full length.

    Args:
        head: of the stream; its pre-skip is left to the caller.
    """

    def __init__(self, head: Head) -> None:
        self._channels = head.channels
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.extradata = head.for_ffmpeg()
        self._codec.options = {"request_sample_fmt": "flt"}

    def decode(self, packet: Packet) -> FloatArray:
        """Return the samples of a packet, (N, channels) float32 in [-1, 1].

        Raises:
            AudioError: it is broken.
        """
        samples = packet.samples
        try:
            frames = self._codec.decode(av.Packet(packet.data))
        except av.FFmpegError as error:
            raise _no_packet("a packet that libopus can decode", str(error.strerror)) from error
        blocks = [frame.to_ndarray().reshape(-1, self._channels) for frame in frames]
        decoded = np.concatenate(blocks) if blocks else np.zeros((0, self._channels), np.float32)
        if len(decoded) != samples:
            raise _no_packet(f"{samples} samples", f"{len(decoded)}")
        limited: FloatArray = np.clip(decoded, -1.0, 1.0)
        return limited[: max(0, samples - packet.discard_samples)]
