"""What a client's bytes hold: samples as they are, or a file that has to be decoded."""

from collections.abc import Iterator
from typing import Protocol

from steno_daemon.wire import Encoding, Start
from steno_models.audio import AudioFormat, PcmDecoder, mix_down
from steno_models.audio import Encoding as SampleEncoding
from steno_models.container.decoder import Container, ContainerDecoder
from steno_models.errors import AudioError
from steno_models.types import FloatArray

PIECE_BYTES = 1024
"""A file is decoded in pieces of this size: silence takes hardly any bytes."""


class Source(Protocol):
    """Turns the bytes of one stream into the client's samples, in the channels that are wanted."""

    @property
    def format(self) -> AudioFormat:
        """What the samples are."""

    @property
    def samples(self) -> int:
        """How many of one channel there were, from the start of the stream."""

    @property
    def received_bytes(self) -> int:
        """How many bytes need not come again."""

    @property
    def loose_bytes(self) -> int:
        """How many bytes at the end do not make a sample yet."""

    @property
    def fault(self) -> AudioError | None:
        """What is wrong with the bytes, None while all is well."""

    def accept(self, data: bytes, until: int) -> Iterator[FloatArray]:
        """Yield the samples, (C, N), that `data` completes; they may wait for the one at `until`.

        Nobody looks at samples in between, and to decode them one by one costs more than all of
        them together.
        """

    def forget_loose_bytes(self) -> None:
        """Drop what makes no whole sample yet."""


def format_of(start: Start) -> AudioFormat:
    """Return the format of a client's samples; of a container's, what they are decoded to."""
    if start.encoding.is_container:
        return AudioFormat(SampleEncoding.F32LE, ContainerDecoder.sample_rate, start.channels)
    return AudioFormat.named(start.encoding.removeprefix("pcm_"), start.rate, start.channels)


def source_of(start: Start, at_sample: int) -> Source:
    """Return what decodes the bytes of a client.

    Args:
        start: what it said of them.
        at_sample: its sample with which the bytes begin; those of a container begin at its start.
    """
    if start.encoding.is_container:
        return _File(start)
    return _Samples(start, at_sample)


class _Samples:
    """Samples as they are; they may be cut anywhere."""

    fault = None

    def __init__(self, start: Start, at_sample: int) -> None:
        self.format = format_of(start)
        self._separate = start.separate_channels
        self._block_bytes = self.format.block_bytes
        self._decoder = PcmDecoder(self.format)
        self._bytes = at_sample * self._block_bytes

    @property
    def samples(self) -> int:
        return self._bytes // self._block_bytes

    @property
    def received_bytes(self) -> int:
        return self._bytes - self.loose_bytes

    @property
    def loose_bytes(self) -> int:
        return self._bytes % self._block_bytes

    def accept(self, data: bytes, until: int) -> Iterator[FloatArray]:
        self._bytes += len(data)
        self._decoder.hold(data)
        if self.samples >= until:
            yield _in_channels(self._decoder.read(), separate=self._separate)

    def forget_loose_bytes(self) -> None:
        self._bytes -= self.loose_bytes
        self._decoder.forget_loose_bytes()


class _File:
    """A file as a browser records it; after a fault nothing more comes of it."""

    loose_bytes = 0

    def __init__(self, start: Start) -> None:
        self.format = format_of(start)
        self.samples = 0
        self.received_bytes = 0
        self._separate = start.separate_channels
        container = Container.OGG if start.encoding is Encoding.OGG_OPUS else Container.WEBM
        self._decoder = ContainerDecoder(
            container, channels=start.channels if start.separate_channels else None
        )

    @property
    def fault(self) -> AudioError | None:
        return self._decoder.fault

    def accept(self, data: bytes, until: int) -> Iterator[FloatArray]:
        del until
        self.received_bytes += len(data)
        for begin in range(0, len(data), PIECE_BYTES):
            if self.fault is not None:
                return
            try:
                samples = self._decoder.accept(data[begin : begin + PIECE_BYTES])
            except AudioError:
                return  # `fault` says it
            self.samples += len(samples)
            yield _in_channels(samples, separate=self._separate)

    def forget_loose_bytes(self) -> None:
        pass


def _in_channels(samples: FloatArray, *, separate: bool) -> FloatArray:
    """Return samples, (N, channels), as (C, N): each channel, or all of them mixed to one."""
    return samples.T if separate else mix_down(samples)[None, :]
