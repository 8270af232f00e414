"""Boosted trees: the best split, rules that no straight line tells, and native speed."""

import msgspec
import numpy as np
import pytest

from steno_models.unknown.boosting import Boosted, Forest, Growth, Tree, fit


def _loss(odds: np.ndarray, truth: np.ndarray) -> float:
    return float(np.logaddexp(0.0, np.where(truth, -odds, odds)).mean())


def _walked(tree: Tree, row: np.ndarray) -> float:
    node = 0
    while tree.feature[node] >= 0:
        node = tree.lower[node] + int(row[tree.feature[node]] > tree.bound[node])
    return tree.value[node]


def test_a_first_split_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 8, size=(80, 3)).astype(float)
    truth = rng.random(80) < 0.2 + 0.6 * (x[:, 1] > 4)
    growth = Growth(trees=1, rate=1.0, leaves=2, penalty=0.5, least=1)
    (tree,) = fit(x, truth, growth).trees
    p = truth.mean()

    def gain(side: np.ndarray) -> float:
        return float((p - truth)[side].sum() ** 2 / (p * (1 - p) * side.sum() + growth.penalty))

    gains = {
        (feature, bound): gain(x[:, feature] <= bound) + gain(x[:, feature] > bound)
        for feature in range(3)
        for bound in np.arange(7) + 0.5
    }
    assert (tree.feature[0], tree.bound[0]) == max(gains, key=lambda one: gains[one])
    above = x[:, tree.feature[0]] > tree.bound[0]
    leaf = (truth - p)[above].sum() / (p * (1 - p) * above.sum() + growth.penalty)
    assert tree.value[tree.lower[0] + 1] == pytest.approx(leaf)


def test_trees_tell_what_no_straight_line_tells() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 4))
    truth = (x[:, 0] > 0) != (x[:, 2] > 0.5)
    forest = Forest.of(fit(x, truth))
    fresh = rng.normal(size=(500, 4))
    right = (forest(fresh) > 0) == ((fresh[:, 0] > 0) != (fresh[:, 2] > 0.5))
    assert right.mean() > 0.95


def test_trees_fit_as_well_as_those_of_another_library() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3000, 5))
    truth = rng.random(3000) < 1 / (1 + np.exp(2 - x[:, 0] * x[:, 1] - np.abs(x[:, 3])))
    ours = Forest.of(fit(x, truth, Growth(trees=60, rate=0.1, leaves=6)))(x)
    theirs = ensemble.HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=6, l2_regularization=5.0,
        early_stopping=False,
    ).fit(x, truth)  # fmt: skip
    expected = theirs.decision_function(x)
    assert _loss(ours, truth) == pytest.approx(_loss(expected, truth), rel=0.02)
    assert np.corrcoef(ours, expected)[0, 1] > 0.95


def test_a_forest_is_the_sum_of_its_trees_and_survives_its_file() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 3))
    boosted = fit(x, x[:, 0] + x[:, 1] ** 2 > 1, Growth(trees=7))
    expected = [boosted.bias + sum(_walked(tree, row) for tree in boosted.trees) for row in x]
    assert Forest.of(boosted)(x) == pytest.approx(np.array(expected))
    assert msgspec.json.decode(msgspec.json.encode(boosted), type=Boosted) == boosted


def test_without_trees_the_bias_is_all_that_is_known() -> None:
    assert Forest.of(Boosted(bias=-2.0))(np.zeros((2, 3))).tolist() == [-2.0, -2.0]
