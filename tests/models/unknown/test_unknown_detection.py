"""What tells unknown words is fitted on some utterances, and says of each what others tell."""

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.unknown.boosting import Forest
from steno_models.unknown.detection import fit_detection
from steno_models.unknown.figures import Heard, Truth, figures
from steno_models.unknown.look import Looked
from steno_models.unknown.stretches import Stretch
from steno_models.unknown.trial import Said
from steno_models.unknown.weights import DETECTION

TRUTH = Truth(lexicon={"the"}, counted={"cat"})
SIGN = DETECTION.index("word_deficit")


def _utterance(rng: np.random.Generator, *, sign: float = 1.0) -> Heard:
    """Ten words; those that the lexicon lacks have, as a rule, a sign of it."""
    words = rng.choice(["the", "cat", "dog"], size=10, p=[0.8, 0.1, 0.1]).tolist()
    said = [Said(word, 5 * i, 5 * i + 5) for i, word in enumerate(words)]
    spans = tuple(Stretch(i, i + 1, 5 * i, 5 * i + 5) for i in range(10))
    features = rng.normal(size=(10, len(DETECTION)))
    features[:, SIGN] += [4.0 * sign * (word != "the") for word in words]
    return Heard(said, Looked(spans, features))


def test_the_sign_of_an_unknown_word_is_learnt() -> None:
    rng = np.random.default_rng(0)
    heard = [_utterance(rng) for _ in range(200)]
    fitted = fit_detection(heard, TRUTH)
    found = figures(heard, TRUTH, fitted.margins)
    assert found.f1 > 0.8
    assert found.false_alarms_per_hundred < 3.0
    fresh = [_utterance(rng) for _ in range(100)]
    forest = Forest.of(fitted.detection)
    margins = [forest(one.looked.features) - fitted.threshold for one in fresh]
    assert figures(fresh, TRUTH, margins).f1 == pytest.approx(found.f1, abs=0.1)


def test_what_is_told_of_an_utterance_does_not_depend_on_what_was_said_in_it() -> None:
    rng = np.random.default_rng(1)
    heard = [_utterance(rng) for _ in range(200)]
    told = fit_detection(heard, TRUTH).margins
    # of the utterances that are left out together, the first twenty: every word becomes known
    changed = [
        Heard([Said("the", one.start, one.end) for one in each.said], each.looked)
        if number < 20
        else each
        for number, each in enumerate(heard)
    ]
    again = fit_detection(changed, TRUTH).margins
    # its log odds stay as they are; all that can move is the threshold, by how others are told
    moved = np.concatenate(told[:20]) - np.concatenate(again[:20])
    assert moved == pytest.approx(moved[0])
    others = np.concatenate(told[20:]) - np.concatenate(again[20:])
    assert np.ptp(others) > 0.1


def test_without_unknown_words_there_is_nothing_to_fit() -> None:
    said = [Said("the", 0, 5)]
    looked = Looked((Stretch(0, 1, 0, 5),), np.zeros((1, len(DETECTION))))
    with pytest.raises(DataError, match="expected stretches of unknown words and of known ones"):
        fit_detection([Heard(said, looked)] * 100, TRUTH)
