"""Files of Opus: against FFmpeg's demuxer with libopus, against libsndfile, and built by hand."""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.building import (
    Built,
    block,
    by_packets,
    ebml,
    element,
    in_clusters,
    in_pages,
    ogg_head,
    page,
    segments_of,
    webm_head,
    xiph,
)
from tests.recordings import RATE, by_libopus, chromium_file, opus_file

from steno_models.container.decoder import Container, ContainerDecoder
from steno_models.container.ogg import checksum
from steno_models.types import FloatArray

BOTH = pytest.mark.parametrize("container", list(Container))
EVERY_PACKET = settings(deadline=None, max_examples=25)


def decoded(
    container: Container, data: bytes, cuts: Sequence[int] = (), *, channels: int | None = None
) -> FloatArray:
    """What we make of a file that comes in pieces."""
    decoder = ContainerDecoder(container, channels=channels)
    edges = [0, *sorted(cuts), len(data)]
    return np.concatenate([decoder.accept(data[a:b]) for a, b in pairwise(edges)])


# Against others.


@BOTH
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("live", [True, False])
def test_a_file_gives_the_samples_that_ffmpeg_and_libopus_give(
    container: Container, channels: int, *, live: bool
) -> None:
    file = opus_file(container.value, channels=channels, live=live)
    assert file.decoded.shape == (RATE, channels)
    np.testing.assert_array_equal(decoded(container, file.data), file.decoded)


def test_an_ogg_file_gives_the_samples_that_libsndfile_gives() -> None:
    data = opus_file("ogg").data
    expected, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    assert rate == RATE
    np.testing.assert_allclose(decoded(Container.OGG, data), expected, atol=1e-6)


def test_what_a_browser_records_is_heard_as_ffmpeg_and_libopus_hear_it() -> None:
    data = chromium_file()
    with av.open(io.BytesIO(data), mode="r") as file:
        assert "Chrome" in str(file.metadata)
    found = decoded(Container.WEBM, data)
    assert len(found) > RATE
    np.testing.assert_array_equal(found, by_libopus(data))
    np.testing.assert_array_equal(decoded(Container.WEBM, data, range(0, len(data), 100)), found)


@BOTH
@pytest.mark.parametrize("channels", [3, 6, 8])
def test_channels_come_in_the_order_of_the_stream(container: Container, channels: int) -> None:
    vorbis = {3: (0, 2, 1), 6: (0, 2, 1, 5, 3, 4), 8: (0, 2, 1, 7, 5, 6, 3, 4)}[channels]
    file = opus_file(container.value, channels=channels)
    np.testing.assert_array_equal(decoded(container, file.data)[:, vorbis], file.decoded)


@EVERY_PACKET
@given(container=st.sampled_from(Container), cuts=st.lists(st.integers(0, 9_000)))
def test_the_samples_do_not_depend_on_how_the_file_is_cut(
    container: Container, cuts: list[int]
) -> None:
    file = opus_file(container.value)
    found = decoded(container, file.data, [min(cut, len(file.data)) for cut in cuts])
    np.testing.assert_array_equal(found, file.decoded)


def test_a_packet_is_heard_as_soon_as_its_last_byte_is_there() -> None:
    file = opus_file("webm")
    with av.open(io.BytesIO(file.data), mode="r") as source:
        packets = [bytes(packet) for packet in source.demux(audio=0) if packet.size]
    ends, end = [], 0
    for packet in packets:
        end = file.data.index(packet, end) + len(packet)
        ends.append(end)
    decoder = ContainerDecoder(Container.WEBM)
    before = 0
    for number, end in enumerate(ends[:-1]):
        late = decoder.accept(file.data[before : end - 1])
        due = decoder.accept(file.data[end - 1 : end])
        assert len(late) == 0
        assert len(due) == (648 if number == 0 else 960)  # the first one has a pre-skip
        before = end


# Files built by hand.


# Files built by hand.


@pytest.fixture(scope="module")
def built() -> Built:
    return Built()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size_bytes", range(2, 9))
def test_sizes_may_be_known_or_not_and_of_any_length(
    built: Built, *, known: bool, size_bytes: int
) -> None:
    blocks = [element(0xA3, block(packet), size_bytes=size_bytes) for packet in built.packets]
    blocks[3:3] = [element(0x4A4A, b"an element that nobody knows")]
    data = webm_head(built.head) + in_clusters(blocks, known=known)
    np.testing.assert_array_equal(decoded(Container.WEBM, data), built.samples)


@pytest.mark.parametrize(("flags", "lace"), [(0x82, xiph), (0x86, ebml)])
def test_several_packets_may_share_a_block(
    built: Built, flags: int, lace: Callable[[Sequence[bytes]], bytes]
) -> None:
    several = [built.packets[begin : begin + 4] for begin in range(0, len(built.packets), 4)]
    groups = [element(0xA0, element(0xA1, block(lace(p), flags=flags))) for p in several]
    data = webm_head(built.head) + in_clusters(groups, known=False)
    np.testing.assert_array_equal(decoded(Container.WEBM, data), built.samples)


def test_packets_of_the_same_size_may_share_a_block_without_sizes(built: Built) -> None:
    packets = [built.packets[5]] * 3
    laced = element(0xA3, block(b"\x02" + b"".join(packets), flags=0x84))
    data = webm_head(built.head) + in_clusters([laced], known=False)
    np.testing.assert_array_equal(decoded(Container.WEBM, data), by_packets(built.head, packets))


def test_the_end_of_the_last_block_may_count_in_part(built: Built) -> None:
    padding = element(0x75A2, (7_000_000).to_bytes(4))
    last = element(0xA0, element(0xA1, block(built.packets[1])) + padding)
    data = webm_head(built.head) + element(0xA3, block(built.packets[0])) + last
    expected = by_packets(built.head, built.packets[:2])[: -7 * 48]
    np.testing.assert_array_equal(decoded(Container.WEBM, data), expected)


@pytest.mark.parametrize("size", [1, 2, 3, 50, 255])
def test_packets_may_begin_and_end_anywhere_in_pages(built: Built, size: int) -> None:
    big = [max(built.packets, key=len)] * 3  # longer than a segment
    assert len(big[0]) > 255
    data = ogg_head(built.head) + in_pages([*big, *built.packets], size)
    expected = by_packets(built.head, [*big, *built.packets])
    np.testing.assert_array_equal(decoded(Container.OGG, data), expected)


def test_other_streams_between_the_pages_are_not_heard(built: Built) -> None:
    other = page([b"\x80theora"], flags=2, serial=1)
    first, *rest = built.packets
    data = other + ogg_head(built.head) + page([b"picture"], serial=1) + in_pages([first], 9)
    data += page([b"picture"], serial=1) + in_pages(rest, 9)
    np.testing.assert_array_equal(decoded(Container.OGG, data), built.samples)


def test_a_packet_of_which_a_page_was_lost_is_left_out(built: Built) -> None:
    lost = segments_of(max(built.packets, key=len))
    data = ogg_head(built.head) + page(lost[:1]) + in_pages(built.packets[:5], 9)
    data += page([*lost[1:], *segments_of(built.packets[5])], flags=1)
    expected = by_packets(built.head, built.packets[:6])
    np.testing.assert_array_equal(decoded(Container.OGG, data), expected)


@pytest.mark.parametrize("first", [0, 1_000_000])
def test_the_last_page_says_where_the_stream_ends(built: Built, first: int) -> None:
    pieces = [segment for packet in built.packets[:9] for segment in segments_of(packet)]
    before = sum(len(segments_of(packet)) for packet in built.packets[:5])
    pages = page(pieces[:before], granule=first + 5 * 960)
    pages += page(pieces[before:], flags=4, granule=first + 7 * 960 + 100)
    expected = by_packets(built.head, built.packets[:9])[: 7 * 960 + 100 - 312]
    np.testing.assert_array_equal(decoded(Container.OGG, ogg_head(built.head) + pages), expected)


@given(st.binary(max_size=600))
def test_the_checksum_is_that_of_the_specification(data: bytes) -> None:
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = register << 1 ^ (0x104C11DB7 if register & 1 << 31 else 0)
    assert checksum(data) == register


@BOTH
def test_recordings_that_follow_each_other_are_one(container: Container) -> None:
    file = opus_file(container.value)
    found = decoded(container, file.data * 3)
    np.testing.assert_array_equal(found, np.tile(file.decoded, (3, 1)))


def test_the_gain_of_the_header_is_applied(built: Built) -> None:
    louder = built.head[:16] + (6 * 256).to_bytes(2, "little") + built.head[18:]
    data = ogg_head(louder) + in_pages(built.packets, 50)
    expected = np.clip(built.samples * 10 ** (6 / 20), -1, 1)
    np.testing.assert_allclose(decoded(Container.OGG, data), expected, atol=1e-4)
