"""The figures of a trial, by utterances whose truth is known."""

import numpy as np
import pytest

from steno_models.unknown.figures import Figures, Heard, Truth, events, figures, matched
from steno_models.unknown.look import Looked
from steno_models.unknown.stretches import Stretch, chosen
from steno_models.unknown.trial import Said, is_hit
from steno_models.unknown.weights import DETECTION

TRUTH = Truth(lexicon={"the", "sat"}, counted={"cat"})
SAID = [Said("the", 0, 4), Said("cat", 4, 10), Said("sat", 10, 14), Said("dog", 14, 20)]
PLACES = ((0, 4), (4, 10), (10, 14), (14, 20))


def _heard(stretches: tuple[Stretch, ...]) -> Heard:
    return Heard(SAID, Looked(stretches, np.zeros((len(stretches), len(DETECTION)))))


def test_hits_and_false_alarms_are_counted() -> None:
    one = _heard(tuple(Stretch(i, i + 1, *place) for i, place in enumerate(PLACES)))
    margins = np.array([1.0, 3.0, -1.0, 2.0])
    found = figures([one, one], TRUTH, [margins, margins])
    assert found == Figures(unknown=2, known=4, elsewhere=2, right=4, hits=2, false_alarms=2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1.0
    assert found.f1 == pytest.approx(0.8)
    assert found.false_alarms_per_hundred == 50.0


def test_a_word_is_told_of_once_and_no_second_event_there_is_false() -> None:
    told = [Stretch(1, 2, 4, 9), Stretch(2, 3, 5, 10), Stretch(0, 1, 0, 4)]
    assert list(matched(SAID, told, TRUTH)) == [(told[0], SAID[1]), (told[2], None)]


def test_of_stretches_that_share_words_the_likeliest_counts() -> None:
    stretches = (Stretch(1, 2, 4, 10), Stretch(1, 3, 4, 14))
    assert chosen(stretches, np.array([1.0, 2.0])) == [1]
    assert chosen(stretches, np.array([1.0, 2.0]), 5.0) == []
    assert events([_heard(stretches)], [np.array([2.0, 1.0])]) == [[stretches[0]]]


def test_a_hit_and_a_word_hold_each_others_middle() -> None:
    said = Said("cat", 10, 20)
    assert is_hit(9, 21, said)
    assert is_hit(12, 19, said)
    assert not is_hit(16, 30, said)
    assert not is_hit(0, 14, said)
