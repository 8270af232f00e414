"""Written text to spoken words."""

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.text import numerals
from steno_models.text.lexicon import Lexicon
from steno_models.text.normalise import fold, normalise, sentences

WORDS_ONLY = re.compile(r"(?:[a-z']+(?: [a-z']+)*)?")
WRITTEN = st.lists(
    st.one_of(
        st.text(max_size=6),
        st.text("abIVXo'’.,-/ 0123456789£$%LstndrhSMJ", max_size=8),
        st.sampled_from(["Mr.", "St.", "£4", "10s.", "6d.", "1879", "XIV", "e.g.", "No.", "a.m."]),
    ),
    max_size=8,
).map(" ".join)


def value_of(words: str) -> int:
    """The inverse of `cardinal`, written another way round: sums and products of a word list."""
    total, group = 0, 0
    for word in words.replace(" and ", " ").split():
        if word in {"thousand", "million", "billion", "trillion"}:
            scale = 1000 ** (1 + ["thousand", "million", "billion", "trillion"].index(word))
            total, group = total + group * scale, 0
        elif word == "hundred":
            group *= 100
        else:
            group += next(n for n in range(100) if numerals.cardinal(n) == word)
    return total + group


def test_small_cardinals_are_spelled_as_in_any_primer() -> None:
    spelled = " ".join(numerals.cardinal(n) for n in (0, 4, 13, 15, 18, 20, 40, 80, 99))
    assert spelled == "zero four thirteen fifteen eighteen twenty forty eighty ninety nine"


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.integers(0, 10_000), st.integers(0, numerals.LARGEST)))
def test_a_cardinal_reads_back_as_its_number(number: int) -> None:
    assert value_of(numerals.cardinal(number)) == number


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"), (2, "second"), (3, "third"), (5, "fifth"), (8, "eighth"), (9, "ninth"),
        (11, "eleventh"), (12, "twelfth"), (20, "twentieth"), (21, "twenty first"),
        (100, "one hundredth"), (112, "one hundred and twelfth"),
    ],
)  # fmt: skip
def test_ordinals(number: int, words: str) -> None:
    assert numerals.ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1066, "ten sixty six"), (1803, "eighteen o three"), (1879, "eighteen seventy nine"),
        (1900, "nineteen hundred"), (2000, "two thousand"), (2005, "two thousand and five"),
        (2021, "twenty twenty one"),
    ],
)  # fmt: skip
def test_years(number: int, words: str) -> None:
    assert numerals.year(number) == words


def test_exactly_the_well_formed_roman_numerals_have_values() -> None:
    units = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    tens = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"]
    good = {t + u: 10 * tens.index(t) + units.index(u) for t in tens for u in units if t + u}
    for length in range(1, 6):
        for letters in itertools.product("IVXL", repeat=length):
            text = "".join(letters)
            assert numerals.roman(text) == good.get(text)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("In 1879 Mr. X, of St. Paul's,", "in eighteen seventy nine mister x of saint paul's"),
        ("St John; Elm St. is", "saint john elm street is"),
        ("MRS. VAUGHAN and dr. jones", "missus vaughan and doctor jones"),
        ("£4 10s. 6d. and 3s. ", "four pounds ten shillings and six pence and three shillings"),
        ("$3.50 $1 $5 million", "three dollars and fifty cents one dollar five million dollars"),
        ("£500,000 L500 L5", "five hundred thousand pounds five hundred pounds l five"),
        ("7:30 a.m., 7:00, 12:05", "seven thirty a m seven o'clock twelve o five"),
        ("12/4/2021", "twelve four twenty twenty one"),
        ("3rd 1,234th", "third one thousand two hundred and thirty fourth"),
        ("50% of 0.5 mg, 1 mg", "fifty per cent of zero point five milligrams one milligram"),
        ("2½ 1/2 3/4 90/80", "two and a half one half three quarters ninety over eighty"),
        ("the 1830s, the 90s, '99", "the eighteen thirties the nineties ninety nine"),
        ("555-123-4567", "five five five one two three four five six seven"),
        ("COVID-19, B12, 10–12", "covid nineteen b twelve ten to twelve"),
        ("007 .5 3.14", "zero zero seven point five three point one four"),
        ("J. S. Mill, U.S.A., e.g. I", "j s mill u s a for example i"),
        ("Henry VIII; Book IV; type II; an IV", "henry the eighth book four type two an iv"),
        ("naïve Æsop’s “Œuvre”—the end…", "naive aesop's oeuvre the end"),
        ("'Tis o'clock, give 'em 'it' o' bee's knees'", "'tis o'clock give 'em it o' bee's knees"),
        ("he 's did n't twenty-one", "he's didn't twenty one"),
        ("DID N'T, 0N'T, i.e. n't", "didn't zero n't that isn't"),
        ("No. 5, #5. No. He & I, &c.", "number five number five no he and i et cetera"),
        ("", ""),
        ("—!?", ""),
    ],
)  # fmt: skip
def test_what_is_written_becomes_what_is_said(written: str, spoken: str) -> None:
    assert normalise(written) == spoken


@settings(deadline=None, max_examples=300)
@given(WRITTEN)
def test_whatever_comes_in_words_come_out_and_stay_as_they_are(text: str) -> None:
    once = normalise(text)
    assert WORDS_ONLY.fullmatch(once)
    assert not any(set(word) == {"'"} for word in once.split())
    assert normalise(once) == once


@settings(deadline=None, max_examples=100)
@given(WRITTEN)
def test_folding_leaves_ascii_and_three_signs(text: str) -> None:
    assert all(c.isascii() or c in "£€°" for c in fold(text))


@settings(deadline=None, max_examples=100)
@given(st.lists(WRITTEN, max_size=4).map("\n".join))
def test_sentences_are_normalised_and_never_empty(text: str) -> None:
    for sentence in sentences(text):
        assert sentence
        assert normalise(sentence) == sentence


def test_a_sentence_ends_at_its_mark_and_not_at_an_abbreviation() -> None:
    text = 'He said, "Go!" She went. Mr. J. S. Mill came. "What?" said he. Then etc. The end'
    assert list(sentences(text)) == [
        "he said go",
        "she went",
        "mister j s mill came",
        "what said he",
        "then et cetera",
        "the end",
    ]


def test_a_wrapped_line_goes_on_and_a_heading_does_not() -> None:
    text = (
        "CHAPTER II.\nHEADING\n"
        "I have made the youth he has reared and fostered into treachery like\nhis own\n\nBut no"
    )
    assert list(sentences(text)) == [
        "chapter two",
        "heading",
        "i have made the youth he has reared and fostered into treachery like his own",
        "but no",
    ]


def test_tokenised_text_ends_its_sentences_at_lone_marks() -> None:
    assert list(sentences("okay . so i know ? yes")) == ["okay", "so i know", "yes"]


@pytest.mark.data
def test_the_transcripts_of_librispeech_are_normal_already(data_root: Path) -> None:
    lines = (data_root / "librispeech_mini" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) > 50
    assert [normalise(text) for text in texts] == texts


@pytest.mark.data
def test_what_normalising_adds_to_a_book_are_words_of_the_dictionary(data_root: Path) -> None:
    lines = (data_root / "ljspeech_part" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    words = [w for line in lines for w in normalise(json.loads(line)["text"]).split()]
    lexicon = Lexicon.from_cmudict()
    known = sum(word in lexicon for word in words)
    assert known / len(words) > 0.97


def test_character_references_of_web_pages_become_what_they_stand_for() -> None:
    assert normalise("the patient&apos;s &quot;heart&quot; &amp; lungs") == (
        "the patient's heart and lungs"
    )
