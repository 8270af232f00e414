"""Files of Opus put together by hand, in forms that FFmpeg does not write."""

import io
import struct
from collections.abc import Sequence
from itertools import pairwise

import av
import numpy as np
from tests.recordings import Samples, opus_file

from steno_models.container.ogg import checksum

OPUS_HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0"


class Built:
    """A stream of Opus, its header and its packets, to be put into files."""

    def __init__(self) -> None:
        with av.open(io.BytesIO(opus_file("ogg").data), mode="r") as source:
            stream = source.streams.audio[0]
            self.head = bytes(stream.codec_context.extradata or b"")
            self.packets = [bytes(packet) for packet in source.demux(stream) if packet.size]
        self.samples = by_packets(self.head, self.packets)


def by_packets(head: bytes, packets: Sequence[bytes]) -> Samples:
    """What libopus makes of packets, without the pre-skip."""
    codec = av.CodecContext.create("libopus", "r")
    codec.extradata = head[:10] + b"\0\0" + head[12:]
    codec.options = {"request_sample_fmt": "flt"}
    frames = [frame for packet in packets for frame in codec.decode(av.Packet(packet))]
    samples = np.concatenate([frame.to_ndarray().reshape(-1, head[9]) for frame in frames])
    limited: Samples = np.clip(samples, -1, 1)
    return limited[int.from_bytes(head[10:12], "little") :]


def element(name: int, content: bytes, *, size_bytes: int = 8, known: bool = True) -> bytes:
    """An element of EBML."""
    size = len(content) if known else (1 << 7 * size_bytes) - 1
    head = name.to_bytes((name.bit_length() + 7) // 8)
    return head + (size | 1 << 7 * size_bytes).to_bytes(size_bytes) + content


def webm_begin(kind: bytes = b"webm\0\0") -> bytes:
    """The header of EBML."""
    return element(0x1A45DFA3, element(0x4282, kind), size_bytes=1)


def webm_head(head: bytes, *, kind: bytes = b"webm\0\0", codec: bytes = b"A_OPUS") -> bytes:
    """What comes before the first cluster, with a track of pictures before that of sound."""
    picture = element(0xAE, element(0xD7, b"\x01") + element(0x83, b"\x01"))
    sound = element(0xD7, b"\x02") + element(0x83, b"\x02", size_bytes=1) + element(0x86, codec)
    tracks = picture + element(0xAE, sound + element(0x63A2, head, size_bytes=2))
    return (
        webm_begin(kind)
        + element(0x18538067, b"", known=False)
        + element(0x1549A966, element(0x2AD7B1, b"\x0f\x42\x40"))
        + element(0xEC, bytes(300))
        + element(0x1654AE6B, tracks)
    )


def block(payload: bytes, *, flags: int = 0x80, track: int = 2) -> bytes:
    """What a block holds: track, time, flags, frames."""
    return bytes([0x80 | track, 0, 0, flags]) + payload


def in_clusters(blocks: Sequence[bytes], *, known: bool) -> bytes:
    """Elements in clusters of seven, each with its time and pictures between them."""
    picture = element(0xA3, block(b"picture" * 50, track=1))
    clusters = b""
    for begin in range(0, len(blocks), 7):
        content = element(0xE7, b"\0", size_bytes=1) + picture.join(blocks[begin : begin + 7])
        clusters += element(0x1F43B675, content, known=known, size_bytes=4)
    return clusters


def xiph(packets: Sequence[bytes]) -> bytes:
    sizes = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets[:-1])
    return bytes([len(packets) - 1]) + sizes + b"".join(packets)


def ebml(packets: Sequence[bytes]) -> bytes:
    sizes = [(len(packets[0]) | 1 << 14).to_bytes(2)]
    for before, packet in pairwise(packets[:-1]):
        sizes.append((len(packet) - len(before) + 0xFFFFF | 1 << 21).to_bytes(3))
    return bytes([len(packets) - 1]) + b"".join(sizes) + b"".join(packets)


def page(segments: Sequence[bytes], *, flags: int = 0, granule: int = -1, serial: int = 7) -> bytes:
    """A page of Ogg."""
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, 0, 0)
    sizes = bytes([len(segments), *map(len, segments)])
    data = head + sizes + b"".join(segments)
    return data[:22] + checksum(data).to_bytes(4, "little") + data[26:]


def segments_of(packet: bytes) -> list[bytes]:
    """The pieces of a packet, the last one shorter than 255 bytes."""
    return [packet[a : a + 255] for a in range(0, len(packet) + 1, 255)]


def in_pages(packets: Sequence[bytes], size: int, **fixed: int) -> bytes:
    """Packets in pages of so many segments, which begin and end anywhere within packets."""
    segments = [segment for packet in packets for segment in segments_of(packet)]
    pages = b""
    for begin in range(0, len(segments), size):
        continued = begin > 0 and len(segments[begin - 1]) == 255
        pages += page(segments[begin : begin + size], flags=int(continued), **fixed)
    return pages


def ogg_head(head: bytes, *, serial: int = 7) -> bytes:
    """What comes before the first packet: the header, and comments with a picture."""
    tags = b"OpusTags" + bytes(100_000)
    return page([head], flags=2, serial=serial) + in_pages([tags], 255, serial=serial)
