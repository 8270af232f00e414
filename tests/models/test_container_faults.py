"""Files that are no recordings of Opus, or broken ones: what is said of them."""

import io
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.building import (
    OPUS_HEAD,
    Built,
    block,
    element,
    in_clusters,
    ogg_head,
    page,
    webm_begin,
    webm_head,
)
from tests.recordings import RATE, clip, opus_file

from steno_models.container.decoder import Container, ContainerDecoder
from steno_models.container.opus import Head, Packet
from steno_models.errors import AudioError, DataError

BOTH = pytest.mark.parametrize("container", list(Container))


@pytest.fixture(scope="module")
def built() -> Built:
    return Built()


def refusal(container: Container, data: bytes) -> AudioError:
    """What is found wrong with a file of which nothing can be heard."""
    decoder = ContainerDecoder(container)
    with pytest.raises(AudioError) as raised:
        decoder.accept(data)
    assert decoder.fault is raised.value
    return raised.value


WEBM, OGG = Container.WEBM, Container.OGG


def other_codec() -> bytes:
    """An Ogg file of Vorbis."""
    target = io.BytesIO()
    soundfile.write(target, clip()[:RATE], RATE, format="OGG", subtype="VORBIS")
    return target.getvalue()


def laced(flags: int, payload: bytes) -> bytes:
    """A WebM file with one block of several frames."""
    return webm_head(OPUS_HEAD) + element(0xA3, block(payload, flags=flags))


def endless() -> bytes:
    """Pages of one packet that does not end."""
    pages = [page([bytes(255)] * 255, flags=int(number > 0)) for number in range(9)]
    return b"".join(pages)


WRONG = {
    "a text": (WEBM, b"hello, world", "begins with an EBML header", "b'hell'"),
    "another container": (WEBM, b"OggS", "begins with an EBML header", "b'OggS'"),
    "another document": (WEBM, webm_begin(b"mp4"), "webm", "b'mp4'"),
    "another codec": (WEBM, webm_head(OPUS_HEAD, codec=b"A_AAC"), "A_OPUS", "b'A_AAC'"),
    "a short header": (WEBM, webm_head(b"OpusHead"), "19 bytes", "8: b'OpusHead'"),
    "channels": (WEBM, webm_head(OPUS_HEAD[:9] + b"\x09" + OPUS_HEAD[10:]), "8 ch", "9"),
    "no id": (WEBM, webm_begin() + b"\0\0", "the id or the size", "the byte 00"),
    "no block": (WEBM, webm_head(OPUS_HEAD) + element(0xA3, b""), "track and time", "0 b"),
    "no packet": (WEBM, webm_head(OPUS_HEAD) + element(0xA3, block(b"")), "one", "none"),
    "no size": (WEBM, webm_begin() + element(0xA3, b"", known=False), "is known", "a3"),
    "no tracks": (WEBM, webm_begin() + element(0xA3, block(b"")), "tracks", "a block"),
    "a tall tale": (WEBM, webm_begin() + element(0xA3, bytes(2_000_000)), "at most", "2000"),
    "a text within": (WEBM, webm_begin() + b"what is this?", "an element of WebM", "7768 of 8564"),
    "an open end": (WEBM, webm_begin() + element(0xA0, b"\xa1\x89ab"), "end within", "longer"),
    "a swarm": (WEBM, webm_begin() + element(0xA0, b"\xec\x80" * 1_001), "1000", "more"),
    "no frames": (WEBM, laced(0x82, b""), "number of frames", "the end"),
    "no xiph sizes": (WEBM, laced(0x82, b"\x01"), "sizes of 1 frames", "0"),
    "large xiph sizes": (WEBM, laced(0x82, b"\x01\xff\x09abc"), "3 bytes", "264"),
    "no equal sizes": (WEBM, laced(0x84, b"\x01abc"), "2 frames", "3 bytes"),
    "no ebml sizes": (WEBM, laced(0x86, b"\x02\x81"), "sizes of 2 frames", "1"),
    "large ebml sizes": (WEBM, laced(0x86, b"\x01\x85abc"), "3 bytes", "5"),
    "ebml sizes below 0": (WEBM, laced(0x86, b"\x02\x81\x80abc"), "0 or more", "-62"),
    "no pages": (OGG, webm_begin(), "begins with OggS", "b'\\x1aE"),
    "vorbis": (OGG, other_codec(), "begins with OpusHead", "b'\\x01vorbis"),
    "a wrong sum": (OGG, page([OPUS_HEAD]).replace(b"Opus", b"opus"), "checksum", ""),
    "a new version": (OGG, b"OggS\x01" + bytes(22), "version 0", "1"),
    "no comments": (OGG, page([OPUS_HEAD], flags=2) + page([b"tags"]), "OpusTags", "b'tags'"),
    "a long packet": (OGG, ogg_head(OPUS_HEAD) + endless(), "at most 524288 bytes", "longer"),
    "0 frames": (OGG, ogg_head(OPUS_HEAD) + page([b"\x03"]), "2.5 to 120 ms", "0 ms"),
    "63 frames": (OGG, ogg_head(OPUS_HEAD) + page([b"\x03\x3f"]), "2.5 to 120 ms", "630 ms"),
    "damage": (OGG, ogg_head(OPUS_HEAD) + page([b"\xff\x02\x01"]), "libopus", "Invalid"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_what_is_wrong_with_a_file_is_said(case: str) -> None:
    container, data, expected, found = WRONG[case]
    error = refusal(container, data)
    assert expected in error.expected
    assert found in error.found
    assert isinstance(error, DataError)


@BOTH
def test_a_fault_costs_nothing_that_came_before(container: Container) -> None:
    file = opus_file(container.value)
    decoder = ContainerDecoder(container)
    np.testing.assert_array_equal(decoder.accept(file.data + bytes(10)), file.decoded)
    assert decoder.fault is not None
    with pytest.raises(AudioError, match="is broken: expected"):
        decoder.accept(file.data)


@BOTH
def test_other_channels_than_are_wanted_are_a_fault(container: Container) -> None:
    decoder = ContainerDecoder(container, channels=3)
    with pytest.raises(AudioError, match="has other channels: expected 3, found 2"):
        decoder.accept(opus_file(container.value, channels=2).data)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (OPUS_HEAD[:8] + b"\x10" + OPUS_HEAD[9:], "version 0 to 15, found 16"),
        (OPUS_HEAD[:9] + b"\x03" + OPUS_HEAD[10:], "1 or 2 channels without a mapping, found 3"),
        (OPUS_HEAD[:18] + b"\x03", "family 0, 1 or 255, found 3"),
        (OPUS_HEAD[:18] + b"\x01\x01\x00", "a mapping of 1 channels, found 2 bytes"),
        (OPUS_HEAD[:18] + b"\x01\x01\x02\x00", "at most all of them coupled, found 1 streams"),
        (OPUS_HEAD[:18] + b"\x01\x01\x00\x01", "1 decoded channels, found one to channel 1"),
    ],
)
def test_headers_that_nobody_can_obey_are_refused(head: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Head.parse(head)


def test_a_packet_tells_its_length_in_every_configuration() -> None:
    silk, hybrid, celt = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)
    lengths_ms = [*silk * 3, *hybrid * 2, *celt * 4]
    for config, length_ms in enumerate(lengths_ms):
        for code, frames in ((0, 1), (1, 2), (2, 2)):
            packet = Packet(bytes([config << 3 | code, 1]))
            assert packet.samples == length_ms * frames * 48
        assert Packet(bytes([config << 3 | 3, 2])).samples == length_ms * 2 * 48


@settings(deadline=None, max_examples=50)
@given(
    container=st.sampled_from(Container),
    changes=st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 255)), min_size=1),
    length=st.integers(0, 9_000),
)
def test_a_damaged_file_is_decoded_or_refused_and_nothing_else(
    container: Container, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(opus_file(container.value).data)
    for place, byte in changes:
        data[place % len(data)] = byte
    decoder = ContainerDecoder(container)
    with suppress(AudioError):
        samples = decoder.accept(bytes(data[:length]))
        assert np.isfinite(samples).all()
        assert np.abs(samples).max(initial=0) <= 1


def test_nothing_is_kept_of_pictures_that_are_larger_than_any_sound(built: Built) -> None:
    decoder = ContainerDecoder(Container.WEBM)
    decoder.accept(
        webm_head(built.head) + element(0xA3, b"")[:1] + (0x0100_0000_0400_0000).to_bytes(8)
    )
    for _ in range(64):
        decoder.accept(bytes(1 << 20))
        assert len(decoder._reader._buffer) < 1 << 20  # type: ignore[attr-defined]
    blocks = [element(0xA3, block(packet)) for packet in built.packets]
    found = decoder.accept(in_clusters(blocks, known=False))
    np.testing.assert_array_equal(found, built.samples)
