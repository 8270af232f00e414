"""Batches of pieces with their neighbours: whole recordings, in another order in each epoch."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch

from steno_models.crossmodal.segmentation.segments import Span
from steno_models.crossmodal.speech import Speech
from steno_models.errors import DataError
from steno_models.training.data import Batch
from steno_models.training.distributed import Ranks
from steno_models.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class NeighbourOptions:
    """How pieces become batches.

    Attributes:
        window: neighbours on each side.
        pieces_per_batch: about so many, all processes together.
        longest_frames: of a piece; what is longer is cut.
        seed: of the order.
    """

    window: int = 3
    pieces_per_batch: int = 256
    longest_frames: int = 100
    seed: int = 0


class NeighbourBatches:
    """Epochs of pieces; neighbours are those in the same recording.

    Args:
        speech: the recordings.
        spans: the pieces, recording by recording and in order.
        options: how they are dealt out.
        ranks: this process's share.

    Raises:
        DataError: no recording has two pieces.
    """

    def __init__(
        self, speech: Speech, spans: Sequence[Span], options: NeighbourOptions, ranks: Ranks
    ) -> None:
        self._speech = speech
        self._options = options
        self._ranks = ranks
        groups = [list(own) for _, own in groupby(spans, key=lambda span: span.place)]
        self._groups = [own for own in groups if len(own) > 1]
        if not self._groups:
            raise DataError("expected recordings of two pieces or more, found none")
        pieces = np.array([span for own in self._groups for span in own], np.int64)
        known = json.dumps([options.window, options.pieces_per_batch, options.seed])
        self._fingerprint = hashlib.sha256(known.encode() + pieces.tobytes()).hexdigest()[:20]

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which batch is number k of an epoch."""
        return self._fingerprint

    def count(self, epoch: int) -> int:
        """Return how many batches `epoch` has, on this and any other rank."""
        return len(self._plan(epoch))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Give the batches of `epoch` from number `start` on."""
        for numbers in self._plan(epoch)[start:]:
            own = numbers[self._ranks.rank :: self._ranks.world_size] or numbers[:1]
            yield self._batch([self._groups[number] for number in own])

    def _plan(self, epoch: int) -> list[list[int]]:
        random = np.random.default_rng([self._options.seed, epoch])
        found: list[list[int]] = [[]]
        pieces = 0
        for number in random.permutation(len(self._groups)).tolist():
            if pieces >= self._options.pieces_per_batch:
                found.append([])
                pieces = 0
            found[-1].append(number)
            pieces += len(self._groups[number])
        return found

    def _batch(self, groups: Sequence[Sequence[Span]]) -> Batch:
        parts: list[FloatArray] = []
        targets: list[IntArray] = []
        keys: list[str] = []
        known = 0
        for own in groups:
            cepstra = self._speech.cepstra(own[0].place)
            parts += [cut(cepstra, span, self._options.longest_frames) for span in own]
            targets.append(neighbours(len(own), self._options.window, known))
            keys += [f"{self._speech.keys[span.place]}@{span.first}" for span in own]
            known += len(own)
        found = np.concatenate(targets)
        features, lengths = padded(parts)
        return Batch(
            features=features,
            feature_lengths=lengths,
            targets=torch.from_numpy(found),
            target_lengths=torch.from_numpy((found > 0).sum(axis=1).astype(np.int32)),
            keys=tuple(keys),
        )


def neighbours(pieces: int, window: int, before: int) -> IntArray:
    """Return (P, 2 window) int32 one more than the places of each piece's neighbours, 0 for none.

    Args:
        pieces: of a recording, P.
        window: on each side.
        before: pieces of the batch that stand before them.
    """
    offsets = np.array([o for o in range(-window, window + 1) if o], np.int64)
    places = np.arange(pieces)[:, None] + offsets
    inside = (places >= 0) & (places < pieces)
    found: IntArray = np.where(inside, places + before + 1, 0).astype(np.int32)
    return found


def cut(cepstra: FloatArray, span: Span, longest_frames: int) -> FloatArray:
    """Return (T, 13) the frames of `span`, at most so many."""
    return cepstra[span.first : min(span.last, span.first + longest_frames)]


def padded(parts: Sequence[FloatArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (B, T, 13) `parts` with zeros after their ends, and (B,) int32 their lengths."""
    lengths = np.array([len(part) for part in parts], np.int32)
    found = np.zeros((len(parts), int(lengths.max()), parts[0].shape[1]), np.float32)
    for row, part in zip(found, parts, strict=True):
        row[: len(part)] = part
    return torch.from_numpy(found), torch.from_numpy(lengths)
