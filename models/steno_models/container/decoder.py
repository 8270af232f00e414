"""Bytes of a file of Opus in, cut anywhere; its samples out, as soon as they can be."""

from collections.abc import Iterator
from enum import Enum
from typing import Protocol

import numpy as np

from steno_models.container.ogg import OggReader
from steno_models.container.opus import SAMPLE_RATE, Head, OpusDecoder, Packet
from steno_models.container.webm import WebmReader
from steno_models.errors import AudioError
from steno_models.types import FloatArray


class Container(Enum):
    """What the packets are wrapped in."""

    WEBM = "webm"
    OGG = "ogg"


class _Reader(Protocol):
    """Finds the packets in a container."""

    def read(self, data: bytes) -> Iterator[Head | Packet]:
        """Yield the headers and packets that `data` completes."""


class ContainerDecoder:
    """Decodes one file, and those that are sent right after it as if they were one.

    A browser that is told to begin a new recording every second sends such files; what they hold
    is put together without gaps. Times in the file are not looked at: samples are what counts.

    Args:
        container: what the file is.
        channels: how many it must have; None takes what comes, and keeps to it.

    Attributes:
        sample_rate: samples a second of what comes out.
        channels: how many the samples have, None before the file says it.
        fault: what broke the file, None while all is well.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, container: Container, *, channels: int | None = None) -> None:
        self.channels = channels
        self.fault: AudioError | None = None
        self._reader: _Reader = WebmReader() if container is Container.WEBM else OggReader()
        self._decoder: OpusDecoder | None = None
        self._skip_samples = 0

    def accept(self, data: bytes) -> FloatArray:
        """Return the samples, (N, channels) float32 in [-1, 1], that `data` completes.

        Raises:
            AudioError: the file is broken. Samples before that place are returned first: then
                `fault` alone says it, and the next call raises.
        """
        if self.fault is not None:
            raise self.fault
        blocks: list[FloatArray] = []
        try:
            for item in self._reader.read(data):
                if isinstance(item, Head):
                    self._begin(item)
                else:
                    blocks.append(self._decode(item))
        except AudioError as error:
            self.fault = error
            if not blocks:
                raise
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels or 1), np.float32)

    def _begin(self, head: Head) -> None:
        """Begin with a stream."""
        if self.channels not in {None, head.channels}:
            raise AudioError(
                "the recording has other channels",
                expected=f"{self.channels}",
                found=f"{head.channels}",
            )
        self.channels = head.channels
        self._decoder = OpusDecoder(head)
        self._skip_samples = head.pre_skip

    def _decode(self, packet: Packet) -> FloatArray:
        """Return what counts of a packet."""
        if self._decoder is None:
            raise AssertionError("a reader gives no packet before its header")
        samples = self._decoder.decode(packet)
        skipped = min(self._skip_samples, len(samples))
        self._skip_samples -= skipped
        return samples[skipped:]
