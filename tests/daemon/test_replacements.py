"""Replacements: whole words and phrases, the longest first, and a stable text that stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_daemon.captions.replacements import Replacements
from steno_daemon.errors import ConfigError
from steno_daemon.wire import Final, Partial, Word

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "A,", "b."]), max_size=10)
LISTS = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(" ".join),
    st.lists(st.sampled_from(["x", "y", "a b", "Z"]), max_size=2).map(" ".join),
    max_size=5,
)


def _partial(text: str, stable_chars: int) -> Partial:
    return Partial(seq=0, segment=0, text=text, stable_chars=stable_chars, start=0.0)


def _final(*words: tuple[str, float, float]) -> Final:
    return Final(
        seq=0,
        segment=0,
        text=" ".join(text for text, _, _ in words),
        start=words[0][1],
        end=words[-1][2],
        confidence=1.0,
        words=tuple(Word(text=t, start=a, end=b, confidence=0.5) for t, a, b in words),
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the steno demon runs", "the steno daemon runs"),
        ("demons run", "demons run"),
        ("a demon, a demon.", "a daemon, a daemon."),
        ("(demon)", "(daemon)"),
        ("Demon or DEMON", "Daemon or DAEMON"),
        ("we like new york city hall", "we like NYC hall"),
        ("New York, they say", "Big Apple, they say"),
        ("new, york", "new, york"),
        ("new york", "Big Apple"),
        ("um, well um", "well"),
        ("see c++ and c", "see C++ and C"),
        ("swap", "other"),
        ("other", "swap"),
        ("", ""),
    ],
)
def test_captions_show_what_the_list_says(said: str, shown: str) -> None:
    listed = Replacements(
        {
            "demon": "daemon",
            "New York": "Big Apple",
            "new york city": "NYC",
            "um": "",
            "c++": "C++",
            "c": "C",
            "swap": "other",
            "other": "swap",
        }
    )
    assert listed.text(said) == shown


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert Replacements({"a": "a a", "a a": "b"}).text("a a a") == "b a a"


def test_words_put_in_share_the_time_of_those_that_were_said() -> None:
    final = _final(("in", 0.0, 1.0), ("n", 1.0, 1.5), ("y", 1.5, 2.0), ("um", 2.0, 3.0))
    shown = Replacements({"n y": "new york city state", "um": ""}).final(final)
    assert shown is not None
    assert shown.text == "in new york city state"
    assert shown.words is not None
    assert [(word.text, word.start, word.end) for word in shown.words] == [
        ("in", 0.0, 1.0),
        ("new", 1.0, 1.25),
        ("york", 1.25, 1.5),
        ("city", 1.5, 1.75),
        ("state", 1.75, 2.0),
    ]


def test_a_final_of_which_nothing_is_left_is_none() -> None:
    assert Replacements({"um": ""}).final(_final(("um", 0.0, 1.0))) is None


def test_without_a_list_everything_stays_the_same_object() -> None:
    final, partial = _final(("um", 0.0, 1.0)), _partial("um", 2)
    assert Replacements().final(final) is final
    assert Replacements().partial(partial) is partial


@pytest.mark.parametrize(
    ("text", "stable_chars", "shown", "stable"),
    [
        ("we like new york", 7, "we like NY", "we like"),
        ("we like new york", 11, "we like NY", "we like"),
        ("we like new york", 16, "we like NY", "we like"),
        ("we like new york city", 16, "we like NYC", "we like"),
        ("we like new york city", 21, "we like NYC", "we like NYC"),
        ("we like new york hall", 21, "we like NY hall", "we like NY hall"),
        ("we like new", 11, "we like new", "we like"),
        ("we like", 7, "we like", "we like"),
        ("we like", 5, "we like", "we"),
    ],
)
def test_text_is_stable_where_no_longer_phrase_can_come_of_it(
    text: str, stable_chars: int, shown: str, stable: str
) -> None:
    partial = Replacements({"new york": "NY", "new york city": "NYC"}).partial(
        _partial(text, stable_chars)
    )
    assert (partial.text, partial.text[: partial.stable_chars]) == (shown, stable)


@given(LISTS, WORDS, WORDS, WORDS)
@settings(max_examples=150, deadline=None)
def test_stable_text_is_never_rewritten(
    phrases: dict[str, str], stable: list[str], unstable: list[str], later: list[str]
) -> None:
    listed = Replacements(phrases)
    first = " ".join([*stable, *unstable])
    partial = listed.partial(_partial(first, len(" ".join(stable))))
    whole = listed.text(" ".join([*stable, *later]))
    kept = partial.text[: partial.stable_chars]
    assert whole == kept or whole.startswith(f"{kept} " if kept else "")
    assert partial.text == listed.text(first)


@given(LISTS, WORDS)
@settings(max_examples=100, deadline=None)
def test_words_and_text_show_the_same(phrases: dict[str, str], said: list[str]) -> None:
    if not said:
        return
    final = _final(*((word, place / 2, place / 2 + 0.5) for place, word in enumerate(said)))
    shown = Replacements(phrases).final(final)
    if shown is None:
        assert Replacements(phrases).text(final.text) == ""
        return
    assert shown.words is not None
    assert " ".join(word.text for word in shown.words) == shown.text
    times = [time for word in shown.words for time in (word.start, word.end)]
    assert times == sorted(times)


@pytest.mark.parametrize("phrases", [{" ": "x"}, {"New  York": "a", "new york": "b"}])
def test_a_list_that_cannot_be_meant_is_refused(phrases: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected words, each phrase once, found"):
        Replacements(phrases)
