"""What a stream holds whose client did not say: the head of a WAV, WebM or Ogg file."""

import struct
from dataclasses import dataclass

from steno_daemon.errors import WireError
from steno_daemon.wire import Encoding, ErrorCode

HEAD_BYTES_MAX = 64 * 1024
_TAG_PCM, _TAG_FLOAT, _TAG_ALAW, _TAG_MULAW, _TAG_EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_ENCODINGS = {
    (_TAG_PCM, 8): Encoding.PCM_U8,
    (_TAG_PCM, 16): Encoding.PCM_S16LE,
    (_TAG_FLOAT, 32): Encoding.PCM_F32LE,
    (_TAG_ALAW, 8): Encoding.ALAW,
    (_TAG_MULAW, 8): Encoding.MULAW,
}


@dataclass(frozen=True, slots=True)
class Form:
    """What the bytes of a stream are.

    Attributes:
        encoding: of the samples, or the container as a whole.
        rate: samples a second of each channel; a container says it itself.
        channels: how many.
        head_bytes: length of the head, which is no audio.
    """

    encoding: Encoding
    rate: int = 48_000
    channels: int = 1
    head_bytes: int = 0


def form_of(head: bytes) -> Form | None:
    """Return what a stream holds that begins like this, None where more has to be seen.

    Raises:
        WireError: it is nothing that the daemon can hear.
    """
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Form(Encoding.WEBM_OPUS)
    if head.startswith(b"OggS"):
        return Form(Encoding.OGG_OPUS)
    if head[:4] == b"RIFF"[: len(head)] or len(head) < 4:
        return _wav(head)
    raise _fault(f"a stream that begins with {head[:4].hex(' ')}")


def _wav(head: bytes) -> Form | None:
    """Return what a WAV file holds, once all chunks before its samples were seen."""
    if len(head) >= 12 and head[8:12] != b"WAVE":
        raise _fault(f"RIFF of another kind: {head[8:12]!r}")
    at, form = 12, b""
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data":
            return _samples(form, head_bytes=at + 8)
        if name == b"fmt ":
            form = head[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    if max(at, len(head)) > HEAD_BYTES_MAX:
        raise _fault(f"a WAV file without samples in its first {HEAD_BYTES_MAX} bytes")
    return None


def _samples(form: bytes, *, head_bytes: int) -> Form:
    """Return what a chunk `fmt ` says."""
    if len(form) < 16:
        raise _fault("a WAV file that does not say what its samples are")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _TAG_EXTENSIBLE and len(form) >= 26:
        (tag,) = struct.unpack_from("<H", form, 24)
    if (tag, bits) not in _ENCODINGS:
        raise _fault(f"a WAV file of format {tag} with {bits} bits")
    return Form(_ENCODINGS[tag, bits], rate, channels, head_bytes)


def _fault(found: str) -> WireError:
    return WireError(
        ErrorCode.INVALID_AUDIO,
        "the audio is in no form that the daemon knows",
        expected="encoding and sample_rate in the address, or WAV, or Opus in WebM or Ogg",
        found=found,
    )
