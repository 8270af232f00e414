"""How sure a word is: a few measured features and a logistic regression that maps them to [0, 1].

p(correct) = 1 / (1 + exp(-(bias + sum of weights x features))), the weights of maximum likelihood
on words whose truth is known (Jiang 2005 surveys the features), under a small ridge penalty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.search.hypothesis import SearchWord

DoubleArray = NDArray[np.float64]

# posterior_logit   ln(p / (1 - p)) of the word graph's posterior, within +-6
# margin            mean ln p(token) - max ln p, 0 where every token was the likeliest
# log_prob          ln p(word | words before) of the language model
# log_steps         ln of the word's length in steps
FEATURES = ("posterior_logit", "margin", "log_prob", "log_steps")

_LARGEST_LOGIT = 6.0
_MAX_ITERATIONS = 50


def features(words: Sequence[SearchWord]) -> DoubleArray:
    """Return (words, features) what `FEATURES` names, of each word."""
    rows = np.array(
        [(word.posterior, word.margin, word.log_prob, word.end_step - word.start_step)
         for word in words],
    ).reshape(-1, len(FEATURES))  # fmt: skip
    posterior, margin, log_prob, steps = rows.T
    smallest = 1.0 / (1.0 + np.exp(_LARGEST_LOGIT))
    posterior = np.clip(posterior, smallest, 1.0 - smallest)
    logit = np.log(posterior) - np.log1p(-posterior)
    return np.stack([logit, margin, log_prob, np.log(np.maximum(steps, 1))], axis=1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A map from features to the probability that a word is right.

    Attributes:
        weights: one for each of `FEATURES`.
        bias: the log odds where all features are 0.
    """

    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES):
            raise DataError(
                f"expected {len(FEATURES)} weights of a calibration, found {len(self.weights)}"
            )

    def __call__(self, words: Sequence[SearchWord]) -> DoubleArray:
        """Return (words,) the probability that each of `words` is right."""
        return _logistic(features(words) @ np.array(self.weights) + self.bias)

    @classmethod
    def from_table(cls, table: Mapping[str, float]) -> Self:
        """Return the calibration in `table`: a number for each of `FEATURES` and for bias."""
        if table.keys() != {*FEATURES, "bias"}:
            raise DataError(
                f"expected the numbers {', '.join(FEATURES)} and bias, found {', '.join(table)}"
            )
        return cls(tuple(float(table[name]) for name in FEATURES), float(table["bias"]))

    def to_table(self) -> dict[str, float]:
        """Return the calibration as named numbers."""
        return {**dict(zip(FEATURES, self.weights, strict=True)), "bias": self.bias}


# Sure where the posterior is, until one is fitted.
UNCALIBRATED = Calibration((1.0, 0.0, 0.0, 0.0), 0.0)


def fit(measured: DoubleArray, correct: NDArray[np.bool_], *, ridge: float = 1e-3) -> Calibration:
    """Return the calibration that makes `correct` likeliest, by Newton's method.

    Args:
        measured: (words, features).
        correct: (words,) whether each word was right.
        ridge: weight of half the squared weights, features scaled to unit variance, per word.
    """
    if len(measured) != len(correct) or not correct.any() or correct.all():
        raise DataError(
            f"expected words right and wrong to calibrate on, found {int(correct.sum())} of "
            f"{len(correct)} right and {len(measured)} measured"
        )
    mean, scale = measured.mean(axis=0), measured.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x = np.concatenate([(measured - mean) / scale, np.ones((len(measured), 1))], axis=1)
    penalty = np.diag([*np.full(len(scale), ridge), 0.0]) * len(x)
    weights = np.zeros(x.shape[1])
    # Iteratively reweighted least squares (Hastie, Tibshirani & Friedman 2009, section 4.4.1).
    for _ in range(_MAX_ITERATIONS):
        p = _logistic(x @ weights)
        gradient = x.T @ (correct - p) - penalty @ weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty
        change = np.linalg.solve(hessian, gradient)
        weights += change
        if np.abs(change).max() < 1e-9:
            break
    plain = weights[:-1] / scale
    return Calibration(tuple(plain.tolist()), float(weights[-1] - plain @ mean))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Words of about the same confidence: how many, their mean confidence, how many were right."""

    count: int
    confidence: float
    accuracy: float


def reliability(
    confidence: DoubleArray, correct: NDArray[np.bool_], *, num_bins: int = 10
) -> list[ReliabilityBin]:
    """Return what became of the words in `num_bins` equal ranges of confidence; no empty ranges."""
    place = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    masks = (place == k for k in range(num_bins))
    return [
        ReliabilityBin(int(m.sum()), float(confidence[m].mean()), float(correct[m].mean()))
        for m in masks
        if m.any()
    ]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean over words of |accuracy - confidence| in their bin (Guo et al. 2017)."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / total if total else 0.0


def _logistic(x: DoubleArray) -> DoubleArray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
