"""Ogg, read while it arrives: pages in (RFC 3533), headers and packets of Opus out (RFC 7845)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from steno_models.container.opus import Head, Packet
from steno_models.errors import AudioError

MAX_PACKET_BYTES = 512 * 1024
"""Eight streams of the longest packets there are (RFC 7845, section 6) are a little less."""

_PAGE = struct.Struct("<4sBBqIII")
_CONTINUED, _BEGINS, _ENDS = 1, 2, 4
_NO_GRANULE = -1
_TAGS = b"OpusTags"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(page: bytes) -> int:
    """Return the CRC of a page whose own checksum is zero (RFC 3533, section 6).

    It is the polynomial of zlib's, but the highest bit comes first and nothing is inverted.
    """
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{reflected:032b}"[::-1], 2)


@dataclass(frozen=True, slots=True)
class _Page:
    """One page.

    Attributes:
        flags: whether it continues a packet, begins or ends a stream.
        granule: position of its stream after its last whole packet, -1 where it ends none.
        serial: number of the stream.
        segments: pieces of packets; one of 255 bytes goes on in the next one.
    """

    flags: int
    granule: int
    serial: int
    segments: tuple[bytes, ...]


class _Stage(Enum):
    """What is to come next in the stream that is read."""

    NOTHING = "nothing"
    TAGS = "tags"
    AUDIO = "audio"


class OggReader:
    """Finds the Opus stream in an Ogg file, and those that are chained to it.

    Of several that run side by side it is the one that begins last.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._stage = _Stage.NOTHING
        self._serial = 0
        self._partial: bytearray | None = None
        self._samples = 0  # of the whole packets so far
        self._origin: int | None = None  # granule position of the first of them
        self._foreign = b""

    def read(self, data: bytes) -> Iterator[Head | Packet]:
        """Yield the headers and packets that `data` completes.

        Raises:
            AudioError: this is no Ogg file with Opus in it, or a broken one.
        """
        self._buffer += data
        while page := self._next_page():
            if page.flags & _BEGINS:
                yield from self._begin(page)
            elif self._stage is _Stage.NOTHING:
                raise AudioError(
                    "the Ogg file holds no Opus",
                    expected="a stream that begins with OpusHead",
                    found=repr(self._foreign),
                )
            elif page.serial == self._serial:
                yield from self._audio(page)

    def _next_page(self) -> _Page | None:
        """Return the page at the beginning of the buffer, once it is there as a whole."""
        buffer = self._buffer
        if not b"OggS".startswith(buffer[:4]):
            raise _broken("a page that begins with OggS", repr(bytes(buffer[:4])))
        if len(buffer) < _PAGE.size + 1:
            return None
        begin = _PAGE.size + 1 + buffer[_PAGE.size]
        sizes = bytes(buffer[_PAGE.size + 1 : begin])
        end = begin + sum(sizes)
        if len(buffer) < end:
            return None
        page = bytes(buffer[:end])
        del buffer[:end]
        _, version, flags, granule, serial, _, crc = _PAGE.unpack_from(page)
        if version != 0:
            raise _broken("a page of version 0", str(version))
        computed = checksum(page[:22] + bytes(4) + page[26:])
        if computed != crc:
            raise _broken(f"a page with the checksum {crc:08x}", f"{computed:08x}")
        return _Page(flags, granule, serial, _segments(page, begin, sizes))

    def _begin(self, page: _Page) -> Iterator[Head]:
        """Take the first page of a stream: ours, one chained to it, or another."""
        packet = b"".join(page.segments)
        if not packet.startswith(b"OpusHead"):
            self._foreign = self._foreign or packet[:8]
            return
        self._stage = _Stage.TAGS
        self._serial = page.serial
        self._partial, self._samples, self._origin = None, 0, None
        yield Head.parse(packet)

    def _audio(self, page: _Page) -> Iterator[Packet]:
        """Yield the packets that a page of our stream completes."""
        packets = []
        for data in self._whole_packets(page):
            if self._stage is _Stage.AUDIO:
                packets.append(Packet(data))
            elif data.startswith(_TAGS):
                self._stage = _Stage.AUDIO
            else:
                raise _broken("the comments of the stream, OpusTags", repr(data[:8]))
        yield from self._trimmed(page, packets)

    def _whole_packets(self, page: _Page) -> Iterator[bytes]:
        """Yield the packets that end in a page; what a lost page began is left out."""
        if not page.flags & _CONTINUED:
            self._partial = bytearray()
        for segment in page.segments:
            if self._partial is not None:
                self._partial += segment
                if self._stage is _Stage.TAGS:
                    del self._partial[len(_TAGS) :]  # may hold a picture, which nobody needs
                if len(self._partial) > MAX_PACKET_BYTES:
                    raise _broken(f"packets of at most {MAX_PACKET_BYTES} bytes", "a longer one")
            if len(segment) < 255:
                if self._partial is not None:
                    yield bytes(self._partial)
                self._partial = bytearray()
        if not self._partial:
            self._partial = None  # a page that continues it would continue nothing

    def _trimmed(self, page: _Page, packets: list[Packet]) -> Iterator[Packet]:
        """Yield packets; the last page of a stream says how much of them counts."""
        lengths = [packet.samples for packet in packets]
        self._samples += sum(lengths)
        if self._origin is None and packets and page.granule != _NO_GRANULE:
            self._origin = max(0, page.granule - self._samples)
        excess = 0
        if page.flags & _ENDS and self._origin is not None and page.granule != _NO_GRANULE:
            excess = max(0, self._samples - (page.granule - self._origin))
        for index, packet in enumerate(packets):
            after = sum(lengths[index + 1 :])
            yield Packet(packet.data, min(lengths[index], max(0, excess - after)))


def _segments(page: bytes, begin: int, sizes: bytes) -> tuple[bytes, ...]:
    """Return the segments of a page, which begin at `begin`."""
    segments = []
    for size in sizes:
        segments.append(page[begin : begin + size])
        begin += size
    return tuple(segments)


def _broken(expected: str, found: str) -> AudioError:
    return AudioError("the Ogg file is broken", expected=expected, found=found)
