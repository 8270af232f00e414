"""The phone error rate of words, against all spellings tried and an independent count."""

from itertools import product
from pathlib import Path

import jiwer
import numpy as np
import pytest

from steno_models.compare.phones import (
    Ways,
    nearest,
    phone_alignment,
    phone_error_rate,
    ways_of,
)
from steno_models.text.lexicon import Pronunciation

LEXICON: dict[str, list[Pronunciation]] = {
    "a": [("AH",), ("EY",)],
    "read": [("R", "EH", "D"), ("R", "IY", "D")],
    "red": [("R", "EH", "D")],
    "either": [("IY", "DH", "ER"), ("AY", "DH", "ER")],
    "the": [("DH", "AH"), ("DH", "IY")],
    "door": [("D", "AO", "R")],
}


def ways(word: str) -> list[Pronunciation]:
    return LEXICON[word]


def spellings(text: str) -> list[str]:
    """All ways to say a text."""
    choices = product(*(LEXICON[word] for word in text.split()))
    return [" ".join(phone for way in choice for phone in way) for choice in choices]


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_spelling_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = list(LEXICON)
    said = " ".join(rng.choice(words, rng.integers(1, 6)))
    found = " ".join(rng.choice(words, rng.integers(1, 6)))
    heard = " ".join(phone for word in found.split() for phone in LEXICON[word][0])
    counts = [jiwer.process_words(spelled, heard) for spelled in spellings(said)]
    fewest = min(c.substitutions + c.deletions + c.insertions for c in counts)
    alignment = phone_alignment(said, found, ways)
    assert alignment.errors == fewest
    chosen = " ".join(phone for phone, _ in alignment.pairs if phone is not None)
    assert chosen in spellings(said)
    assert alignment.reference_length == len(chosen.split())


def test_the_rate_is_that_of_the_phones_of_all_utterances() -> None:
    references, found = ["read the red door", "a door"], ["red the door", ""]
    rate = phone_error_rate(references, found, ways)
    expected = jiwer.wer(["R EH D DH AH R EH D D AO R", "AH D AO R"], ["R EH D DH AH D AO R", ""])
    assert rate.rate == pytest.approx(expected)
    assert rate.deletions == 7
    assert rate.low <= rate.rate <= rate.high


def test_words_that_sound_alike_are_no_error() -> None:
    assert phone_alignment("read", "red", ways).errors == 0


@pytest.mark.parametrize("heard", [[], ["AH"]])
def test_nothing_said_or_nothing_heard_is_counted(heard: list[str]) -> None:
    assert nearest([], heard) == []
    assert nearest([[("AH",), ("AH", "N")]], heard) == ["AH"]


def test_words_of_no_lexicon_are_guessed(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("cat K AE T\ncat K AE\n")
    found: Ways = ways_of(path)
    assert list(found("cat")) == [("K", "AE", "T"), ("K", "AE")]
    assert list(found("'")) == [()]
    [guess] = found("bat")
    assert guess == ("B", "AE", "T")
