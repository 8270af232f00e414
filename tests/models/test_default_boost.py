"""What an added word earns where nobody says how much."""

import pytest

from steno_models.default_boost import MOST, default_boost, ranks
from steno_models.recogniser import AddedWord, Wishes


def test_longer_words_earn_more_and_crowds_less() -> None:
    alone = [default_boost(phones, 1) for phones in range(1, 30)]
    assert alone == sorted(alone)
    assert alone[-1] == MOST
    in_crowds = [default_boost(6, rank) for rank in (1, 10, 100, 1_000, 100_000)]
    assert in_crowds == sorted(in_crowds, reverse=True)
    assert in_crowds[-1] == 0.0


def test_ten_words_that_wait_take_as_much_from_each_as_the_logarithm_of_ten() -> None:
    lost = default_boost(5, 1) - default_boost(5, 10)
    assert default_boost(5, 10) - default_boost(5, 100) == pytest.approx(lost)


def test_what_comes_together_ranks_alike_behind_what_came_later() -> None:
    turns = (0, 0, 1, 3, 3, 3)
    words = [AddedWord(f"w{i}", turn=turn) for i, turn in enumerate(turns)]
    assert ranks(words) == [6, 6, 4, 3, 3, 3]
    assert ranks([]) == []


def test_words_of_a_session_come_after_those_of_its_language_model() -> None:
    model = Wishes(tuple(AddedWord(text, turn=turn) for text, turn in (("kow", 0), ("tam", 4))))
    session = Wishes((AddedWord("tam", ("T AE M",)), AddedWord("zor", turn=1)))
    joined = model.joined(session).words
    rank = dict(zip((word.text for word in joined), ranks(joined), strict=True))
    assert rank == {"kow": 3, "tam": 2, "zor": 1}
