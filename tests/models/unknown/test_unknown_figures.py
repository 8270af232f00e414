"""The figures of a trial, by utterances whose truth is known."""

import numpy as np
import pytest

from steno_models.unknown.candidates import Candidate, Heard
from steno_models.unknown.figures import Figures, Truth, chosen, figures
from steno_models.unknown.figures import Heard as Utterance
from steno_models.unknown.proposer import Found
from steno_models.unknown.stretches import Stretch
from steno_models.unknown.trial import Said, is_hit
from steno_models.unknown.weights import DETECTION

NOTHING = Heard(
    np.zeros((0, 2), np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32), None, None
)
TRUTH = Truth(lexicon={"the", "sat"}, counted={"cat"})
BY_BIAS = np.eye(len(DETECTION))[0]


def _found(first: int, place: tuple[int, int], odds: float, *names: str) -> Found:
    features = np.zeros(len(DETECTION))
    features[0] = odds
    candidates = tuple(Candidate(name, (1,), 0.5, (0.0,) * 5, 0) for name in names)
    return Found(Stretch(first, first + 1, *place), NOTHING, features, candidates)


def test_hits_false_alarms_and_names_are_counted() -> None:
    said = [Said("the", 0, 4), Said("cat", 4, 10), Said("sat", 10, 14), Said("dog", 14, 20)]
    heard = Utterance(
        said,
        [
            _found(0, (0, 4), 1.0, "thee"),
            _found(1, (4, 10), 3.0, "kat", "cat"),
            _found(2, (10, 14), -1.0, "sad"),
            _found(3, (14, 20), 2.0, "dog"),
        ],
    )
    found = figures([heard, heard], TRUTH, BY_BIAS, 0.5)
    assert found == Figures(unknown=2, known=4, right=4, hits=2, false_alarms=2, first=0, five=2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1.0
    assert found.f1 == pytest.approx(0.8)
    assert found.false_alarms_per_hundred == 50.0


def test_of_stretches_that_share_words_the_likeliest_counts() -> None:
    one, other = _found(1, (4, 10), 1.0), _found(1, (4, 12), 2.0)
    assert chosen([one, other], BY_BIAS, 0.0) == [other]
    assert chosen([one, other], BY_BIAS, 5.0) == []


def test_a_hit_and_a_word_hold_each_others_middle() -> None:
    said = Said("cat", 10, 20)
    assert is_hit(9, 21, said)
    assert is_hit(12, 19, said)
    assert not is_hit(16, 30, said)
    assert not is_hit(0, 14, said)
