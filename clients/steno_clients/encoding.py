"""Samples as the bytes of a session's encoding."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from steno_clients.errors import AudioError
from steno_daemon.wire import Encoding, Start

Samples: TypeAlias = NDArray[np.floating] | NDArray[np.int16]

_SAMPLE_BYTES = {
    Encoding.PCM_S16LE: 2,
    Encoding.PCM_F32LE: 4,
    Encoding.PCM_U8: 1,
    Encoding.MULAW: 1,
    Encoding.ALAW: 1,
}


def block_bytes(start: Start) -> int | None:
    """Return the bytes of one sample of every channel; None where the audio is a container's."""
    if start.encoding.is_container:
        return None
    return _SAMPLE_BYTES[start.encoding] * start.channels


def pack(audio: bytes | Samples, start: Start) -> bytes:
    """Return audio as bytes in the session's encoding.

    Args:
        audio: bytes, which stay as they are; or samples, (N,) or (N, channels), floats in [-1, 1]
            or 16-bit integers.
        start: says the encoding and the channels.

    Raises:
        AudioError: this is not audio in the form of the session.
    """
    payload = audio if isinstance(audio, bytes) else _pack_samples(audio, start)
    width = block_bytes(start) or 1
    if len(payload) % width:
        raise AudioError(
            f"expected whole samples of {width} bytes, found {len(payload)} bytes of audio"
        )
    return payload


def _pack_samples(audio: Samples, start: Start) -> bytes:
    """Return samples as bytes in the session's encoding."""
    channels = 1 if audio.ndim == 1 else audio.shape[-1]
    if audio.ndim > 2 or channels != start.channels:
        raise AudioError(
            f"expected samples (N,) or (N, channels) with {start.channels} channel(s), "
            f"found the shape {audio.shape}"
        )
    if audio.dtype == np.int16 and start.encoding is Encoding.PCM_S16LE:
        return audio.astype("<i2").tobytes()
    if not np.issubdtype(audio.dtype, np.floating) or not np.isfinite(audio).all():
        raise AudioError(
            f"expected finite floats in [-1, 1] or 16-bit integers, found {audio.dtype} samples"
        )
    match start.encoding:
        case Encoding.PCM_S16LE:
            audio = np.clip(np.round(audio * 32768), -32768, 32767)
            return audio.astype("<i2").tobytes()
        case Encoding.PCM_F32LE:
            return audio.astype("<f4").tobytes()
        case _:
            raise AudioError(
                f"expected bytes for a session in {start.encoding.value}, found an array"
            )
