"""Mixtures of Gaussians against torch's densities and scikit-learn's EM."""

import warnings

import numpy as np
import pytest
import torch

from steno_models.errors import DataError
from steno_models.hmm.gmm import DiagonalGmm, Statistics

D = 4


def _gmm(rng: np.random.Generator, states: int, mixtures: int) -> DiagonalGmm:
    shape = (states, mixtures, D)
    weights = rng.dirichlet(np.full(mixtures, 3.0), states)
    return DiagonalGmm(np.log(weights), rng.normal(size=shape), rng.uniform(0.3, 2.0, shape))


def test_log_likelihoods_equal_those_of_torch() -> None:
    rng = np.random.default_rng(0)
    gmm, frames = _gmm(rng, states=5, mixtures=3), rng.normal(size=(20, D)).astype(np.float32)
    states = np.array([4, 0, 2], np.int32)
    means, scales = torch.tensor(gmm.means[states]), torch.tensor(gmm.variances[states]).sqrt()
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=torch.tensor(gmm.log_weights[states])),
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
        weights_init=np.exp(gmm.log_weights[0]),
        means_init=gmm.means[0],
        precisions_init=1.0 / gmm.variances[0],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", converged_not)
        oracle.fit(frames.astype(np.float64))
    for _ in range(10):
        statistics = Statistics(gmm)
        statistics.add(0, frames)
        gmm = statistics.estimate(np.zeros(D), min_occupancy=0.0)
    np.testing.assert_allclose(np.exp(gmm.log_weights[0]), oracle.weights_, atol=1e-4)
    np.testing.assert_allclose(gmm.means[0], oracle.means_, atol=1e-3)
    np.testing.assert_allclose(gmm.variances[0], oracle.covariances_, atol=1e-3)


def test_one_gaussian_becomes_the_mean_and_variance_of_its_weighted_frames() -> None:
    rng = np.random.default_rng(2)
    frames = rng.normal(size=(200, D)).astype(np.float32)
    occupancy = rng.uniform(size=200).astype(np.float32)
    statistics = Statistics(_gmm(rng, states=2, mixtures=1))
    statistics.add(1, frames, occupancy)
    found = statistics.estimate(np.zeros(D))
    mean = np.average(frames, axis=0, weights=occupancy)
    variance = np.average((frames - mean) ** 2, axis=0, weights=occupancy)
    np.testing.assert_allclose(found.means[1, 0], mean, atol=1e-5)
    np.testing.assert_allclose(found.variances[1, 0], variance, atol=1e-5)


def test_a_state_without_frames_keeps_its_gaussians() -> None:
    rng = np.random.default_rng(3)
    gmm = _gmm(rng, states=2, mixtures=2)
    statistics = Statistics(gmm)
    statistics.add(1, rng.normal(size=(100, D)).astype(np.float32))
    found = statistics.estimate(np.full(D, 1e-3))
    np.testing.assert_array_equal(found.means[0], gmm.means[0])
    np.testing.assert_array_equal(found.log_weights[0], gmm.log_weights[0])


def test_variances_never_fall_below_the_floor() -> None:
    statistics = Statistics(_gmm(np.random.default_rng(4), states=1, mixtures=1))
    statistics.add(0, np.ones((50, D), np.float32))
    assert statistics.estimate(np.full(D, 0.25)).variances == pytest.approx(0.25)


def test_splitting_doubles_the_gaussians_around_the_same_mean() -> None:
    gmm = _gmm(np.random.default_rng(5), states=3, mixtures=2)
    split = gmm.split()
    assert split.means.shape == (3, 4, D)
    np.testing.assert_allclose(np.exp(split.log_weights).sum(axis=1), 1.0)
    np.testing.assert_allclose((split.means[:, :2] + split.means[:, 2:]) / 2, gmm.means)
    assert not np.allclose(split.means[:, :2], split.means[:, 2:])


def test_frames_of_another_width_are_an_error() -> None:
    gmm = _gmm(np.random.default_rng(6), states=1, mixtures=1)
    with pytest.raises(DataError, match="expected frames of 4 features, found 5"):
        gmm.log_likelihoods(np.zeros((2, 5), np.float32), np.array([0], np.int32))
