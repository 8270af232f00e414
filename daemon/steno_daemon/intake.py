"""A client's bytes as samples at 16 kHz, at exact positions of the stream.

The count of a client's own samples decides every position, so that two hours and many `finalize`s
later a second is still a second. The samples of a container are those that it decodes to, 48,000 a
second whatever `start` says of the rate.
"""

from math import gcd
from typing import Self

import numpy as np

from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.errors import WireError
from steno_daemon.sources import format_of, source_of
from steno_daemon.wire import ErrorCode, Start
from steno_models.audio import Resampler
from steno_models.types import FloatArray

FILTER_S = 0.1
"""How far the resampler looks to either side, at most."""


class Intake:
    """Decodes and resamples one stream; its bytes may be cut anywhere.

    Bad audio raises nothing here: `accept` returns what came before it, `fault` says what is wrong,
    and whatever comes after it is left out.

    Args:
        start: what the client said of its audio.
        at_sample: sample of the client with which the stream goes on, 0 at its start. The bytes
            begin there; those of a container begin at its first byte again, and what lies before
            is decoded and left out.

    Attributes:
        format: of the client's samples; of a container's, what they are decoded to.
        channels: how many channels `accept` returns: C.
    """

    def __init__(self, start: Start, *, at_sample: int = 0) -> None:
        self.channels = start.channels if start.separate_channels else 1
        self._source = source_of(start, at_sample)
        self.format = self._source.format
        self._rate = self.format.sample_rate
        self._nothing = np.zeros((self.channels, 0), np.float32)
        self._at_sample = at_sample
        self._given = self.position  # up to here `accept` has returned the stream
        self._begin()

    @classmethod
    def resumed(cls, start: Start, position: int) -> Self:
        """Return an intake that gives the samples from a 16 kHz position on as another would.

        It begins where `needed_from` says, and may give some samples before the position, too.
        """
        return cls(start, at_sample=_needed_from(format_of(start).sample_rate, position))

    @property
    def fault(self) -> WireError | None:
        """What is wrong with the audio, None while all is well."""
        error = self._source.fault
        if error is None:
            return None
        return WireError(
            ErrorCode.INVALID_AUDIO, error.message, expected=error.expected, found=error.found
        )

    @property
    def received_samples(self) -> int:
        """Whole samples of one channel so far, at the client's rate."""
        return max(self._at_sample, self._source.samples)

    @property
    def received_bytes(self) -> int:
        """Bytes of the stream that need not come again: whole samples, a container to the last."""
        return self._source.received_bytes

    @property
    def loose_bytes(self) -> int:
        """Bytes at the end that do not make a whole sample yet; a container has none."""
        return self._source.loose_bytes

    @property
    def position(self) -> int:
        """Where in the 16 kHz stream the next sample of the client falls."""
        if self._rate == SAMPLE_RATE:
            return self.received_samples
        return round(self.received_samples * SAMPLE_RATE / self._rate)

    def accept(self, data: bytes, until: int = 0) -> FloatArray:
        """Return the 16 kHz samples, (C, N), that `data` completes.

        Args:
            data: the next bytes.
            until: position before which nobody looks at samples: they may come with those there.
        """
        wanted = until if self._rate == SAMPLE_RATE else until * self._rate // SAMPLE_RATE
        blocks = [self._resample(block) for block in self._source.accept(data, wanted)]
        if len(blocks) == 1:
            return blocks[0]
        return np.concatenate([self._nothing, *blocks], axis=1) if blocks else self._nothing

    def flush(self) -> FloatArray:
        """Return the samples, (C, N), that were still held back, up to `position` exactly."""
        waited = self.accept(b"")
        rest = self._unseen(np.stack([resampler.finish() for resampler in self._resamplers]))
        missing = np.zeros((self.channels, self.position - self._given), np.float32)
        held = rest[:, : missing.shape[1]]
        missing[:, : held.shape[1]] = held
        self._given = self.position
        self._begin()
        return np.concatenate([waited, missing], axis=1)

    def forget_loose_bytes(self) -> None:
        """Drop what makes no whole sample yet: a client that resumes sends it again."""
        self._source.forget_loose_bytes()

    def client_samples(self, position: int) -> int:
        """Return how many of the client's samples lie before a position at 16 kHz."""
        return min(self.received_samples, position * self._rate // SAMPLE_RATE)

    def needed_from(self, position: int) -> int:
        """Return the client's sample from which on audio is needed to go on at a position.

        Where the rate is changed that lies a little before, as far as the filter looks back.
        """
        needed = _needed_from(self._rate, position)
        return min(self.received_samples, needed)

    def _begin(self) -> None:
        """Begin to resample, on the grid that the stream had from its start.

        Input and output coincide every `period` samples of the client: silence fills up from the
        last such place, and what it gives is left out.
        """
        rate = self._rate
        self._resamplers = [Resampler(rate, SAMPLE_RATE) for _ in range(self.channels)]
        period = rate // gcd(rate, SAMPLE_RATE)
        periods, lead = divmod(self._source.samples, period)
        self._next = periods * period * SAMPLE_RATE // rate  # position of what comes out next
        self._resample(np.zeros((self.channels, lead), np.float32))

    def _resample(self, samples: FloatArray) -> FloatArray:
        """Return the samples at 16 kHz, (C, M), that `samples`, (C, N) of the client, complete."""
        if self._rate != SAMPLE_RATE:
            pairs = zip(self._resamplers, samples, strict=True)
            samples = np.stack([resampler.accept(channel) for resampler, channel in pairs])
        new = self._unseen(samples)
        self._given += new.shape[1]
        return new

    def _unseen(self, samples: FloatArray) -> FloatArray:
        """Return those samples, (C, N) out of the resamplers, that were not given yet."""
        seen = max(0, self._given - self._next)
        self._next += samples.shape[1]
        return samples[:, seen:]


def _needed_from(rate: int, position: int) -> int:
    """Return the sample at `rate` from which on a resampler must hear to be right at a position."""
    margin = 0 if rate == SAMPLE_RATE else round(FILTER_S * rate)
    return max(0, position * rate // SAMPLE_RATE - margin)
