"""Spoken words as people write them, and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.text import numerals, spoken_numbers
from steno_models.text.inverse import figure, inverse
from steno_models.text.normalise import normalise

WORDS = st.sampled_from(
    [
        *("one", "two", "nine", "ten", "nineteen", "twenty", "eighty", "hundred", "thousand"),
        *("million", "first", "second", "twentieth", "and", "point", "o", "a", "the", "of", "at"),
        *(
            "dollars",
            "cents",
            "per",
            "cent",
            "past",
            "half",
            "quarter",
            "to",
            "am",
            "p",
            "m",
            "may",
        ),
        *("january", "kilograms", "degrees", "celsius", "doctor", "smith", "chapter", "people"),
    ]
)


def shown(words: str) -> str:
    return " ".join(written.text for written in inverse(words.split()))


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("twenty five", "25"),
        ("one hundred and twenty thousand people", "120,000 people"),
        ("a hundred and five people", "105 people"),
        ("nineteen eighty four", "1984"),
        ("eighteen o three", "1803"),
        ("nineteen hundred", "1900"),
        ("the nineteen sixties", "the 1960s"),
        ("in june two thousand and ten", "in June 2010"),
        ("five dollars and ten cents", "$5.10"),
        ("five point two million dollars", "$5.2 million"),
        ("ten pounds and fifty pence", "£10.50"),
        ("half past ten", "10:30"),
        ("quarter to one p m", "12:45 pm"),
        ("twenty minutes to six", "5:40"),
        ("ten thirty am", "10:30 am"),
        ("at ten o five", "at 10:05"),
        ("meet at ten thirty today", "meet at 10:30 today"),
        ("five o'clock", "5 o'clock"),
        ("three per cent", "3%"),
        ("three point one four percent", "3.14%"),
        ("first of may", "1 May"),
        ("on the twenty second of may nineteen eighty four", "on 22 May 1984"),
        ("january twenty first nineteen ten", "January 21, 1910"),
        ("the twenty first century", "the 21st century"),
        ("five milligrams twice a day", "5 mg twice a day"),
        ("twenty degrees celsius", "20 °C"),
        ("five five five one two one two", "5551212"),
        ("chapter three", "chapter 3"),
        ("mister smith", "Mr smith"),
    ],
)
def test_what_people_write(spoken: str, written: str) -> None:
    assert shown(spoken) == written


@pytest.mark.parametrize(
    "spoken",
    [
        "one", "five people", "a hundred people", "one two three", "one hundred two hundred",
        "twenty five thirty", "five and twenty men", "no one hundred", "one and two",
        "two thirds", "twenty second break", "the march first seen", "may first", "the doctor said",
        "am i", "hundred", "first", "point five", "i am one of them", "the sixties",
    ],
)  # fmt: skip
def test_what_may_mean_something_else_stays_in_words(spoken: str) -> None:
    assert shown(spoken) == spoken


def test_pounds_without_pence_are_no_price() -> None:
    assert shown("ten pounds") == "10 pounds"


def test_a_doctor_before_a_name_is_a_title() -> None:
    words = ["the", "doctor", "said", "doctor", "smith"]
    written = inverse(words, [False, False, False, True, True])
    assert [one.text for one in written] == ["the", "doctor", "said", "Dr", "smith"]


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.integers(0, 10_000), st.integers(0, numerals.LARGEST)))
def test_number_words_read_back_as_the_number(number: int) -> None:
    words = numerals.cardinal(number).split()
    assert spoken_numbers.cardinal(words, 0) == (number, len(words))


@settings(deadline=None, max_examples=100)
@given(st.integers(1, numerals.LARGEST))
def test_ordinal_words_read_back_as_the_number(number: int) -> None:
    words = numerals.ordinal(number).split()
    found = spoken_numbers.ordinal(words, 0)
    assert found == (number, len(words))


@settings(deadline=None)
@given(st.integers(1300, 2099).filter(lambda year: not 2000 <= year < 2010))
def test_a_year_reads_back_as_the_year(year: int) -> None:
    assert shown(numerals.year(year)) == str(year)


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.integers(10, 999), st.integers(10_000, numerals.LARGEST)))
def test_what_is_written_for_a_number_is_spoken_as_before(number: int) -> None:
    words = numerals.cardinal(number)
    assert normalise(shown(words)) == words


@settings(deadline=None)
@given(st.integers(1, 9999), st.integers(1, 99))
def test_what_is_written_for_an_amount_is_spoken_as_before(dollars: int, cents: int) -> None:
    coins = "dollar" if dollars == 1 else "dollars"
    words = f"{numerals.cardinal(dollars)} {coins} and {numerals.cardinal(cents)} cents"
    assert shown(words) == f"${figure(dollars)}.{cents:02}"
    if not 2010 <= dollars < 2100:  # written like a year, and then read like one
        assert normalise(shown(words)) == words


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 59), st.sampled_from(["am", "pm"]))
def test_what_is_written_for_a_time_is_spoken_as_before(hour: int, minute: int, half: str) -> None:
    o = "o " if minute < 10 else ""
    words = f"{numerals.cardinal(hour)} {o}{numerals.cardinal(minute)} {half}"
    assert shown(words) == f"{hour}:{minute:02} {half}"
    assert normalise(shown(words)) == words


@settings(deadline=None)
@given(st.integers(0, 999))
def test_what_is_written_for_a_percentage_is_spoken_as_before(number: int) -> None:
    words = f"{numerals.cardinal(number)} per cent"
    assert shown(words) == f"{number}%"
    assert normalise(shown(words)) == words


@settings(deadline=None, max_examples=100)
@given(st.lists(WORDS, max_size=12))
def test_every_word_belongs_to_one_of_what_is_written(words: list[str]) -> None:
    written = inverse(words)
    spans = [(one.begin, one.end) for one in written]
    assert [at for begin, end in spans for at in range(begin, end)] == list(range(len(words)))
    assert all(one.text and (one.is_figure or one.text == words[one.begin]) for one in written)
