from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import ConfigError
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.types import FloatArray, IntArray


class MadeUpFeatures:
    """Features that say where they are from: frame t of utterance u, variant v is [u, v, t]."""

    def __init__(self, lengths: Sequence[Sequence[int]]) -> None:
        self.lengths: IntArray = np.array(lengths, np.int32)
        self.keys = [f"u{number}" for number in range(len(lengths))]

    def read(self, utterance: int, variant: int) -> FloatArray:
        frames = np.arange(self.lengths[utterance, variant])
        rows = [np.full(len(frames), utterance), np.full(len(frames), variant), frames]
        return np.stack(rows, axis=1).astype(np.float32)


def make_batches(
    lengths: Sequence[Sequence[int]], *, augment: bool = False, **options: int
) -> BucketedBatches:
    targets = [np.arange(1, 2 + number % 3, dtype=np.int32) for number in range(len(lengths))]
    return BucketedBatches(
        MadeUpFeatures(lengths),
        targets,
        BatchOptions(**{"frames_per_batch": 100, **options}),
        augment=add_noise if augment else None,
    )


def add_noise(features: FloatArray, rng: np.random.Generator, _: int = 0) -> FloatArray:
    return features + rng.normal(size=features.shape).astype(np.float32)


def random_lengths(count: int, *, variants: int = 1, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [[int(x) for x in row] for row in rng.integers(1, 60, size=(count, variants))]


def keys(batches: Sequence[Batch]) -> list[str]:
    return list(chain.from_iterable(batch.keys for batch in batches))


def assert_same(first: Sequence[Batch], second: Sequence[Batch]) -> None:
    assert [batch.keys for batch in first] == [batch.keys for batch in second]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.features, other.features)
        assert torch.equal(one.feature_lengths, other.feature_lengths)
        assert torch.equal(one.targets, other.targets)
        assert torch.equal(one.target_lengths, other.target_lengths)


def test_a_batch_holds_features_and_targets_padded_with_zeros() -> None:
    (batch,) = make_batches([[4], [2], [3]]).epoch(0)
    assert batch.features.shape == (3, 4, 3)
    assert batch.features.dtype == torch.float32
    assert batch.targets.dtype == batch.target_lengths.dtype == torch.int32
    for row, key in enumerate(batch.keys):
        number = int(key[1:])
        length = [4, 2, 3][number]
        assert int(batch.feature_lengths[row]) == length
        expected = torch.tensor([[number, 0, t] for t in range(length)], dtype=torch.float32)
        assert torch.equal(batch.features[row, :length], expected)
        assert not batch.features[row, length:].any()
        assert batch.targets[row].tolist() == [*range(1, 2 + number), 0, 0][:3]
        assert int(batch.target_lengths[row]) == 1 + number


@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=3, max_size=80),
    world_size=st.integers(1, 3),
    epoch=st.integers(0, 5),
)
def test_ranks_together_see_every_utterance_within_the_budget(
    lengths: list[int], world_size: int, epoch: int
) -> None:
    shares = [
        list(make_batches([[n] for n in lengths], rank=rank, world_size=world_size).epoch(epoch))
        for rank in range(world_size)
    ]
    assert len({len(share) for share in shares}) == 1
    seen = keys(list(chain.from_iterable(shares)))
    assert set(seen) == {f"u{number}" for number in range(len(lengths))}
    assert len(seen) - len(lengths) < world_size
    for batch in chain.from_iterable(shares):
        assert 1 <= batch.features.shape[0] * batch.features.shape[1] <= 100


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("start", [0, 1, 7])
def test_an_epoch_taken_up_in_its_middle_goes_on_as_it_would_have(start: int, threads: int) -> None:
    lengths = random_lengths(60, variants=3)
    whole = list(make_batches(lengths, augment=True, seed=5).epoch(3))
    rest = make_batches(lengths, augment=True, seed=5, threads=threads)
    assert_same(list(rest.epoch(3, start=start)), whole[start:])
    assert rest.count(3) == len(whole)


def test_epochs_and_seeds_differ_in_order_neighbours_and_augmentation() -> None:
    lengths = random_lengths(60)
    first = list(make_batches(lengths, augment=True, seed=1).epoch(0))
    for seed, epoch in ((1, 1), (2, 0)):
        other = list(make_batches(lengths, augment=True, seed=seed).epoch(epoch))
        assert keys(other) != keys(first)
        assert {frozenset(batch.keys) for batch in other} != {frozenset(b.keys) for b in first}
        assert sorted(keys(other)) == sorted(keys(first))
    noise = [
        float(batch.features[batch.keys.index("u7"), 0, 2])
        for epoch in range(3)
        for batch in make_batches(lengths, augment=True).epoch(epoch)
        if "u7" in batch.keys
    ]
    assert len(set(noise)) == 3


def test_over_the_epochs_every_variant_is_drawn() -> None:
    batches = make_batches([[10, 9, 11]] * 4)
    drawn = {
        (batch.keys[row], int(batch.features[row, 0, 1]))
        for epoch in range(30)
        for batch in batches.epoch(epoch)
        for row in range(len(batch.keys))
    }
    assert drawn == {(f"u{number}", variant) for number in range(4) for variant in range(3)}


def test_augmentation_depends_on_the_utterance_and_not_on_its_batch() -> None:
    first_frames = []
    for budget in (20, 1_000):
        batches = make_batches([[10]] * 12, augment=True, frames_per_batch=budget).epoch(4)
        found = {
            key: tuple((row[0] - torch.tensor([float(key[1:]), 0.0, 0.0])).tolist())
            for batch in batches
            for key, row in zip(batch.keys, batch.features, strict=True)
        }
        assert len(set(found.values())) == 12
        first_frames.append(found)
    assert first_frames[0] == first_frames[1]


def test_turns_say_how_often_an_utterance_comes() -> None:
    turns = [0.0, 0.5, 1.0, 2.25]
    targets = [np.ones(1, np.int32)] * 4
    batches = BucketedBatches(
        MadeUpFeatures([[10]] * 4), targets, BatchOptions(), augment=add_noise, turns=turns
    )
    seen = [keys(list(batches.epoch(epoch))) for epoch in range(400)]
    for number, expected in enumerate(turns):
        counts = [epoch.count(f"u{number}") for epoch in seen]
        assert {int(expected), int(np.ceil(expected))} == set(counts)
        assert np.mean(counts) == pytest.approx(expected, abs=0.1)
    (batch,) = batches.epoch(0)
    noise = [float(row[0, 2]) for row, key in zip(batch.features, batch.keys, strict=True)]
    assert len(set(noise)) == len(batch.keys)  # each turn is augmented anew


def test_the_copies_of_an_utterance_are_in_different_variants() -> None:
    batches = BucketedBatches(
        MadeUpFeatures([[10, 9, 11]] * 4),
        [np.ones(1, np.int32)] * 4,
        BatchOptions(),
        turns=[2.6] * 4,
    )
    drawn = set()
    for epoch in range(40):
        variants: dict[str, list[int]] = {}
        for batch in batches.epoch(epoch):
            for key, row in zip(batch.keys, batch.features, strict=True):
                variants.setdefault(key, []).append(int(row[0, 1]))
        assert all(len(set(each)) == len(each) >= 2 for each in variants.values())
        drawn |= {tuple(sorted(each)) for each in variants.values()}
    assert drawn == {(0, 1), (0, 2), (1, 2), (0, 1, 2)}


def test_batches_are_as_long_as_asked_and_leave_room_for_what_is_added() -> None:
    lengths = random_lengths(60)
    batches = list(make_batches(lengths, round_frames=8, spare_frames=10).epoch(0))
    for batch in batches:
        B, T, _ = batch.features.shape
        longest = int(batch.feature_lengths.max())
        assert -(-longest // 8) * 8 == T
        assert B * (longest + 10) <= 100
        assert not batch.features[:, longest:].any()
    assert sorted(keys(batches)) == sorted(f"u{number}" for number in range(60))
    with pytest.raises(ConfigError, match="found u0 of 110"):
        make_batches([[100]], spare_frames=10)


def test_augmentation_is_told_how_many_batches_came_before() -> None:
    def tell(features: FloatArray, _: np.random.Generator, before: int) -> FloatArray:
        return np.full_like(features, before)

    lengths = random_lengths(40)
    targets = [np.ones(1, np.int32)] * 40
    options = BatchOptions(frames_per_batch=100, threads=2)
    batches = BucketedBatches(MadeUpFeatures(lengths), targets, options, augment=tell)
    told = [int(b.features[0, 0, 0]) for epoch in range(3) for b in batches.epoch(epoch)]
    assert told == list(range(len(told)))
    fresh = BucketedBatches(MadeUpFeatures(lengths), targets, options, augment=tell)
    (later, *_) = fresh.epoch(2, start=1)
    assert int(later.features[0, 0, 0]) == sum(batches.count(epoch) for epoch in range(2)) + 1


@pytest.mark.parametrize("turns", [[1.0], [1.0, -1.0], [1.0, float("nan")], [0.9, 0.9]])
def test_impossible_turns_are_refused(turns: list[float]) -> None:
    targets = [np.ones(1, np.int32)] * 2
    with pytest.raises(ConfigError, match="turns"):
        BucketedBatches(MadeUpFeatures([[10]] * 2), targets, BatchOptions(), turns=turns)


def test_batches_hold_utterances_of_like_length() -> None:
    lengths = random_lengths(2000)
    batches = list(make_batches(lengths, frames_per_batch=600).epoch(0))
    padded = sum(batch.features.shape[0] * batch.features.shape[1] for batch in batches)
    assert sum(n for (n,) in lengths) / padded > 0.93
    longest_first = [batch.features.shape[1] for batch in batches]
    assert longest_first != sorted(longest_first)


def test_one_rank_is_the_joined_batch_of_many() -> None:
    lengths = [[n] for n in (20, 20, 20, 20, 20, 20, 20, 20)]
    (joined,) = make_batches(lengths, frames_per_batch=160).epoch(0)
    parts = [
        next(iter(make_batches(lengths, frames_per_batch=80, rank=rank, world_size=2).epoch(0)))
        for rank in range(2)
    ]
    assert sorted(keys(parts)) == sorted(joined.keys)
    assert [len(part.keys) for part in parts] == [4, 4]


def test_the_fingerprint_tells_plans_apart_and_not_ranks() -> None:
    lengths = random_lengths(20)
    plain = make_batches(lengths, world_size=2).fingerprint
    assert make_batches(lengths, world_size=2, rank=1, threads=2).fingerprint == plain
    assert make_batches(lengths).fingerprint != plain
    assert make_batches(lengths, world_size=2, seed=1).fingerprint != plain
    assert make_batches(lengths[1:], world_size=2).fingerprint != plain


def test_what_cannot_be_batched_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"at most frames_per_batch = 100 frames, found u1 of 101"
    ):
        make_batches([[10, 10], [10, 101]])
    with pytest.raises(ConfigError, match=r"frames_per_batch / 2 processes = 100 frames, found u1"):
        make_batches([[10, 10], [10, 101]], world_size=2)
    with pytest.raises(ConfigError, match="found rank 2 of 2"):
        make_batches([[10]] * 4, rank=2, world_size=2)
    with pytest.raises(ConfigError, match="an utterance for each of 2 processes, found 1"):
        make_batches([[10]], world_size=2)
    with pytest.raises(ConfigError, match="a target for each of 1 utterances, found 0"):
        BucketedBatches(MadeUpFeatures([[3]]), [], BatchOptions())


def test_an_error_while_preparing_ahead_reaches_the_caller() -> None:
    def fail(features: FloatArray, rng: np.random.Generator, _: int) -> FloatArray:
        raise ZeroDivisionError(f"{features.shape} {rng}")

    lengths = random_lengths(60)
    batches = BucketedBatches(
        MadeUpFeatures(lengths),
        [np.ones(1, np.int32)] * 60,
        BatchOptions(frames_per_batch=100, threads=2),
        augment=fail,
    )
    with pytest.raises(ZeroDivisionError):
        list(batches.epoch(0))
