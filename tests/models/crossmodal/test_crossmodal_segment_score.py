"""Scores of segmentations, against matchings by enumeration."""

from itertools import permutations

import numpy as np
import pytest

from steno_models.crossmodal.segmentation.score import (
    boundaries,
    matches,
    r_value,
    score,
    token_matches,
)
from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.errors import DataError


def most_pairs(true: list[float], found: list[float], near: float) -> int:
    """Return the size of the largest matching, by trying them all."""
    short, long = sorted((true, found), key=len)
    return max(
        sum(abs(a - b) <= near for a, b in zip(short, order, strict=True))
        for order in permutations(long, len(short))
    )


@pytest.mark.parametrize("seed", range(30))
def test_boundaries_are_matched_as_well_as_can_be(seed: int) -> None:
    random = np.random.default_rng(seed)
    true = sorted(np.round(random.uniform(0, 0.4, random.integers(0, 7)), 3).tolist())
    found = sorted(np.round(random.uniform(0, 0.4, random.integers(0, 6)), 3).tolist())
    assert matches(true, found, 0.03) == most_pairs(true, found, 0.03 + 1e-9)


def test_the_true_words_themselves_are_perfect() -> None:
    words = Recording(
        key="a", segments=(Segment(0, 1, "x"), Segment(1, 2, "y"), Segment(2.5, 3, "z"))
    )
    made = score([words], [words])
    assert (made.boundary.f, made.token.f, made.r_value) == pytest.approx((100, 100, 100))
    assert (made.words, made.pieces, made.over_segmentation) == (3, 3, 0)


def test_inner_boundaries_count_once_and_pauses_have_two() -> None:
    segments = (Segment(0, 1), Segment(1.0004, 2), Segment(2.5, 3))
    assert boundaries(segments) == [1, 2, 2.5]
    assert boundaries(segments[:1]) == []
    assert boundaries(()) == []


def test_a_token_needs_both_ends() -> None:
    true = [Segment(0, 1), Segment(1, 2), Segment(2, 3)]
    assert token_matches(true, [Segment(0, 1.01), Segment(1.01, 2.5), Segment(2.5, 3)], 0.02) == 1
    assert token_matches(true, [Segment(0, 2), Segment(2.02, 2.99)], 0.02) == 1
    assert token_matches(true, [], 0.02) == 0


def test_shares_are_those_of_counted_boundaries() -> None:
    true = Recording(key="a", segments=(Segment(0, 1), Segment(1, 2), Segment(2, 3)))
    pieces = (Segment(0, 1.02), Segment(1.02, 1.5), Segment(1.5, 1.8), Segment(1.8, 3))
    found = Recording(key="a", segments=pieces)
    made = score([true], [found])
    assert made.boundary.precision == pytest.approx(100 / 3)
    assert made.boundary.recall == pytest.approx(50)
    assert made.boundary.f == pytest.approx(40)
    assert made.token.recall == pytest.approx(100 / 3)
    assert made.over_segmentation == pytest.approx(50)
    assert made.r_value == pytest.approx(r_value(50, 50))


def test_what_one_side_alone_has_is_left_out_and_nothing_in_common_is_an_error() -> None:
    one = Recording(key="a", segments=(Segment(0, 1),))
    other = Recording(key="b", segments=(Segment(0, 1),))
    said: list[str] = []
    assert score([one, other], [one], left_out=said.append).recordings == 1
    assert len(said) == 1
    with pytest.raises(DataError, match="expected recordings that both files have"):
        score([one], [other])


def test_r_values_are_the_published_definition() -> None:
    assert r_value(100, 0) == pytest.approx(100)
    assert r_value(0, -100) == pytest.approx(100 * (1 - (100 * np.sqrt(2) + 0) / 200))
