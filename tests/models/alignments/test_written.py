"""Words as written keep their spelling, whatever is said for them."""

from pathlib import Path

import pytest

from steno_models.alignments.dictionary import read_dictionary
from steno_models.alignments.written import english, plain
from steno_models.errors import DataError
from steno_models.text.normalise import normalise


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(word.text, " ".join(word.spoken)) for word in english(text)]


def test_every_word_has_what_is_said_for_it() -> None:
    assert _pairs('"Hello," said Mr. Smith.') == [
        ('"Hello,"', "hello"), ("said", "said"), ("Mr.", "mister"), ("Smith.", "smith"),
    ]  # fmt: skip
    assert _pairs("in 1803, it cost $3.50!") == [
        ("in", "in"),
        ("1803,", "eighteen o three"),
        ("it", "it"),
        ("cost", "cost"),
        ("$3.50!", "three dollars and fifty cents"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It cost $3 million in 1999.",
        "Louis XIV lived in No. 5, St. James Street",
        "Dr. Watson – and Holmes … walked 3 1/2 miles at 10:05 p.m.",
        "— Well, J. R. Smith e.g. took 50 % & more\nof the 2nd book, ch. IV",
    ],
)
def test_what_is_said_is_what_the_whole_text_says(text: str) -> None:
    words = english(text)
    lines = " ".join(normalise(line) for line in text.splitlines())
    assert " ".join(said for word in words for said in word.spoken) == lines
    assert " ".join(word.text for word in words) == " ".join(text.split())
    assert all(word.spoken for word in words)


def test_words_that_cannot_be_told_apart_stay_together() -> None:
    assert ("$3 million", "three million dollars") in _pairs("It cost $3 million in all")


def test_marks_without_sound_stay_with_their_neighbours() -> None:
    assert _pairs("— yes – no …") == [("— yes –", "yes"), ("no …", "no")]
    assert [word.text for word in plain("« Mwána, » ngóo !")] == ["« Mwána, »", "ngóo !"]
    assert [word.spoken for word in plain("« Mwána, » ngóo !")] == [("mwána",), ("ngóo",)]


@pytest.mark.parametrize("text", ["", "  \n", "— … !"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected a text with at least one word to align, found"):
        english(text)


def test_a_lexicon_may_have_phones_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("ngóo N G Ó Ó\nmwána M W Á N A\nmwána M Á N A\n", encoding="utf-8")
    dictionary = read_dictionary(path)
    assert dictionary.phones == ("A", "G", "M", "N", "W", "Á", "Ó")
    ways = dictionary.pronunciations(dictionary.speller("Mwána ngóo!"))
    assert dictionary.numbers(ways[0]) == [[3, 5, 6, 4, 1], [3, 6, 4, 1]]
    with pytest.raises(DataError, match="expected words of the lexicon, found 1 others: mboloo"):
        dictionary.pronunciations(dictionary.speller("mwána mboloo"))


def test_a_lexicon_of_english_phones_goes_before_the_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("steno S T EH N OW\n", encoding="utf-8")
    dictionary = read_dictionary(path)
    steno, cat, unheard = dictionary.pronunciations(dictionary.speller("Steno, cat: zorblat"))
    assert steno == (("S", "T", "EH", "N", "OW"),)
    assert cat == (("K", "AE", "T"),)
    assert len(unheard) > 1


def test_a_lexicon_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("word\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"lexicon.txt:1: expected 'word P1 P2 …', found 'word'"):
        read_dictionary(path)
    path.write_text("".join(f"w p{i}\n" for i in range(40)), encoding="utf-8")
    with pytest.raises(DataError, match="expected at most 39 phones, found 40"):
        read_dictionary(path)
