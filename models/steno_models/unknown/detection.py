"""Fit what tells unknown words, and say of each utterance what others than it would tell.

Utterances are left out in turn (Stone 1974), a block of neighbours at once since they may be of one
speaker: the log odds of each are those of trees that were fitted without it, and the threshold is
the one that is best for the others. Figures by them are of words and of speech that the trees did
not see.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.unknown import boosting
from steno_models.unknown.boosting import Boosted, Forest
from steno_models.unknown.figures import Figures, Heard, Truth, figures, overlap
from steno_models.unknown.trial import is_hit

DoubleArray = NDArray[np.float64]
_FALSE_ALARMS = 2.0
_LEAST_OVERLAP = 0.4
_FOLDS = 5
_BLOCK = 20
_THRESHOLDS = np.arange(-3.0, 4.0, 0.1)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What tells unknown words.

    Attributes:
        detection: fitted on all utterances.
        threshold: on its log odds.
        margins: (R,) of the stretches of each utterance, log odds by trees that were fitted without
            it, beyond the threshold that is best for the others.
    """

    detection: Boosted
    threshold: float
    margins: list[DoubleArray]


def fit_detection(heard: Sequence[Heard], truth: Truth) -> Fitted:
    """Return the trees and the threshold of the best F1 below two false alarms in a hundred.

    Args:
        heard: utterances.
        truth: words to fit on; stretches of other unknown words teach nothing.

    Raises:
        DataError: there are no unknown words among the stretches.
    """
    fold = np.arange(len(heard)) // _BLOCK % _FOLDS
    odds: list[DoubleArray] = [np.zeros(0)] * len(heard)
    for k in sorted(set(fold.tolist())):
        forest = Forest.of(
            _trees([one for one, f in zip(heard, fold, strict=True) if f != k], truth)
        )
        for i in np.flatnonzero(fold == k).tolist():
            odds[i] = forest(heard[i].looked.features)
    margins = list(odds)
    for k in sorted(set(fold.tolist())):
        others = np.flatnonzero(fold != k).tolist()
        threshold = _threshold([heard[i] for i in others], truth, [odds[i] for i in others])
        for i in np.flatnonzero(fold == k).tolist():
            margins[i] = odds[i] - threshold
    return Fitted(_trees(heard, truth), _threshold(heard, truth, odds), margins)


def _trees(heard: Sequence[Heard], truth: Truth) -> Boosted:
    rows: list[DoubleArray] = []
    labels: list[bool] = []
    for one in heard:
        unknown = [said for said in one.said if truth.is_unknown(said)]
        for stretch, features in zip(one.looked.stretches, one.looked.features, strict=True):
            there = [s for s in unknown if is_hit(stretch.start, stretch.end, s)]
            if any(truth.is_counted(said) for said in there) or not there:
                rows.append(features)
                labels.append(any(overlap(stretch, said) >= _LEAST_OVERLAP for said in there))
    if not any(labels) or all(labels):
        raise DataError(
            f"expected stretches of unknown words and of known ones to fit on, found {len(labels)} "
            f"of one kind"
        )
    return boosting.fit(np.array(rows), np.array(labels))


def _threshold(heard: Sequence[Heard], truth: Truth, odds: Sequence[DoubleArray]) -> float:
    trials = [
        (figures(heard, truth, [one - threshold for one in odds]), float(threshold))
        for threshold in _THRESHOLDS
    ]
    allowed = [one for one in trials if one[0].false_alarms_per_hundred < _FALSE_ALARMS]
    return max(allowed or trials[-1:], key=lambda one: _expected_f1(one[0]))[1]


def _expected_f1(found: Figures) -> float:
    """Return the F1 if all unknown words were found as often as those to fit on.

    How often the others were found is not for the fit to know.
    """
    right = found.recall * (found.unknown + found.elsewhere)
    both = found.unknown + found.elsewhere + right + found.false_alarms
    return 2.0 * right / max(1.0, both)
