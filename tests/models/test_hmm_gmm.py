"""Mixtures of Gaussians against torch's densities and scikit-learn's EM."""

import warnings

import numpy as np
import pytest
import torch

from steno_models.errors import DataError
from steno_models.hmm.gmm import DiagonalGmm, Statistics, shares

D = 4


def _gmm(rng: np.random.Generator, states: int, mixtures: int) -> DiagonalGmm:
    shape = (states, mixtures, D)
    weights = rng.dirichlet(np.full(mixtures, 3.0), states)
    return DiagonalGmm.uniform(
        np.log(weights), rng.normal(size=shape), rng.uniform(0.3, 2.0, shape)
    )


def test_log_likelihoods_equal_those_of_torch() -> None:
    rng = np.random.default_rng(0)
    gmm, frames = _gmm(rng, states=5, mixtures=3), rng.normal(size=(20, D)).astype(np.float32)
    states = np.array([4, 0, 2], np.int32)
    means = torch.tensor(gmm.means.reshape(5, 3, D)[states])
    scales = torch.tensor(gmm.variances.reshape(5, 3, D)[states]).sqrt()
    weights = torch.tensor(gmm.log_weights.reshape(5, 3)[states])
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=weights),
        torch.distributions.Independent(torch.distributions.Normal(means, scales), 1),
    )
    points = torch.tensor(frames, dtype=torch.float64)[:, None, :]
    expected = mixture.log_prob(points).numpy()  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(gmm.log_likelihoods(frames, states), expected, atol=1e-4)


def test_em_equals_scikit_learns_from_the_same_start() -> None:
    sklearn = pytest.importorskip("sklearn.mixture")
    converged_not = pytest.importorskip("sklearn.exceptions").ConvergenceWarning
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(3, D)) * 3.0
    frames = (centres[rng.integers(3, size=600)] + rng.normal(size=(600, D))).astype(np.float32)
    gmm = _gmm(rng, states=1, mixtures=3)
    oracle = sklearn.GaussianMixture(
        3,
        covariance_type="diag",
        max_iter=10,
        tol=0.0,
        reg_covar=0.0,
        weights_init=np.exp(gmm.log_weights),
        means_init=gmm.means,
        precisions_init=1.0 / gmm.variances,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", converged_not)
        oracle.fit(frames.astype(np.float64))
    for _ in range(10):
        statistics = Statistics(gmm)
        statistics.add(0, frames)
        gmm = statistics.estimate(np.zeros(D), min_occupancy=0.0)
    np.testing.assert_allclose(np.exp(gmm.log_weights), oracle.weights_, atol=1e-4)
    np.testing.assert_allclose(gmm.means, oracle.means_, atol=1e-3)
    np.testing.assert_allclose(gmm.variances, oracle.covariances_, atol=1e-3)


def test_one_gaussian_becomes_the_mean_and_variance_of_its_weighted_frames() -> None:
    rng = np.random.default_rng(2)
    frames = rng.normal(size=(200, D)).astype(np.float32)
    occupancy = rng.uniform(size=200).astype(np.float32)
    statistics = Statistics(_gmm(rng, states=2, mixtures=1))
    statistics.add(1, frames, occupancy)
    found = statistics.estimate(np.zeros(D))
    mean = np.average(frames, axis=0, weights=occupancy)
    variance = np.average((frames - mean) ** 2, axis=0, weights=occupancy)
    np.testing.assert_allclose(found.means[1], mean, atol=1e-5)
    np.testing.assert_allclose(found.variances[1], variance, atol=1e-5)


def test_a_state_without_frames_keeps_its_gaussians() -> None:
    rng = np.random.default_rng(3)
    gmm = _gmm(rng, states=2, mixtures=2)
    statistics = Statistics(gmm)
    statistics.add(1, rng.normal(size=(100, D)).astype(np.float32))
    found = statistics.estimate(np.full(D, 1e-3))
    np.testing.assert_array_equal(found.means[:2], gmm.means[:2])
    np.testing.assert_array_equal(found.log_weights[:2], gmm.log_weights[:2])


def test_variances_never_fall_below_the_floor() -> None:
    statistics = Statistics(_gmm(np.random.default_rng(4), states=1, mixtures=1))
    statistics.add(0, np.ones((50, D), np.float32))
    assert statistics.estimate(np.full(D, 0.25)).variances == pytest.approx(0.25)


def test_splitting_doubles_the_gaussians_around_the_same_mean() -> None:
    gmm = _gmm(np.random.default_rng(5), states=3, mixtures=2)
    split = gmm.split()
    assert split.sizes.tolist() == [4, 4, 4]
    for state in range(3):
        old, new = gmm.gaussians(state), split.gaussians(state)
        weights = np.exp(split.log_weights[new])
        assert weights.sum() == pytest.approx(1.0)
        mean = np.exp(gmm.log_weights[old]) @ gmm.means[old]
        np.testing.assert_allclose(weights @ split.means[new], mean)
        assert len(np.unique(split.means[new], axis=0)) == 4


def test_mixtures_grow_to_any_size_and_keep_their_mean_and_weight() -> None:
    gmm = _gmm(np.random.default_rng(8), states=3, mixtures=2)
    grown = gmm.grown(np.array([2, 7, 3], np.int32))
    assert grown.sizes.tolist() == [2, 7, 3]
    np.testing.assert_array_equal(grown.means[:2], gmm.means[:2])
    for state in range(3):
        old, new = gmm.gaussians(state), grown.gaussians(state)
        weights = np.exp(grown.log_weights[new])
        assert weights.sum() == pytest.approx(1.0)
        mean = np.exp(gmm.log_weights[old]) @ gmm.means[old]
        np.testing.assert_allclose(weights @ grown.means[new], mean)


def test_mixtures_of_different_sizes_score_as_each_alone() -> None:
    rng = np.random.default_rng(9)
    frames = rng.normal(size=(15, D)).astype(np.float32)
    gmm = _gmm(rng, states=3, mixtures=1).grown(np.array([1, 4, 2], np.int32))
    found = gmm.log_likelihoods(frames, np.array([2, 1], np.int32))
    for column, state in enumerate([2, 1]):
        own = gmm.gaussians(state)
        squares = (frames[:, None].astype(np.float64) - gmm.means[own]) ** 2 / gmm.variances[own]
        norm = np.log(2.0 * np.pi * gmm.variances[own])
        logs = gmm.log_weights[own] - 0.5 * (squares + norm).sum(axis=2)
        np.testing.assert_allclose(found[:, column], np.logaddexp.reduce(logs, axis=1), atol=1e-4)


def _plain_em(
    frames: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return one round of EM and the log-likelihood before it, frame by frame in float64."""
    occupancy, total = np.zeros(len(weights)), 0.0
    first, second = np.zeros_like(means), np.zeros_like(means)
    for x in frames:
        density = weights * np.prod(
            np.exp(-0.5 * (x - means) ** 2 / variances) / np.sqrt(2 * np.pi * variances), axis=1
        )
        total += float(np.log(density.sum()))
        gamma = density / density.sum()
        occupancy += gamma
        first += gamma[:, None] * x
        second += gamma[:, None] * x**2
    mean = first / occupancy[:, None]
    return occupancy / len(frames), mean, second / occupancy[:, None] - mean**2, total


def test_em_equals_plain_em_and_never_lowers_the_likelihood() -> None:
    rng = np.random.default_rng(10)
    frames = (rng.normal(size=(120, D)) * rng.uniform(0.5, 2.0, (120, 1))).astype(np.float32)
    gmm = _gmm(rng, states=1, mixtures=3)
    plain = (np.exp(gmm.log_weights), gmm.means, gmm.variances)
    previous = -np.inf
    for _ in range(6):
        scores = gmm.log_likelihoods(frames, np.array([0], np.int32))
        statistics = Statistics(gmm)
        statistics.add(0, frames)
        gmm = statistics.estimate(np.zeros(D), min_occupancy=0.0)
        *rest, total = _plain_em(frames.astype(np.float64), *plain)
        plain = (rest[0], rest[1], rest[2])
        assert float(scores.sum()) == pytest.approx(total, abs=1e-2)
        assert total >= previous - 1e-9
        previous = total
    np.testing.assert_allclose(np.exp(gmm.log_weights), plain[0], atol=1e-4)
    np.testing.assert_allclose(gmm.means, plain[1], atol=1e-3)
    np.testing.assert_allclose(gmm.variances, plain[2], atol=1e-3)


def test_gaussians_are_shared_out_by_a_power_of_the_frames() -> None:
    counts = np.array([0.0, 30.0, 1_000.0, 100_000.0])
    found = shares(counts, 100)
    assert found[:2].tolist() == [1, 1]
    assert 1 < found[2] < found[3]
    assert found.sum() <= 100 + 2


def test_frames_of_another_width_are_an_error() -> None:
    gmm = _gmm(np.random.default_rng(6), states=1, mixtures=1)
    with pytest.raises(DataError, match="expected frames of 4 features, found 5"):
        gmm.log_likelihoods(np.zeros((2, 5), np.float32), np.array([0], np.int32))
