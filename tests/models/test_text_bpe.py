"""Subword units: learning, cutting, putting together again."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import ConfigError, DataError
from steno_models.text.bpe import WORD_BEGIN, Bpe
from steno_models.text.normalise import normalise
from steno_models.text.tokens import TokenTable

TEXTS = ["the cat sat on the mat", "The cats, the hats.", "a thin cat", "that"]


def test_the_most_frequent_pair_is_learnt_first() -> None:
    # In these words t-h and the beginning before t are the most frequent neighbours.
    learnt = Bpe.learn(["the the this that"], 31).table.symbols[29:]
    assert learnt == ("th", f"{WORD_BEGIN}th")


def test_all_that_comes_twice_is_learnt_and_no_more() -> None:
    bpe = Bpe.learn(["on on"], 500)
    assert bpe.table.symbols[29:] == ("on", f"{WORD_BEGIN}on")
    assert bpe.encode("on") == [30]


def test_units_have_the_size_that_was_asked_for() -> None:
    assert len(Bpe.learn(TEXTS, 34).table) == 34
    assert len(Bpe.learn(TEXTS, 29).table) == 29


def test_counts_stay_right_while_words_change() -> None:
    """Learning with counts that are kept up to date gives what counting anew gives."""
    words = ["banana", "bandana", "cabana", "ban", "ananas", "aaaa", "aaa"] * 3
    slow: list[str] = []
    cut = {word: [WORD_BEGIN, *word] for word in set(words)}
    for _ in range(12):
        pairs: dict[tuple[str, str], int] = {}
        for word in words:
            units = cut[word]
            for pair in pairwise(units):
                pairs[pair] = pairs.get(pair, 0) + 1
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        slow.append("".join(best))
        for word, units in cut.items():
            out: list[str] = []
            for unit in units:
                if out and (out[-1], unit) == best:
                    out[-1] += unit
                else:
                    out.append(unit)
            cut[word] = out
    assert list(Bpe.learn([" ".join(words)], 41).table.symbols[29:]) == slow


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("abcehst'", min_size=1, max_size=8), max_size=6))
def test_a_text_is_spelled_as_it_was(words: list[str]) -> None:
    bpe = Bpe.learn(TEXTS, 40)
    text = normalise(" ".join(words))
    assert bpe.decode(bpe.encode(text)) == text
    assert 0 not in bpe.encode(text)


def test_texts_are_normalised_first() -> None:
    bpe = Bpe.learn(TEXTS, 40)
    assert bpe.encode("The CAT!") == bpe.encode("the cat")
    assert bpe.decode([0, *bpe.encode("the"), 0, *bpe.encode("cat")]) == "the cat"


def test_the_table_of_tokens_is_all_there_is_to_keep(tmp_path: Path) -> None:
    bpe = Bpe.learn(TEXTS, 40)
    bpe.table.write(tmp_path / "tokens.txt")
    again = Bpe(TokenTable.read(tmp_path / "tokens.txt"))
    assert again == bpe
    assert again.encode("that hat") == bpe.encode("that hat")


def test_letters_must_have_a_place() -> None:
    with pytest.raises(ConfigError, match="expected 29 subword units or more, found 28"):
        Bpe.learn(TEXTS, 28)


def test_a_table_of_phones_is_refused() -> None:
    with pytest.raises(DataError, match="expected subword units to begin with <blk> ▁ ' a b"):
        Bpe(TokenTable.phones())
