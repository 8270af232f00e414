"""Confidence: the fit against its own truth, and the tables."""

import numpy as np
import pytest
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.search.confidence import (
    FEATURES,
    UNCALIBRATED,
    Calibration,
    expected_calibration_error,
    features,
    fit,
    reliability,
)
from steno_models.search.hypothesis import SearchWord

DoubleArray = NDArray[np.float64]

TRUTH = Calibration((0.8, 2.0, 0.1, -0.5), 0.7)


def _measured(num_words: int, seed: int = 0) -> DoubleArray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_words, len(FEATURES))) * [3.0, 0.5, 2.0, 0.6] + [1, -0.5, -5, 2]


def _probability(calibration: Calibration, measured: DoubleArray) -> DoubleArray:
    odds = np.exp(measured @ np.array(calibration.weights) + calibration.bias)
    probability: DoubleArray = odds / (1 + odds)
    return probability


def test_features_are_what_their_names_say() -> None:
    word = SearchWord(7, 10, 20, posterior=0.75, margin=-0.2, log_prob=-4.0)
    sure = SearchWord(7, 10, 10, posterior=1.0, margin=0.0, log_prob=-1.0)
    found = features([word, sure])
    np.testing.assert_allclose(found[0], [np.log(3.0), -0.2, -4.0, np.log(10.0)])
    np.testing.assert_allclose(found[1], [6.0, 0.0, -1.0, 0.0])
    assert features([]).shape == (0, len(FEATURES))


def test_without_a_fit_the_confidence_is_the_posterior() -> None:
    words = [SearchWord(0, 0, 5, posterior=p, margin=-1.0, log_prob=-3.0) for p in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(UNCALIBRATED(words), [0.1, 0.5, 0.9])


def test_a_fit_finds_the_weights_that_made_the_data() -> None:
    measured = _measured(40_000)
    correct = np.random.default_rng(1).random(40_000) < _probability(TRUTH, measured)
    found = fit(measured, correct, ridge=0.0)
    np.testing.assert_allclose(found.weights, TRUTH.weights, atol=0.12)
    assert found.bias == pytest.approx(TRUTH.bias, abs=0.3)


def test_at_the_fit_the_likelihood_is_flat() -> None:
    measured = _measured(500)
    correct = np.random.default_rng(1).random(500) < _probability(TRUTH, measured)
    error = correct - _probability(fit(measured, correct, ridge=0.0), measured)
    np.testing.assert_allclose(error @ measured, 0.0, atol=1e-5)
    assert error.sum() == pytest.approx(0.0, abs=1e-6)


def test_a_fit_on_separable_words_stays_finite() -> None:
    measured = _measured(200)
    found = fit(measured, measured[:, 0] > 0)
    assert np.isfinite([*found.weights, found.bias]).all()
    assert found.weights[0] > 0


def test_a_constant_feature_does_no_harm() -> None:
    measured = _measured(300)
    measured[:, 2] = -5.0
    correct = np.random.default_rng(1).random(300) < _probability(TRUTH, measured)
    assert np.isfinite(fit(measured, correct).weights).all()


def test_a_fit_needs_words_of_both_kinds() -> None:
    with pytest.raises(DataError, match="found 3 of 3 right"):
        fit(_measured(3), np.ones(3, bool))
    with pytest.raises(DataError, match="found 0 of 3 right"):
        fit(_measured(3), np.zeros(3, bool))


def test_true_probabilities_are_calibrated_and_shifted_ones_are_not() -> None:
    measured = _measured(50_000)
    probability = _probability(TRUTH, measured)
    correct = np.random.default_rng(2).random(50_000) < probability
    assert expected_calibration_error(reliability(probability, correct)) < 0.01
    assert expected_calibration_error(reliability(np.sqrt(probability), correct)) > 0.05


def test_bins_count_confidence_and_truth() -> None:
    bins = reliability(np.array([0.05, 0.15, 0.19, 1.0]), np.array([False, True, False, True]))
    assert [found.count for found in bins] == [1, 2, 1]
    assert [found.confidence for found in bins] == pytest.approx([0.05, 0.17, 1.0])
    assert [found.accuracy for found in bins] == [0.0, 0.5, 1.0]
    assert expected_calibration_error(bins) == pytest.approx((0.05 + 2 * 0.33) / 4)
    assert expected_calibration_error([]) == 0.0


def test_a_calibration_survives_its_table() -> None:
    assert Calibration.from_table(TRUTH.to_table()) == TRUTH
    with pytest.raises(DataError, match="expected the numbers posterior_logit, margin"):
        Calibration.from_table({"bias": 0.0})
    with pytest.raises(DataError, match="expected 4 weights of a calibration, found 1"):
        Calibration((1.0,), 0.0)
