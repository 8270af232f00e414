"""Batches of text for the training loop: one long stream cut into rows, or whole sentences.

The targets of a batch are (B, U + 1) units: the first column is only read, the others are predicted
after it. The loop counts seconds of speech: a unit is taken for 0.4 s of it.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from steno_models.errors import ConfigError, DataError
from steno_models.lm.neural.units import END
from steno_models.training.data import Batch
from steno_models.types import IntArray, LongArray

FRAMES_PER_UNIT = 40


def as_batch(rows: IntArray, lengths: LongArray, name: str) -> Batch:
    """Return a batch of `rows`, (B, U + 1), of which `lengths` units each are predicted."""
    frames = torch.from_numpy((FRAMES_PER_UNIT * lengths).astype(np.int32))
    return Batch(
        features=torch.zeros(len(rows), 0),
        feature_lengths=frames,
        targets=torch.from_numpy(rows),
        target_lengths=torch.from_numpy(lengths.astype(np.int32)),
        keys=tuple(f"{name} row {row}" for row in range(len(rows))),
    )


class StreamBatches:
    """A text cut into rows that are read side by side, a few units at a time.

    Row r of batch k goes on where row r of batch k - 1 stopped, so that what a network remembers
    can be carried over. Each epoch cuts the text at other places.

    Args:
        stream: (N,) units.
        rows: B.
        length: U, units of each row in a batch.
        seed: of where epochs begin.
    """

    def __init__(self, stream: IntArray, *, rows: int, length: int, seed: int) -> None:
        if len(stream) <= rows * length:
            raise ConfigError(
                f"expected more than {rows} rows of {length} units, found a text of {len(stream)}"
            )
        self._stream = stream
        self._rows = rows
        self._length = length
        self._seed = seed

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which batch is number k of an epoch."""
        return _fingerprint(self._stream, ["stream", self._rows, self._length, self._seed])

    def count(self, epoch: int) -> int:  # noqa: ARG002 - all epochs are alike
        """Return how many batches `epoch` has."""
        return (len(self._stream) - 1) // (self._rows * self._length)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Give the batches of `epoch` from number `start` on."""
        N, B, U = len(self._stream), self._rows, self._length
        shift = int(np.random.default_rng([self._seed, epoch]).integers(N)) if self._seed else 0
        begins = shift + np.arange(B)[:, None] * (self.count(epoch) * U)
        for k in range(start, self.count(epoch)):
            places = (begins + k * U + np.arange(-1, U)) % N
            yield as_batch(self._stream[places], np.full(B, U), f"stream {epoch}/{k}")


class SentenceBatches:
    """Sentences of like length, each after an end and up to its own, shuffled anew each epoch.

    Args:
        stream: (N,) units, an end after each sentence.
        units_per_batch: padding included.
        longest: units of a sentence that are taken; its rest is left out.
        seed: of the order.
    """

    def __init__(
        self, stream: IntArray, *, units_per_batch: int, longest: int = 100, seed: int
    ) -> None:
        ends = np.flatnonzero(stream == END)
        if not len(ends):
            raise DataError("expected sentences that end, found none")
        self._stream = stream
        self._begins = np.concatenate([[0], ends[:-1] + 1])
        self._lengths = np.minimum(ends + 1 - self._begins, longest)
        self._units_per_batch = max(units_per_batch, longest)
        self._seed = seed
        self._planned: tuple[int, Sequence[LongArray]] = (-1, ())

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which batch is number k of an epoch."""
        longest = int(self._lengths.max())
        return _fingerprint(self._stream, ["sentences", self._units_per_batch, longest, self._seed])

    def count(self, epoch: int) -> int:
        """Return how many batches `epoch` has."""
        return len(self._plan(epoch))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Give the batches of `epoch` from number `start` on."""
        for k, sentences in enumerate(self._plan(epoch)[start:], start):
            lengths = self._lengths[sentences]
            rows = np.full((len(sentences), 1 + int(lengths.max())), END, np.int32)
            for row, begin, length in zip(rows, self._begins[sentences], lengths, strict=True):
                row[1 : 1 + length] = self._stream[begin : begin + length]
            yield as_batch(rows, lengths, f"sentences {epoch}/{k}")

    def _plan(self, epoch: int) -> Sequence[LongArray]:
        """Return the sentences of each batch of `epoch`."""
        if self._planned[0] != epoch:
            rng = np.random.default_rng([self._seed, epoch])
            jitter = rng.uniform(0.9, 1.1, size=len(self._lengths))
            batches = self._cut(np.argsort(self._lengths * jitter, kind="stable"))
            shuffled = [batches[each] for each in rng.permutation(len(batches))]
            self._planned = (epoch, shuffled)
        return self._planned[1]

    def _cut(self, order: LongArray) -> list[LongArray]:
        """Return `order` cut into batches that have room when padded to their longest sentence."""
        batches, first, budget = [], 0, self._units_per_batch
        while first < len(order):
            window = np.maximum.accumulate(self._lengths[order[first : first + budget]])
            padded = window * np.arange(1, 1 + len(window))
            size = max(1, int(np.searchsorted(padded, budget, side="right")))
            batches.append(order[first : first + size])
            first += size
        return batches


def _fingerprint(stream: IntArray, settings: Sequence[str | int]) -> str:
    found = hashlib.sha256(repr(settings).encode())
    found.update(np.ascontiguousarray(stream).data)
    return found.hexdigest()[:20]
