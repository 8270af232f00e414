"""The pronunciation dictionary."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.text.lexicon import Lexicon, Pronunciation, cmudict_path
from steno_models.text.normalise import _ELISIONS
from steno_models.text.tokens import PHONES

WORD = st.text("abcdeyz'", min_size=1, max_size=6).filter(lambda w: w.strip("'") != "")
PHONE_STRING = st.lists(st.sampled_from(PHONES), min_size=1, max_size=5).map(tuple)
ENTRIES = st.dictionaries(
    WORD, st.lists(PHONE_STRING, min_size=1, max_size=3, unique=True).map(tuple), max_size=8
)


class Parrot:
    """A fallback that says one thing and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def pronounce(self, word: str, n_best: int = 1) -> list[tuple[Pronunciation, float]]:
        self.asked.append((word, n_best))
        guesses: list[tuple[Pronunciation, float]] = [(("P",), -0.5), (("AE",), -1.5)]
        return guesses[:n_best]


@pytest.fixture(scope="module")
def cmudict() -> Lexicon:
    return Lexicon.from_cmudict()


def test_the_cmu_dictionary_holds_its_words_with_all_their_variants(cmudict: Lexicon) -> None:
    assert len(cmudict) > 120_000
    assert cmudict["tomato"] == (
        ("T", "AH", "M", "EY", "T", "OW"),
        ("T", "AH", "M", "AA", "T", "OW"),
    )
    assert "tomato(2)" not in cmudict
    assert "twenty-one" not in cmudict
    assert "'em" in cmudict


def test_every_cmu_line_of_a_plain_word_is_in_the_lexicon(cmudict: Lexicon) -> None:
    count = 0
    for line in cmudict_path().read_text(encoding="utf-8").splitlines():
        word, _, phones = line.partition(" ")
        word = word.split("(")[0]
        if set(word) <= set("abcdefghijklmnopqrstuvwxyz'"):
            assert tuple(phones.split()) in cmudict[word]
            count += 1
    assert count > 130_000


@settings(deadline=None, max_examples=50)
@given(ENTRIES)
def test_a_lexicon_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, tuple[Pronunciation, ...]]
) -> None:
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.txt"
    Lexicon(entries).write(path)
    again = Lexicon.read(path)
    assert again == Lexicon(entries)
    assert list(again) == list(entries)


def test_restriction_keeps_the_words_that_are_known(cmudict: Lexicon) -> None:
    small = cmudict.restrict(["cat", "xyzzyq", "dog"])
    assert list(small) == ["cat", "dog"]
    assert small["cat"] == cmudict["cat"]


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("vaughan's", "V AO N Z"),
        ("aitch's", "EY CH IH Z"),
        ("kiosk's", "K IY AO S K S"),
        ("tubercles'", "T UW B ER K AH L Z"),
    ],
)
def test_a_missing_possessive_is_derived_from_its_noun(word: str, phones: str) -> None:
    nouns = {
        "vaughan": (("V", "AO", "N"),),
        "aitch": (("EY", "CH"),),
        "kiosk": (("K", "IY", "AO", "S", "K"),),
        "tubercles": (("T", "UW", "B", "ER", "K", "AH", "L", "Z"),),
    }
    assert Lexicon(nouns).pronounce(word) == (tuple(phones.split()),)


def test_derived_possessives_agree_with_those_of_the_cmu_dictionary(cmudict: Lexicon) -> None:
    known = [w for w in cmudict if w.endswith("'s") and len(w) > 3 and w[:-2] in cmudict]
    right = 0
    for word in known:
        derived = Lexicon({word[:-2]: cmudict[word[:-2]]}).pronounce(word)
        # the dictionary writes the vowel of "-es" now IH, now AH
        variants = {*derived, *((*p[:-2], "AH", "Z") for p in derived if p[-2:] == ("IH", "Z"))}
        right += not variants.isdisjoint(cmudict[word])
    assert len(known) > 4000
    assert right / len(known) > 0.95


def test_a_dropped_g_is_derived_from_the_whole_word(cmudict: Lexicon) -> None:
    assert ("L", "IH", "S", "AH", "N", "IH", "N") in cmudict.pronounce("listenin")
    with pytest.raises(DataError):
        cmudict.pronounce("swrin")  # "swring" is no word either


def test_every_elision_that_normalising_keeps_can_be_pronounced(cmudict: Lexicon) -> None:
    for word in _ELISIONS:
        assert cmudict.pronounce(word)


def test_only_what_no_dictionary_holds_is_asked_of_the_fallback() -> None:
    parrot = Parrot()
    lexicon = Lexicon({"cat": (("K", "AE", "T"),)})
    covered = lexicon.cover(["cat", "cat's", "zyzzyva"], parrot, n_best=2)
    assert parrot.asked == [("zyzzyva", 2)]
    assert dict(covered.entries) == {
        "cat": (("K", "AE", "T"),),
        "cat's": (("K", "AE", "T", "S"),),
        "zyzzyva": (("P",), ("AE",)),
    }


def test_an_unknown_word_without_a_fallback_is_the_users_fault() -> None:
    with pytest.raises(DataError, match="zyzzyva"):
        Lexicon({}).pronounce("zyzzyva")


@pytest.mark.parametrize("text", ["cat\n", "cat K AE T1\n", "\n", "Cat K AE T\n", "' AE\n"])
def test_a_malformed_line_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text(text)
    with pytest.raises(DataError):
        Lexicon.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none readable"):
        Lexicon.read(tmp_path / "absent")


def test_a_missing_dictionary_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"no such package: pip install 'steno-asr\[train\]'"):
        cmudict_path()
    spec = importlib.machinery.ModuleSpec("pocketsphinx", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(DataError, match="no such file"):
        cmudict_path()
