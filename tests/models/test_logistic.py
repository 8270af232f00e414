"""Logistic regression: finds the weights that made the data, whatever the share of each truth."""

import numpy as np
import pytest

from steno_models.logistic import fit


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features, (count, 2), and truths of odds 2 x - 3 y, as often one as the other."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, (1.0, 5.0), (count, 2))
    return x, rng.random(count) < 1 / (1 + np.exp(-(2 * x[:, 0] - 3 * x[:, 1])))


def test_the_weights_are_those_that_made_the_data() -> None:
    weights, bias = fit(*drawn(50_000), ridge=1e-9)
    assert weights == pytest.approx((2.0, -3.0), rel=0.05)
    assert bias == pytest.approx(0.0, abs=0.1)


def test_how_many_there_are_of_each_truth_makes_no_difference() -> None:
    measured, truth = drawn(2_000)
    more = np.concatenate([measured, np.repeat(measured[truth], 9, axis=0)])
    truths = np.concatenate([truth, np.ones(9 * truth.sum(), bool)])
    again, shifted = fit(more, truths, ridge=0.0)
    plain, unshifted = fit(measured, truth, ridge=0.0)
    assert again == pytest.approx(plain, rel=1e-6)
    assert shifted == pytest.approx(unshifted, abs=1e-6)


def test_truths_that_a_line_parts_still_give_finite_weights() -> None:
    measured = np.array([[-2.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    weights, bias = fit(measured, np.array([False, False, True, True]))
    assert np.isfinite([*weights, bias]).all()
    assert weights[0] > 0
    assert weights[1] == 0.0  # a feature that never changes tells nothing
