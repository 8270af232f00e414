"""k-means, against scikit-learn and against what must hold of it."""

import numpy as np
import pytest

from steno_models.crossmodal.clusters import (
    KmeansOptions,
    cluster_names,
    kmeans,
    nearest,
    plus_plus,
)
from steno_models.crossmodal.heard import averages
from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray


def points(number: int = 300, *, seed: int = 0) -> FloatArray:
    """Return points around five centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(scale=3, size=(5, 4))
    drawn = centres[random.integers(5, size=number)] + random.normal(size=(number, 4))
    found: FloatArray = drawn.astype(np.float32)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_from_the_same_start_labels_are_those_of_scikit_learn(seed: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    x = points(seed=seed)
    start = x[np.random.default_rng(seed).choice(len(x), 6, replace=False)]
    made = kmeans(x, KmeansOptions(clusters=6, rounds=200), start=start)
    other = cluster.KMeans(6, init=start, n_init=1, tol=0, max_iter=200, algorithm="lloyd").fit(x)
    np.testing.assert_array_equal(made.labels, other.labels_)
    assert made.inertia[-1] == pytest.approx(other.inertia_, rel=1e-5)


def test_inertia_never_rises_and_is_that_of_the_labels() -> None:
    x = points(seed=9)
    seen: list[float] = []
    made = kmeans(x, KmeansOptions(clusters=8, seed=3), report=seen.append)
    assert seen == made.inertia
    assert (np.diff(made.inertia) <= 1e-6 * made.inertia[0]).all()
    assert made.inertia[-1] == pytest.approx(((x - made.means[made.labels]) ** 2).sum(), rel=1e-6)


def test_the_nearest_mean_is_that_of_all_distances() -> None:
    x, means = points(50), points(7, seed=1)
    gaps = ((x[:, None].astype(np.float64) - means[None]) ** 2).sum(axis=2)
    labels, distances = nearest(x, means)
    np.testing.assert_array_equal(labels, gaps.argmin(axis=1))
    np.testing.assert_allclose(distances, gaps.min(axis=1), rtol=1e-5)


def test_the_start_is_spread_out() -> None:
    x = np.repeat(np.array([[0.0], [100.0], [200.0]], np.float32), 50, axis=0)
    chosen = plus_plus(x, 3, np.random.default_rng(0))
    assert sorted(chosen[:, 0].tolist()) == [0, 100, 200]


def test_mini_batches_come_near_to_all_points_at_once() -> None:
    x = points(2000, seed=4)
    whole = kmeans(x, KmeansOptions(clusters=5, seed=1))
    seen: list[float] = []
    options = KmeansOptions(clusters=5, seed=1, batch=100, rounds=5)
    parts = kmeans(x, options, report=seen.append)
    assert len(seen) == 5
    assert seen[-1] < seen[0]
    assert parts.inertia[-1] < 1.1 * whole.inertia[-1]


def test_more_clusters_than_points_and_broken_points_are_refused() -> None:
    x = points(5)
    with pytest.raises(DataError, match="expected a point for each of 6 clusters, found 5"):
        kmeans(x, KmeansOptions(clusters=6))
    x[2, 1] = np.nan
    with pytest.raises(DataError, match="found 1 of 5 that are not"):
        kmeans(x, KmeansOptions(clusters=2))
    with pytest.raises(ConfigError, match="expected one cluster or more"):
        KmeansOptions(clusters=0)


def test_a_word_has_the_mean_of_its_pieces_and_their_number() -> None:
    vectors = np.array([[1, 0], [3, 0], [0, 5], [0, 7], [0, 9]], np.float32)
    names = cluster_names(np.array([4, 4, 1, 1, 1]))
    space = averages(names, vectors)
    assert space.words == ("c1", "c4")
    assert space.counts.tolist() == [3, 2]
    np.testing.assert_array_equal(space.vectors, [[0, 7], [2, 0]])
    with pytest.raises(DataError, match="expected two words or more of 3 pieces or more"):
        averages(names, vectors, min_count=3)
    vectors[0, 0] = np.nan
    with pytest.raises(DataError, match="expected finite vectors"):
        averages(names, vectors)
    with pytest.raises(DataError, match="expected a vector for each of 5 pieces, found 4"):
        averages(names, vectors[:4])
