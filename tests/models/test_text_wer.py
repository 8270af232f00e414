"""Alignments, error rates and their intervals."""

from functools import cache

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.text.wer import (
    Alignment,
    align,
    character_error_rate,
    difference,
    error_rate,
    word_alignments,
    word_error_rate,
)

TOKENS = st.lists(st.sampled_from("abc"), max_size=7)
SENTENCE = st.lists(st.sampled_from(["a", "bee", "sea", "dee"]), min_size=1, max_size=8).map(
    " ".join
)


def made(errors: int, length: int) -> Alignment:
    return Alignment((), length - errors, errors, 0, 0)


def best_by_enumeration(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> tuple[int, int]:
    """Fewest errors, then most hits (negated), over all alignments."""

    @cache
    def best(i: int, j: int) -> tuple[int, int]:
        ways = []
        if i and j:
            errors, hits = best(i - 1, j - 1)
            same = reference[i - 1] == hypothesis[j - 1]
            ways.append((errors + (not same), hits - same))
        if i:
            ways.append((best(i - 1, j)[0] + 1, best(i - 1, j)[1]))
        if j:
            ways.append((best(i, j - 1)[0] + 1, best(i, j - 1)[1]))
        return min(ways, default=(0, 0))

    return best(len(reference), len(hypothesis))


@settings(deadline=None, max_examples=300)
@given(TOKENS, TOKENS)
def test_an_alignment_has_the_fewest_errors_and_then_the_most_hits(
    reference: list[str], hypothesis: list[str]
) -> None:
    alignment = align(reference, hypothesis)
    expected = best_by_enumeration(tuple(reference), tuple(hypothesis))
    assert (alignment.errors, -alignment.hits) == expected


@settings(deadline=None, max_examples=300)
@given(TOKENS, TOKENS)
def test_the_pairs_spell_both_sides_and_add_up_to_the_counts(
    reference: list[str], hypothesis: list[str]
) -> None:
    alignment = align(reference, hypothesis)
    assert [r for r, _ in alignment.pairs if r is not None] == reference
    assert [h for _, h in alignment.pairs if h is not None] == hypothesis
    assert alignment.hits == sum(r == h for r, h in alignment.pairs)
    assert alignment.deletions == sum(h is None for _, h in alignment.pairs)
    assert alignment.insertions == sum(r is None for r, _ in alignment.pairs)
    assert alignment.reference_length == len(reference)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(SENTENCE, SENTENCE | st.just("")), min_size=1, max_size=5))
def test_word_and_character_error_rates_are_those_of_jiwer(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = [r for r, _ in pairs], [h for _, h in pairs]
    assert word_error_rate(references, hypotheses).rate == jiwer.wer(references, hypotheses)
    assert character_error_rate(references, hypotheses).rate == jiwer.cer(references, hypotheses)


def test_the_parts_of_an_error_rate_are_counted_over_all_utterances() -> None:
    rate = word_error_rate(["a b c", "d e"], ["a x c y", "e"])
    assert (rate.substitutions, rate.deletions, rate.insertions) == (1, 1, 1)
    assert rate.reference_length == 5
    assert rate.rate == 3 / 5
    assert str(rate).startswith("60.00 % [")


def test_an_interval_is_that_of_the_normal_approximation_for_many_utterances() -> None:
    rng = np.random.default_rng(1)
    errors = rng.binomial(10, 0.2, size=2000)
    rate = error_rate([made(int(e), 10) for e in errors])
    half_width = 1.96 * errors.std() / 10 / np.sqrt(errors.size)
    assert rate.low == pytest.approx(rate.rate - half_width, abs=0.1 * half_width)
    assert rate.high == pytest.approx(rate.rate + half_width, abs=0.1 * half_width)


def test_an_interval_is_the_same_every_time() -> None:
    alignments = [made(e, 10) for e in (0, 3, 5, 1)]
    assert error_rate(alignments) == error_rate(alignments)


def test_utterances_that_are_all_alike_leave_no_doubt() -> None:
    rate = error_rate([made(2, 10)] * 7)
    assert rate.low == rate.rate == rate.high == 0.2


def test_a_paired_difference_sees_what_two_intervals_hide() -> None:
    rng = np.random.default_rng(2)
    first = [made(int(e), 20) for e in rng.integers(1, 20, size=200)]
    second = [made(a.errors - 1, 20) for a in first]
    assert error_rate(first).low < error_rate(second).high
    change = difference(first, second)
    assert change.rate == change.low == change.high == pytest.approx(-0.05)
    assert change.probability_of_improvement == 1


def test_a_system_does_not_differ_from_itself() -> None:
    alignments = word_alignments(["a b", "c"], ["a", "d"])
    change = difference(alignments, alignments)
    assert (change.rate, change.low, change.high) == (0, 0, 0)
    assert change.probability_of_improvement == 0


def test_the_sign_of_a_difference_turns_with_the_systems() -> None:
    rng = np.random.default_rng(3)
    first = [made(int(e), 10) for e in rng.integers(0, 10, size=50)]
    second = [made(int(e), 10) for e in rng.integers(0, 10, size=50)]
    there, back = difference(first, second), difference(second, first)
    assert (there.rate, there.low, there.high) == pytest.approx((-back.rate, -back.high, -back.low))


def test_what_does_not_match_is_refused() -> None:
    with pytest.raises(DataError, match="found 1"):
        word_error_rate(["a", "b"], ["a"])
    with pytest.raises(DataError, match="found none"):
        word_error_rate([""], ["a"])
    with pytest.raises(DataError, match="other references"):
        difference([made(1, 3)], [made(1, 4)])
