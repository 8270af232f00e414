"""Marks and capitals: written text as examples, the model, and what is written."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.punctuation import features, pauses
from steno_models.punctuation.corpus import BOOK, documents
from steno_models.punctuation.evaluate import f1
from steno_models.punctuation.examples import examples
from steno_models.punctuation.features import Sentence
from steno_models.punctuation.labelled import UNKNOWN_CASE, Case, Labelled, Mark, label
from steno_models.punctuation.model import (
    DESCRIPTION,
    END,
    WEIGHTS,
    WITHIN,
    Context,
    Punctuator,
    pause_class,
)
from steno_models.punctuation.train import train
from steno_models.punctuation.written import Hearing, context, written

UNINFORMED = np.zeros((WITHIN + 1, len(Mark)))
TEXT = [
    "Are you there, Ann? I am here. The NHS is late! Is it, John? It is very late, Ann.",
    "I see the sea. Do you see Ann? Do you see John, or do you see the NHS? I see it, Ann.",
] * 60


@pytest.fixture(scope="module")
def model() -> Punctuator:
    return train([label(TEXT, shouts=False)], UNINFORMED, bits=14)


def decided(model: Punctuator, words: str, *, before: Context | None = None) -> str:
    return " ".join(one.text for one in written(Hearing(words.split(), (), before), model))


def test_text_is_words_and_what_is_written_with_them() -> None:
    text = label(['"Well," said Mr. Smith; "it is 5 p.m., so--go!" Is it?'], shouts=False)
    assert text.words == (
        "well",
        "said",
        "mister",
        "smith",
        "it",
        "is",
        "five",
        "p",
        "m",
        "so",
        "go",
        "is",
        "it",
    )
    marks = "".join(Mark(mark).text or "_" for mark in text.marks)
    assert marks[:2] == ",_"
    assert marks[3] == ","
    assert marks[-3:] == "!_?"
    assert [text.cases[n] for n in (0, 1, 3)] == [UNKNOWN_CASE, Case.LOWER, Case.CAPITALISED]


def test_headings_and_shouts_tell_nothing() -> None:
    assert len(label(["CHAPTER ONE", "THE END."])) == 0
    text = label(["I never, NEVER said that."])
    assert text.cases[2] == UNKNOWN_CASE


def test_text_without_capitals_tells_nothing_of_cases() -> None:
    assert set(label(["so , how are you ?"], is_cased=False).cases) == {UNKNOWN_CASE}


@pytest.mark.parametrize(
    ("case", "written_word"),
    [(Case.LOWER, "nasa's"), (Case.CAPITALISED, "Nasa's"), (Case.UPPER, "NASA's")],
)
def test_a_word_in_its_case(case: Case, written_word: str) -> None:
    assert case.apply("nasa's") == written_word


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_hashes_are_the_same_on_integers_and_arrays(first: int, second: int) -> None:
    by_array = features.mixed(np.array([first], np.int64), np.array([second], np.int64))
    assert features.mixed(first, second) == by_array[0]
    assert 0 <= features.mixed(first, second) < 2**32


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 4)), min_size=1, max_size=30))
def test_training_sees_the_sentences_that_deciding_builds(spoken: list[tuple[str, int]]) -> None:
    words = tuple(word for word, _ in spoken)
    marks = np.array([mark for _, mark in spoken], np.uint8)
    text = Labelled(words, marks, np.full(len(words), UNKNOWN_CASE, np.uint8))
    # one final: nothing but the end of the text is hidden
    (block,) = examples(text, np.random.default_rng(0), mean_words=1e12)
    hashes = [features.word_hashes(word)[0] for word in words] + [features.BEHIND]
    sentence = Sentence()
    for n, mark in enumerate(marks.tolist()):
        sentence = sentence.and_word(hashes[n])
        expected = sentence.templates(hashes[n], hashes[n + 1])
        assert block.marks[n, -features.HISTORY :].tolist() == expected
        sentence = sentence.and_mark(mark, ends=Mark(mark).ends_sentence)


def test_a_small_text_is_learnt(model: Punctuator) -> None:
    words = "are you there ann i am here the nhs is late is it john it is very late ann"
    assert decided(model, words) == (
        "Are you there, Ann? I am here. The NHS is late! Is it, John? It is very late, Ann."
    )


def test_a_sentence_goes_on_behind_a_final_that_did_not_end_it(model: Punctuator) -> None:
    left = context("do you see john", "Do you see John,")
    assert left.sentence.length == 4
    assert decided(model, "or do you see the nhs", before=left).startswith("or do you")
    assert context("i see it ann", "I see it, Ann.").sentence == Sentence()


def test_what_is_decided_is_a_function_of_the_two_finals(model: Punctuator) -> None:
    words = ["i", "see", "the", "sea", "do", "you", "see", "ann"]
    assert model.read(words) == model.read(tuple(words), [None] * 8, Context())


def test_a_pause_is_evidence(model: Punctuator) -> None:
    told = UNINFORMED.copy()
    told[END, Mark.STOP] = 50.0
    sure = Punctuator(model.marks, model.cases, model.mark_scale, told)
    marks, _ = sure.read(["see", "the"], [None, END])
    assert marks == [Mark.NONE, Mark.STOP]


def test_no_words_are_no_marks(model: Punctuator) -> None:
    assert model.read([]) == ([], [])
    assert written(Hearing([]), model) == []


def test_numbers_and_marks_go_together(model: Punctuator) -> None:
    shown = written(Hearing(["i", "see", "twenty", "five"]), model)
    assert [one.text.rstrip(".,?!") for one in shown] == ["I", "see", "25"]
    assert [(one.begin, one.end) for one in shown] == [(0, 1), (1, 2), (2, 4)]


def test_without_a_model_only_numbers_are_written() -> None:
    shown = [one.text for one in written(Hearing(["i", "see", "twenty", "five"]))]
    assert shown == ["i", "see", "25"]
    plain = written(Hearing(["i", "see", "twenty", "five"]), numbers=False)
    assert [one.text for one in plain] == ["i", "see", "twenty", "five"]


def test_a_model_is_written_and_read_again(model: Punctuator, tmp_path: Path) -> None:
    model.write(tmp_path, language="en", trained_on="a test")
    again = Punctuator.load(tmp_path)
    assert np.array_equal(again.marks, model.marks)
    assert again.read(["i", "see"]) == model.read(["i", "see"])
    again.with_pauses(tmp_path, UNINFORMED + 1)
    assert Punctuator.load(tmp_path).pauses[END, 0] == 1


@pytest.mark.parametrize("broken", [DESCRIPTION, WEIGHTS])
def test_a_broken_model_is_refused(model: Punctuator, tmp_path: Path, broken: str) -> None:
    model.write(tmp_path, language="en", trained_on="a test")
    path = tmp_path / broken
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="expected"):
        Punctuator.load(tmp_path)


def test_a_model_of_other_shapes_is_refused(model: Punctuator, tmp_path: Path) -> None:
    model.write(tmp_path, language="en", trained_on="a test")
    described = json.loads((tmp_path / DESCRIPTION).read_text())
    described["pauses"] = described["pauses"][1:]
    (tmp_path / DESCRIPTION).write_text(json.dumps(described))
    with pytest.raises(DataError, match="classes of pauses"):
        Punctuator.load(tmp_path)


def test_every_twelfth_book_is_held_out(tmp_path: Path) -> None:
    path = tmp_path / "novels.txt"
    path.write_text(
        "".join(
            f"{BOOK}Book {n}\nIt was late that night. He had gone home and\nslept.\n"
            for n in range(24)
        )
    )
    found = list(documents([path]))
    assert [n for n, one in enumerate(found) if one.is_held_out] == [5, 17]
    expected = "it was late that night he had gone home and slept"
    assert " ".join(found[0].labelled().words) == expected
    with pytest.raises(DataError, match="expected text"):
        list(documents([tmp_path / "none.txt"]))


def test_pauses_are_counted_where_words_agree() -> None:
    heard = [("Well, I went. He did", ["well", "i", "bent", "he", "did"], [3, 0, 4, 0])]
    counts = pauses.within(heard)
    assert counts[Mark.COMMA].tolist() == [0, 0, 0, 1, 0]
    assert counts[Mark.NONE].sum() == 2
    assert counts[Mark.STOP].sum() == 0  # behind the word that was misheard
    ended = pauses.ends(["It is.", "It is, and", "I went, he said."])
    assert ended[Mark.STOP].tolist() == [0, 2]
    assert ended[Mark.NONE].tolist() == [4, 1]


def test_what_silence_tells_is_a_distribution_before_it_is_tempered() -> None:
    table = pauses.table(np.full((5, 2), 3.0), np.eye(5, END))
    assert table.shape == (WITHIN + 1, len(Mark))
    assert np.exp(table[END]) + np.exp(table[WITHIN]) == pytest.approx(1.0)
    within = np.exp(table[:END] / 0.7).sum(axis=0)
    assert within + np.exp(table[END]) == pytest.approx(1.0)


def test_classes_of_pauses() -> None:
    assert [pause_class(s) for s in (0.0, 0.16, 0.24, 0.4, 2.0)] == [0, 1, 2, 3, 4]


def test_f1_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, 3, (200, 2)).astype(np.uint8)
    precision, recall, score, low, high = f1(pairs, np.arange(200) // 10, [1])
    expected = metrics.precision_recall_fscore_support(
        pairs[:, 0] == 1, pairs[:, 1] == 1, average="binary"
    )
    assert (precision, recall, score) == pytest.approx(expected[:3])
    assert low < score < high


def test_the_shipped_model_writes_a_question() -> None:
    hearing = Hearing(["do", "you", "have", "any", "questions"], [*[WITHIN] * 4, END])
    shown = [one.text for one in written(hearing, Punctuator.load())]
    assert " ".join(shown) == "Do you have any questions?"
