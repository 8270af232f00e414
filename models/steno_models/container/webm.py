"""WebM, read while it arrives: elements in (RFC 8794, RFC 9559), headers and packets of Opus out.

A live file does not say how long its segment and clusters are. As the id of an element tells its
level, they need no end here: their heads are read over, and what they hold follows one by one.
"""

from collections.abc import Iterator

from steno_models.container.ebml import Element, broken, children, head_of, known_size, variable
from steno_models.container.lacing import frames_of
from steno_models.container.opus import SAMPLE_RATE, Head, Packet
from steno_models.errors import AudioError

_EBML, _DOC_TYPE = 0x1A45DFA3, 0x4282
_MAGIC = _EBML.to_bytes(4)
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_TRACKS, _TRACK, _NUMBER, _TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x83
_CODEC, _CODEC_PRIVATE, _ENCODINGS = 0x86, 0x63A2, 0x6D80
_SIMPLE_BLOCK, _GROUP, _BLOCK, _DISCARD = 0xA3, 0xA0, 0xA1, 0x75A2
_WHOLE = (_EBML, _TRACKS, _SIMPLE_BLOCK, _GROUP)
_SEEK_HEAD, _INFO, _CUES, _CHAPTERS = 0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1043A770
_TAGS, _ATTACHMENTS, _VOID, _CRC = 0x1254C367, 0x1941A469, 0xEC, 0xBF
_TIMESTAMP, _POSITION, _PREVIOUS_SIZE, _SILENT = 0xE7, 0xA7, 0xAB, 0x5854
_SKIPPED = (
    *(_SEEK_HEAD, _INFO, _CUES, _CHAPTERS, _TAGS, _ATTACHMENTS, _VOID, _CRC),
    *(_TIMESTAMP, _POSITION, _PREVIOUS_SIZE, _SILENT),
)
_SOUND = 2
_OPUS = b"A_OPUS"
MAX_ELEMENT_BYTES = 1024 * 1024
"""Far above any block of sound; a larger one is a picture, which is not kept."""
MAX_UNKNOWN_BYTES = 4 * 1024
"""What nobody knows is skipped, as the rules want it; but not what may be no element at all."""


class WebmReader:
    """Finds the first track of Opus in a WebM file, and in those that come right after it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip_bytes = 0
        self._begun = False
        self._track: int | None = None
        self._tracks = 0

    def read(self, data: bytes) -> Iterator[Head | Packet]:
        """Yield the headers and packets that `data` completes.

        Raises:
            AudioError: this is no WebM file with Opus in it, or a broken one.
        """
        self._buffer += data
        if not self._begun and not _MAGIC.startswith(self._buffer[:4]):
            raise broken("a file that begins with an EBML header", repr(bytes(self._buffer[:4])))
        while not self._skipping() and (element := head_of(self._buffer)):
            if element.name in {_SEGMENT, _CLUSTER}:
                del self._buffer[: element.head_bytes]
                continue
            if not self._is_kept(element):
                self._skip_bytes = element.head_bytes + known_size(element)
                continue
            end = element.head_bytes + known_size(element)
            if len(self._buffer) < end:
                return
            content = bytes(self._buffer[element.head_bytes : end])
            del self._buffer[:end]
            yield from self._take(element.name, content)

    def _skipping(self) -> bool:
        """Drop what is to be skipped; return whether there is more of it to come."""
        skipped = min(self._skip_bytes, len(self._buffer))
        del self._buffer[:skipped]
        self._skip_bytes -= skipped
        return self._skip_bytes > 0

    def _is_kept(self, element: Element) -> bool:
        """Return whether what an element holds is needed here."""
        size = known_size(element)
        if element.name in _SKIPPED:
            return False
        if element.name not in _WHOLE:
            if size > MAX_UNKNOWN_BYTES:
                raise broken("an element of WebM", f"{element.name:x} of {size} bytes")
            return False
        if size > MAX_ELEMENT_BYTES:
            if element.name in {_SIMPLE_BLOCK, _GROUP} and self._tracks > 1:
                return False
            raise broken(f"elements of at most {MAX_ELEMENT_BYTES} bytes", f"one of {size}")
        return True

    def _take(self, name: int, content: bytes) -> Iterator[Head | Packet]:
        """Yield what a whole element says."""
        if name == _EBML:
            self._begin(content)
        elif name == _TRACKS:
            yield from self._choose(content)
        elif name == _SIMPLE_BLOCK:
            yield from self._packets(content, discard_ns=0)
        else:
            group = dict(children(content))
            discard_ns = int.from_bytes(group.get(_DISCARD, b""), signed=True)
            yield from self._packets(group.get(_BLOCK, b""), discard_ns=discard_ns)

    def _begin(self, content: bytes) -> None:
        """Take the header of a file."""
        kind = _text(dict(children(content)).get(_DOC_TYPE, b""))
        if kind not in {b"webm", b"matroska"}:
            raise broken("the document type webm", repr(kind[:20]))
        self._begun, self._track = True, None

    def _choose(self, content: bytes) -> Iterator[Head]:
        """Choose the track to listen to, if that has not been done."""
        if self._track is not None:
            return
        tracks = [dict(children(track)) for name, track in children(content) if name == _TRACK]
        self._tracks = len(tracks)
        for track in tracks:
            if _number(track.get(_TYPE)) == _SOUND and _text(track.get(_CODEC, b"")) == _OPUS:
                if _ENCODINGS in track:
                    raise broken("Opus as it is", "a track that is compressed or encrypted")
                self._track = _number(track.get(_NUMBER))
                yield Head.parse(track.get(_CODEC_PRIVATE, b""))
                return
        codecs = ", ".join(repr(_text(track.get(_CODEC, b""))[:20]) for track in tracks)
        raise AudioError(
            "the WebM file holds no Opus", expected="a track of A_OPUS", found=codecs or "none"
        )

    def _packets(self, block: bytes, *, discard_ns: int) -> Iterator[Packet]:
        """Yield the packets of a block of our track; the last one may count in part."""
        number = variable(block, 0)
        if number is None or len(block) < number[1] + 3:
            raise broken("a block with its track and time", f"{len(block)} bytes")
        if self._track is None:
            raise broken("the tracks before the first block", "a block")
        if number[0] != self._track:
            return
        *others, last = frames_of(block[number[1] + 2 :])
        for data in others:
            yield Packet(data)
        packet = Packet(last)
        discard_samples = round(max(0, discard_ns) * SAMPLE_RATE / 1_000_000_000)
        yield Packet(last, min(discard_samples, packet.samples))


def _number(content: bytes | None) -> int:
    """Return an unsigned number, 0 where there is none."""
    return int.from_bytes(content or b"")


def _text(content: bytes) -> bytes:
    """Return a text without the zeros that may fill it up (RFC 8794, section 7.4)."""
    return content.rstrip(b"\0")
