"""Skip-gram with negative sampling against its derivation and against an independent program."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from steno_models.crossmodal.space import Space
from steno_models.crossmodal.word2vec.kernels import (
    choose,
    draw,
    fraction,
    learn_pair,
    learn_sentences,
    next_random,
)
from steno_models.crossmodal.word2vec.sampling import alias_table, keep_chances, negative_chances
from steno_models.crossmodal.word2vec.train import Progress, Word2VecOptions, train
from steno_models.crossmodal.word2vec.vocabulary import Text, numbered
from steno_models.errors import ConfigError, DataError

F64 = NDArray[np.float64]
_MASK = (1 << 64) - 1


def loss_of(v: F64, u: F64) -> float:
    """Return -ln σ(u_0·v) - Σ ln σ(-u_n·v) for (D,) v and (1 + N, D) u."""
    scores = u @ v
    scores[1:] *= -1
    return float(np.logaddexp(0.0, -scores).sum())


def test_a_step_is_the_gradient_of_the_loss_by_finite_differences() -> None:
    random = np.random.default_rng(0)
    inputs, outputs = random.normal(0, 0.7, (3, 6)), random.normal(0, 0.7, (5, 6))
    targets, alpha, h = np.array([4, 0, 2]), 1e-6, 1e-5
    v, u = inputs[1].copy(), outputs[targets].copy()
    stepped_in, stepped_out = inputs.copy(), outputs.copy()
    found = learn_pair(stepped_in, stepped_out, 1, targets, 3, alpha, np.empty(6))
    assert found == pytest.approx(loss_of(v, u), rel=1e-9)
    for d in range(6):
        nudge = np.eye(6)[d] * h
        slope = (loss_of(v + nudge, u) - loss_of(v - nudge, u)) / (2 * h)
        assert (inputs - stepped_in)[1, d] / alpha == pytest.approx(slope, abs=1e-5)
        for k, target in enumerate(targets):
            above, below = u.copy(), u.copy()
            above[k, d] += h
            below[k, d] -= h
            slope = (loss_of(v, above) - loss_of(v, below)) / (2 * h)
            assert (outputs - stepped_out)[target, d] / alpha == pytest.approx(slope, abs=1e-5)
    untouched = [0, 2]
    assert (stepped_in[untouched] == inputs[untouched]).all()
    assert (stepped_out[[1, 3]] == outputs[[1, 3]]).all()


class Draws:
    """SplitMix64 in plain Python."""

    def __init__(self, state: int) -> None:
        self.state = state

    def bits(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def fraction(self) -> float:
        return (self.bits() & 0xFFFFFF) / 2**24

    def below(self, number: int) -> int:
        return ((self.bits() >> 32) * number) >> 32

    def word(self, shares: NDArray[np.float32], others: NDArray[np.int32]) -> int:
        bits = self.bits()
        word = ((bits >> 32) * len(shares)) >> 32
        return word if (bits & 0xFFFFFF) / 2**24 < shares[word] else int(others[word])


def test_sentences_are_learnt_as_a_derivation_in_numpy_says_for_the_same_draws() -> None:
    random = np.random.default_rng(1)
    tokens = random.integers(0, 12, 60).astype(np.int32)
    ends = np.array([7, 8, 8, 40, 60], np.int64)
    counts = np.bincount(tokens, minlength=12) + 1
    keep = keep_chances(counts, 0.05)
    shares, others = alias_table(negative_chances(counts))
    inputs, outputs = random.normal(0, 0.3, (2, 12, 8))
    v, u = inputs.copy(), outputs.copy()
    state = np.array([99], np.uint64)
    loss, pairs = learn_sentences(
        inputs, outputs, tokens, ends, 1, 5, keep, shares, others, 4, 3, 0.05, state
    )
    draws, expected_loss, expected_pairs = Draws(99), 0.0, 0
    for begin, end in pairwise(ends):
        kept = [t for t in tokens[begin:end] if keep[t] >= 1 or draws.fraction() < keep[t]]
        for i, word in enumerate(kept):
            reach = 1 + draws.below(4)
            for j in range(max(0, i - reach), min(len(kept), i + reach + 1)):
                if i == j:
                    continue
                drawn = [draws.word(shares, others) for _ in range(3)]
                change = np.zeros(8)
                chance = 1.0
                for target in [kept[j], *(n for n in drawn if n != kept[j])]:
                    p = 1 / (1 + math.exp(-v[word] @ u[target]))
                    label = 1.0 if target == kept[j] else 0.0
                    chance *= p if label else 1 - p
                    change += 0.05 * (label - p) * u[target]
                    u[target] += 0.05 * (label - p) * v[word]
                v[word] += change
                expected_loss -= math.log(chance)
                expected_pairs += 1
    assert pairs == expected_pairs > 50
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    np.testing.assert_allclose(inputs, v, atol=1e-6)
    np.testing.assert_allclose(outputs, u, atol=1e-6)


def test_the_alias_table_draws_each_word_by_its_chance() -> None:
    counts = np.array([1000, 300, 40, 40, 7, 1])
    chances = negative_chances(counts)
    np.testing.assert_allclose(chances, counts**0.75 / (counts**0.75).sum(), rtol=1e-6)
    shares, others = alias_table(chances)
    exact = shares.astype(np.float64).copy()
    np.add.at(exact, others, 1.0 - shares)
    np.testing.assert_allclose(exact / 6, chances, atol=1e-6)
    state = np.array([5], np.uint64)
    drawn = np.bincount([draw(shares, others, state) for _ in range(20_000)], minlength=6)
    expected = 20_000 * chances
    assert ((drawn - expected) ** 2 / expected).sum() < 20.5  # χ² with 5 degrees, p = 0.001


def test_random_bits_are_those_of_the_reference() -> None:
    state, draws = np.array([1234567], np.uint64), Draws(1234567)
    assert [int(next_random(state)) for _ in range(5)] == [draws.bits() for _ in range(5)]
    assert 0 <= fraction(np.uint64(_MASK)) < 1
    assert choose(np.uint64(_MASK), 7) == 6


def test_frequent_words_are_thinned_out_and_rare_ones_kept() -> None:
    chances = keep_chances(np.array([90, 9, 1]), 0.01)
    assert chances[0] == pytest.approx(math.sqrt(0.01 / 0.9) + 0.01 / 0.9)
    assert chances[2] == 1.0
    assert (keep_chances(np.array([90, 9, 1]), 0.0) == 1.0).all()


def test_a_text_is_numbered_by_frequency_and_rare_words_are_left_out() -> None:
    text = numbered(["b a b rare", "", "a b c", "c"], min_count=2)
    assert text.words == ("b", "a", "c")
    assert text.counts.tolist() == [3, 2, 2]
    assert text.tokens.tolist() == [0, 1, 0, 1, 0, 2, 2]
    assert text.ends.tolist() == [3, 3, 6, 7]
    assert numbered(["b a b rare", "a b c", "c"], min_count=1, most=2).words == ("b", "a")


def text_of_two_topics(sentences: int = 400) -> Text:
    """Return sentences, each of one of two groups of ten words."""
    random = np.random.default_rng(0)
    groups = [[f"{name}{n}" for n in range(10)] for name in "ab"]
    return numbered(
        (" ".join(random.choice(groups[n % 2], 12)) for n in range(sentences)), min_count=1
    )


def test_words_of_one_topic_come_together_and_the_loss_falls() -> None:
    heard: list[Progress] = []
    options = Word2VecOptions(dimensions=10, epochs=12, sample=0.0, seed=3)
    space = train(text_of_two_topics(), options, heard.append)
    vectors = space.vectors / np.linalg.norm(space.vectors, axis=1, keepdims=True)
    first = np.array([word[0] == "a" for word in space.words])
    cosines = vectors @ vectors.T
    assert cosines[first][:, first].mean() > cosines[first][:, ~first].mean() + 0.5
    assert heard[-1].loss < 0.9 * heard[0].loss
    assert heard[-1].words == heard[-1].of
    assert heard[-1].alpha < heard[0].alpha == options.alpha


def test_one_thread_and_one_seed_give_the_same_vectors() -> None:
    def vectors(seed: int, threads: int = 1) -> NDArray[np.float32]:
        options = Word2VecOptions(dimensions=7, epochs=2, seed=seed, threads=threads)
        return train(text_of_two_topics(), options).vectors

    assert (vectors(4) == vectors(4)).all()
    assert not (vectors(4) == vectors(5)).all()
    assert np.isfinite(vectors(4, threads=3)).all()


def test_texts_that_hold_nothing_to_learn_are_refused() -> None:
    with pytest.raises(DataError, match="at least two words that occur 5 times"):
        numbered(["one word only"])
    with pytest.raises(DataError, match="sentences of two words or more"):
        train(numbered(["a", "b", "c"], min_count=1), Word2VecOptions())


def test_a_short_text_is_read_more_often_and_thinned_out_less() -> None:
    left_open = Word2VecOptions()
    assert left_open.epochs_and_sample(7_000_000) == (5, 1e-3)
    assert left_open.epochs_and_sample(500_000) == (10, 2e-3)
    assert left_open.epochs_and_sample(60_000) == (50, 1e-2)
    assert left_open.epochs_and_sample(0) == (50, 1e-2)
    assert Word2VecOptions(epochs=3, sample=0.0).epochs_and_sample(60_000) == (3, 0.0)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"threads": 0}, {"alpha": 0.0}, {"sample": 1.0}])
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Word2VecOptions(**wrong)  # type: ignore[arg-type]


def test_a_trained_space_comes_back_from_its_folder(tmp_path: Path) -> None:
    space = train(text_of_two_topics(40), Word2VecOptions(dimensions=5, epochs=1))
    space.save(tmp_path / "space")
    found = Space.load(tmp_path / "space")
    assert found.words == space.words
    assert (found.vectors == space.vectors).all()
    assert (found.counts == space.counts).all()
