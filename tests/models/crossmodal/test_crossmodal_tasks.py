"""Classification, synonyms and translation, on spaces whose answers are known."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from steno_models.crossmodal.alignment.evaluation import random_rotation
from steno_models.crossmodal.heard import Heard
from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.crossmodal.space import Space, normalised
from steno_models.crossmodal.tasks.answers import both_ways, read_answers
from steno_models.crossmodal.tasks.command import _closed
from steno_models.crossmodal.tasks.identity import Identities, identities, true_word
from steno_models.crossmodal.tasks.measure import (
    Exam,
    Question,
    answers_of,
    constant_shares,
    exam,
    is_tested,
    itself,
    right_shares,
)
from steno_models.errors import DataError

WORDS = tuple(f"word{n}" for n in range(60))
D = 8


def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(WORDS), D)).astype(np.float32)


def known(pieces: int = 3) -> Identities:
    return Identities(tuple(Counter({word: pieces}) for word in WORDS))


def test_a_rotated_copy_answers_everything() -> None:
    x, turned = vectors(), random_rotation(D, 3)
    test = exam(known(), WORDS, itself, itself)
    assert test.pieces == 3 * sum(map(is_tested, WORDS))
    assert not {WORDS[text] for _, text in test.known.tolist()} & {
        question.word for question in test.questions
    }
    found = right_shares(test, normalised(x), normalised(x) @ turned.T, turned)
    assert [*found.pieces, *found.words] == [100] * 6
    wrong = right_shares(test, normalised(x), normalised(x), random_rotation(D, 5), csls=False)
    assert wrong.pieces[0] < 50


def test_shares_are_those_of_ranks_counted_by_hand() -> None:
    text = np.eye(12, dtype=np.float32)[:, :12]
    heard = np.array([np.linspace(1, 0.1, 12), np.linspace(0.1, 1, 12)], np.float32)
    heard /= np.linalg.norm(heard, axis=1, keepdims=True)
    questions = (
        Question(0, "a", 6, frozenset({0})),  # rank 1
        Question(0, "b", 2, frozenset({3, 11})),  # rank 4
        Question(1, "b", 1, frozenset({3})),  # rank 9
        Question(1, "c", 1, frozenset({10}), barred=11),  # rank 2, 1 without the word itself
    )
    test = Exam(questions, np.zeros((0, 2), np.int64), 10)
    found = right_shares(test, heard, text, np.eye(12, dtype=np.float32), csls=False)
    assert found.pieces == pytest.approx((70, 90, 100))
    assert found.words == pytest.approx((200 / 3, 100 * (1 + 2 / 3 + 1) / 3, 100))
    assert constant_shares(test).pieces[0] == pytest.approx(60)


def test_a_word_is_no_synonym_of_itself_and_synonyms_go_both_ways() -> None:
    pairs = both_ways({"word1": {"word2", "word1"}, "word3": {"word1"}})
    assert pairs == {"word1": {"word2", "word3"}, "word2": {"word1"}, "word3": {"word1"}}
    x = normalised(vectors())
    near = x.copy()
    places = [n for n, word in enumerate(WORDS) if is_tested(word)][:2]
    near[places[1]] = near[places[0]]
    pair = both_ways({WORDS[places[0]]: {WORDS[places[1]]}})
    test = exam(known(), WORDS, answers_of(pair), itself, bar_itself=True)
    assert {question.barred for question in test.questions} == set(places)
    eye = np.eye(D, dtype=np.float32)
    assert right_shares(test, near, near, eye, csls=False).pieces == (100, 100, 100)


def test_a_text_in_another_script_has_no_answers() -> None:
    with pytest.raises(DataError, match="expected spoken words with answers in the text"):
        exam(known(), ("слово", "дело"), itself, itself)


def test_pieces_are_the_words_that_they_share_most_time_with() -> None:
    words = [Segment(0, 1, "a"), Segment(1, 1.2, "b"), Segment(1.5, 3, "c")]
    ends = [word.end_s for word in words]
    assert true_word(Segment(0.9, 1.3), words, ends) == "b"
    assert true_word(Segment(0.2, 3.0), words, ends) == "c"
    assert true_word(Segment(1.25, 1.45), words, ends) is None
    assert true_word(Segment(5, 6), words, ends) is None


def test_a_closed_vocabulary_holds_the_answers_to_spoken_words_alone() -> None:
    text = Space(WORDS, vectors(), np.arange(60, 0, -1))
    truth = [Recording(key="a", segments=(Segment(0, 1, "word7"), Segment(1, 2, "word3")))]
    assert _closed(text, truth, itself).words == ("word3", "word7")
    pairs = answers_of({"word7": {"word1", "word9", "none"}})
    closed = _closed(text, truth, pairs)
    assert closed.words == ("word1", "word9")
    np.testing.assert_array_equal(closed.vectors, text.vectors[[1, 9]])
    with pytest.raises(DataError, match="expected a space of at least two words"):
        _closed(text, truth, answers_of({}))


def heard() -> Heard:
    space = Space(("c1", "c0", "c9"), vectors()[:3], np.array([3, 2, 0]))
    pieces = (Segment(0, 1, "c1"), Segment(1, 2, "c0"), Segment(2, 3, "c1"), Segment(3, 4, "rare"))
    return Heard(space, (Recording(key="a", segments=pieces),))


def test_clusters_are_called_what_most_of_their_pieces_are() -> None:
    names = ("x", "y", "x", "z")
    truth = [Recording(key="a", segments=tuple(Segment(n, n + 1, w) for n, w in enumerate(names)))]
    found = identities(heard(), truth)
    assert found.majority() == ["x", "y", ""]
    assert found.purity() == 100
    with pytest.raises(DataError, match="expected pieces at times of true words"):
        identities(heard(), [Recording(key="b", segments=truth[0].segments)])


def test_answers_are_read_and_broken_lines_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("dog hund\nDog köter\n\ncat katze\n")
    assert read_answers(path) == {"dog": {"hund", "köter"}, "cat": {"katze"}}
    path.write_text("dog\n")
    with pytest.raises(DataError, match="expected a word and an answer"):
        read_answers(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="expected pairs of words, found none"):
        read_answers(path)
