"""Batches of utterances of like length, shuffled anew each epoch and exactly resumable.

All randomness (order, choice of speed, augmentation) comes from generators keyed by the seed, the
epoch and the utterance, never from a state that advances. So a `Position` is two numbers, and an
epoch taken up in its middle gives the batches that it would have given.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steno_models.errors import ConfigError
from steno_models.training.feature_cache import Features
from steno_models.types import FloatArray, IntArray, LongArray

Scalar = TypeVar("Scalar", bound=np.generic)

Augment = Callable[[FloatArray, np.random.Generator, int], FloatArray]
"""From features, (T, F), to others, given how many batches the training had before this one."""

# What a generator is for, so that no two draw the same numbers.
_FOR_ORDER, _FOR_AUGMENTATION = 1, 2


@dataclass(frozen=True, slots=True)
class Position:
    """How far a training has come: the next batch is number `batch` of `epoch`."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Utterances padded to the longest of them.

    Attributes:
        features: (B, T, F) float32, zeros after each utterance's end.
        feature_lengths: (B,) int32, frames.
        targets: (B, U) int32 token ids, zeros after each target's end.
        target_lengths: (B,) int32, tokens.
        keys: The B utterances' keys.
    """

    features: Tensor
    feature_lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    keys: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        return Batch(
            self.features.to(device, non_blocking=True),
            self.feature_lengths.to(device, non_blocking=True),
            self.targets.to(device, non_blocking=True),
            self.target_lengths.to(device, non_blocking=True),
            self.keys,
        )


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How utterances become batches.

    Attributes:
        frames_per_batch: Most frames of a batch, padding included, on each rank.
        spare_frames: Counted on top of every utterance's own, for what augmentation adds.
        round_frames: The length of a batch is a multiple of so many frames: with fewer shapes
            the libraries below find more of them prepared.
        seed: Of order, speeds and augmentation.
        rank: Which share of every batch is given here, of `world_size` shares.
        world_size: How many processes train together.
        threads: How many prepare batches ahead; with 0 they are prepared when asked for.
    """

    frames_per_batch: int = 20_000
    spare_frames: int = 0
    round_frames: int = 1
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    threads: int = 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """An epoch of M turns, in which an utterance may have none, one or several.

    Attributes:
        utterances: (M,) the utterance of each turn.
        copies: (M,) how many turns it had before.
        variants: (M,) the variant in which it is taken.
        batches: The turns of each batch.
    """

    utterances: LongArray
    copies: LongArray
    variants: LongArray
    batches: list[LongArray]


class BucketedBatches:
    """Every utterance once an epoch, in one of its variants, with its target.

    Where `turns` are given, an utterance comes as often as they say: with 2.3 twice, and in three
    of ten epochs three times.

    With several ranks each batch is cut as if one process had the memory of all, and dealt out:
    the ranks' shares of batch k together are a batch, so all take the same number of steps.
    """

    def __init__(
        self,
        features: Features,
        targets: Sequence[IntArray],
        options: BatchOptions,
        *,
        augment: Augment | None = None,
        turns: Sequence[float] | None = None,
    ) -> None:
        _check(features, targets, options)
        self._turns = np.ones(len(targets)) if turns is None else np.array(turns, np.float64)
        _check_turns(self._turns, len(targets), options)
        self._features = features
        self._targets = targets
        self._options = options
        self._augment = augment
        self._counts: list[int] = []

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which batch is number k of an epoch."""
        options = asdict(self._options) | {"rank": 0, "threads": 0}
        lengths, turns = self._features.lengths.tolist(), self._turns.tolist()
        value = json.dumps([options, list(self._features.keys), lengths, turns])
        return hashlib.sha256(value.encode()).hexdigest()[:20]

    def count(self, epoch: int) -> int:
        """Return how many batches `epoch` has, on this and any other rank."""
        return len(self._plan(epoch).batches)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Give the batches of `epoch` from number `start` on."""
        plan = self._plan(epoch)
        before = self._batches_before(epoch)

        def prepare(number: int) -> Batch:
            share = plan.batches[number][self._options.rank :: self._options.world_size]
            changed = [self._changed(plan, turn, epoch, before + number) for turn in share]
            return self._collate(changed, plan.utterances[share])

        return _in_order(prepare, range(start, len(plan.batches)), self._options.threads)

    def _batches_before(self, epoch: int) -> int:
        """Return how many batches all epochs before `epoch` have."""
        while len(self._counts) < epoch:
            self._counts.append(self.count(len(self._counts)))
        return sum(self._counts[:epoch])

    def _changed(self, plan: _Plan, turn: int, epoch: int, batches_before: int) -> FloatArray:
        """Return the features of a turn as the augmentation makes them."""
        utterance, copy = int(plan.utterances[turn]), int(plan.copies[turn])
        features = self._features.read(utterance, int(plan.variants[turn]))
        if self._augment is None:
            return features
        key = [self._options.seed, epoch, _FOR_AUGMENTATION, utterance, copy]
        return self._augment(features, np.random.default_rng(key), batches_before)

    def _collate(self, features: Sequence[FloatArray], utterances: LongArray) -> Batch:
        targets = [self._targets[each] for each in utterances]
        return Batch(
            features=torch.from_numpy(_padded(features, self._options.round_frames)),
            feature_lengths=torch.tensor([len(each) for each in features], dtype=torch.int32),
            targets=torch.from_numpy(_padded(targets)),
            target_lengths=torch.tensor([len(each) for each in targets], dtype=torch.int32),
            keys=tuple(self._features.keys[each] for each in utterances),
        )

    def _plan(self, epoch: int) -> _Plan:
        rng = np.random.default_rng([self._options.seed, epoch, _FOR_ORDER, 0])
        share, whole = np.modf(self._turns)
        turns = whole.astype(np.int64) + (rng.uniform(size=len(whole)) < share)
        utterances = np.repeat(np.arange(len(turns)), turns)
        copies = np.arange(len(utterances)) - np.repeat(np.cumsum(turns) - turns, turns)
        # The copies of an utterance are in different variants as far as there are enough.
        first = rng.integers(self._features.lengths.shape[1], size=len(turns))
        variants: LongArray = (first[utterances] + copies) % self._features.lengths.shape[1]
        frames = self._features.lengths[utterances, variants] + self._options.spare_frames
        # The jitter gives each utterance other neighbours every epoch, of nearly its length.
        order = np.argsort(frames * rng.uniform(0.95, 1.05, size=len(frames)), kind="stable")
        batches = _cut(order, frames, self._options)
        shuffled = [batches[each] for each in rng.permutation(len(batches))]
        return _Plan(utterances, copies, variants, shuffled)


def _check(features: Features, targets: Sequence[IntArray], options: BatchOptions) -> None:
    if len(targets) != len(features.keys):
        raise ConfigError(
            f"expected a target for each of {len(features.keys)} utterances, found {len(targets)}"
        )
    if options.world_size > len(targets):
        raise ConfigError(
            f"expected an utterance for each of {options.world_size} processes, "
            f"found {len(targets)}"
        )
    if not 0 <= options.rank < options.world_size:
        raise ConfigError(
            f"expected 0 <= rank < world size, found rank {options.rank} of {options.world_size}"
        )
    longest = int(features.lengths.max(axis=1).argmax())
    found = int(features.lengths[longest].max()) + options.spare_frames
    if found > options.frames_per_batch:
        whose = "" if options.world_size == 1 else f" / {options.world_size} processes"
        raise ConfigError(
            "expected utterances of at most frames_per_batch"
            f"{whose} = {options.frames_per_batch} frames, found {features.keys[longest]} of "
            f"{found}; raise the limit or leave it out"
        )


def _check_turns(turns: NDArray[np.float64], count: int, options: BatchOptions) -> None:
    if turns.shape != (count,) or not (np.isfinite(turns) & (turns >= 0)).all():
        raise ConfigError(f"expected turns of 0 or more for each of {count} utterances")
    if np.floor(turns).sum() < options.world_size:
        raise ConfigError(
            f"expected every epoch to have {options.world_size} turns or more, "
            f"found {np.floor(turns).sum():g} that are certain"
        )


def _cut(order: LongArray, frames: IntArray, options: BatchOptions) -> list[LongArray]:
    """Return `order` cut into batches within the budget, each with something for every rank."""
    batches: list[LongArray] = []
    first, longest = 0, 0
    for place, turn in enumerate(order):
        longest = max(longest, int(frames[turn]))
        per_rank = -(-(place + 1 - first) // options.world_size)
        if per_rank * longest > options.frames_per_batch:
            batches.append(order[first:place])
            first, longest = place, int(frames[turn])
    last = order[first:]
    # The end of the order may not reach all ranks: some of its utterances are then seen twice.
    lacking = max(0, options.world_size - len(last))
    batches.append(np.concatenate([last, order[:lacking]]))
    return batches


def _padded(rows: Sequence[NDArray[Scalar]], multiple: int = 1) -> NDArray[Scalar]:
    """Return (len(rows), longest, ...): the rows one below the other, zeros after their ends."""
    longest = -(-max(len(row) for row in rows) // multiple) * multiple
    padded = np.zeros((len(rows), longest, *rows[0].shape[1:]), rows[0].dtype)
    for row, place in zip(rows, padded, strict=True):
        place[: len(row)] = row
    return padded


def _in_order(
    prepare: Callable[[int], Batch], numbers: Sequence[int], threads: int
) -> Iterator[Batch]:
    """Give `prepare(number)` for all `numbers`, prepared ahead by `threads`."""
    if threads == 0:
        yield from map(prepare, numbers)
        return
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for number in numbers:
                waiting.append(pool.submit(prepare, number))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
