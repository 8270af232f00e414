"""The subspace GMM against its definition, and its EM, which climbs."""

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.sgmm import Pool, SubspaceGmm, first_subspace
from steno_models.hmm.sgmm_train import ROUND, pool_of, subspace_round
from steno_models.types import FloatArray

D, J, G = 3, 4, 5


def _pool(rng: np.random.Generator) -> Pool:
    roots = 0.4 * rng.normal(size=(G, D, D))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.5 * np.eye(D)
    return Pool(np.log(rng.dirichlet(np.full(G, 5.0))), 2.0 * rng.normal(size=(G, D)), covariances)


def _model(rng: np.random.Generator) -> SubspaceGmm:
    first = first_subspace(_pool(rng), J, width=3)
    return SubspaceGmm(
        first.pool,
        first.vectors + 0.3 * rng.normal(size=first.vectors.shape),
        first.projections,
        first.weights + 0.3 * rng.normal(size=first.weights.shape),
        first.covariances,
    )


def _log_normal(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    off = x - mean
    squares = off @ np.linalg.inv(covariance) @ off
    return float(-0.5 * (squares + np.log(np.linalg.det(2.0 * np.pi * covariance))))


def _frames(rng: np.random.Generator, count: int = 150) -> list[FloatArray]:
    """Return frames of each state: the same two clusters, moved along one direction."""
    centres = np.array([[-2.0, 0.0, 1.0], [2.0, 1.0, -1.0]])
    along = np.array([0.5, 1.0, 0.3])
    found = []
    for state in range(J):
        means = centres[rng.integers(0, 2, count)] + (state - 1.5) * along
        found.append((means + 0.5 * rng.normal(size=(count, D))).astype(np.float32))
    return found


def test_the_likelihood_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    model, frames = _model(rng), rng.normal(size=(10, D)).astype(np.float32)
    found = model.log_likelihoods(frames, np.array([2, 0], np.int32))
    for column, state in enumerate((2, 0)):
        scores = np.exp(model.weights @ model.vectors[state])
        weights = scores / scores.sum()
        for t, x in enumerate(frames.astype(np.float64)):
            parts = [
                np.log(weights[i])
                + _log_normal(x, model.projections[i] @ model.vectors[state], model.covariances[i])
                for i in range(G)
            ]
            assert found[t, column] == pytest.approx(np.logaddexp.reduce(parts), abs=1e-4)


def test_the_pool_scores_frames_by_full_covariances_and_selects_the_best() -> None:
    rng = np.random.default_rng(1)
    pool, frames = _pool(rng), rng.normal(size=(8, D)).astype(np.float32)
    joint = pool.log_joint(frames)
    for t, x in enumerate(frames.astype(np.float64)):
        parts = [
            pool.log_weights[i] + _log_normal(x, pool.means[i], pool.covariances[i])
            for i in range(G)
        ]
        np.testing.assert_allclose(joint[t], parts, atol=1e-6)
        assert set(pool.select(frames, 2)[t]) == set(np.argsort(parts)[-2:])


def test_at_first_every_state_is_the_pool() -> None:
    rng = np.random.default_rng(2)
    pool, frames = _pool(rng), rng.normal(size=(8, D)).astype(np.float32)
    model = first_subspace(pool, J, width=D + 1)
    found = model.log_likelihoods(frames, np.arange(J, dtype=np.int32))
    expected = np.logaddexp.reduce(pool.log_joint(frames), axis=1)
    np.testing.assert_allclose(found, np.tile(expected[:, None], J), atol=1e-4)
    with pytest.raises(DataError, match="expected vectors of 2 to 4 dimensions, found 5"):
        first_subspace(pool, J, width=D + 2)


def test_what_is_not_selected_does_not_count() -> None:
    rng = np.random.default_rng(3)
    model, frames = _model(rng), rng.normal(size=(8, D)).astype(np.float32)
    whole = model.log_joint(frames, 1, model.pool.select(frames))
    expected = model.log_likelihoods(frames, np.array([1], np.int32))[:, 0]
    np.testing.assert_allclose(np.logaddexp.reduce(whole, axis=1), expected, atol=1e-4)
    two = model.pool.select(frames, 2)
    some = model.log_joint(frames, 1, two)
    assert (np.isfinite(some).sum(axis=1) == 2).all()
    np.testing.assert_allclose(
        np.take_along_axis(some, two, axis=1), np.take_along_axis(whole, two, axis=1)
    )


@pytest.mark.parametrize("seed", range(3))
def test_no_round_of_any_kind_lowers_the_likelihood(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model, frames, found = _model(rng), _frames(rng), []
    selected = [model.pool.select(own) for own in frames]
    for kind in ROUND * 3:
        model, log_likelihood = subspace_round(model, frames, selected, kind)
        found.append(log_likelihood)
    assert (np.diff(found) >= -1e-4 * abs(found[0]) * 1e-2).all()
    assert found[-1] > found[0] + 50.0


def test_states_that_differ_along_one_direction_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    frames = _frames(rng)
    everything = np.concatenate(frames)
    seeds = everything[rng.integers(0, len(everything), 4)].astype(np.float64)
    gmm = DiagonalGmm.uniform(np.full((1, 4), -np.log(4.0)), seeds[None], np.ones((1, 4, D)))
    pool = pool_of(gmm, everything, 4)
    model = first_subspace(pool, J, width=2)
    selected = [pool.select(own) for own in frames]
    start = subspace_round(model, frames, selected, "vectors")[1]
    for kind in ROUND * 4:
        model, log_likelihood = subspace_round(model, frames, selected, kind)
    assert log_likelihood > start + 100.0
    states = np.arange(J, dtype=np.int32)
    right = [np.mean(model.log_likelihoods(own, states).argmax(1) == j)
             for j, own in enumerate(_frames(np.random.default_rng(6)))]  # fmt: skip
    assert np.mean(right) > 0.45


def test_a_state_without_frames_keeps_its_vector() -> None:
    rng = np.random.default_rng(7)
    model, frames = _model(rng), _frames(rng)
    frames[2] = frames[2][:0]
    selected = [model.pool.select(own) for own in frames]
    trained, _ = subspace_round(model, frames, selected, "vectors")
    np.testing.assert_array_equal(trained.vectors[2], model.vectors[2])
    assert not np.allclose(trained.vectors[1], model.vectors[1])


def test_frames_of_another_width_are_an_error() -> None:
    model = _model(np.random.default_rng(8))
    with pytest.raises(DataError, match="expected frames of 3 features, found 4"):
        model.log_likelihoods(np.zeros((2, D + 1), np.float32), np.array([0], np.int32))
