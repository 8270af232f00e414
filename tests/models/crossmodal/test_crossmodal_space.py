"""Embedding spaces: what is refused, what is written, what comes back."""

from pathlib import Path

import numpy as np
import pytest

from steno_models.crossmodal.space import Space, centre_of, normalised, same_spelling
from steno_models.crossmodal.word2vec_text import read_text, write_text
from steno_models.errors import DataError


def space(words: str, vectors: object = None, counts: object = None) -> Space:
    """Return a space of `words`, with random vectors where none are given."""
    names = tuple(words.split())
    drawn = np.random.default_rng(0).normal(size=(len(names), 4))
    return Space(
        names,
        np.array(drawn if vectors is None else vectors, np.float32),
        np.array(range(len(names), 0, -1) if counts is None else counts, np.int64),
    )


@pytest.mark.parametrize(
    ("words", "vectors", "counts", "complaint"),
    [
        ("", np.zeros((0, 4)), None, "at least two words, found 0"),
        ("alone", None, None, "at least two words, found 1"),
        ("a b", [[1, 2], [np.nan, 1]], None, "1 that are not, the first that of 'b'"),
        ("a b", [[1, 2], [np.inf, 1]], None, "finite"),
        ("a b a", None, None, "found again: a"),
        ("a b", [[1, 2]], None, r"shape \(1, 2\)"),
        ("a b", None, [1, 2], "counts that rise"),
        ("a b", None, [1], "counts of 2 words"),
    ],
)
def test_what_is_no_space_is_refused(
    words: str, vectors: object, counts: object, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        space(words, vectors, counts)


def test_disjoint_vocabularies_are_refused() -> None:
    with pytest.raises(DataError, match="found disjoint"):
        same_spelling(space("a b"), space("c d"))
    assert same_spelling(space("a b c"), space("c x a")).tolist() == [[0, 2], [2, 0]]


def test_normalised_vectors_have_length_one_and_hardly_a_mean() -> None:
    vectors = np.random.default_rng(0).normal(3.0, 1.0, (500, 8)).astype(np.float32)
    found = normalised(vectors)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    assert np.linalg.norm(found.mean(axis=0)) < 0.1
    np.testing.assert_allclose(normalised(vectors[:3], centre_of(vectors)), found[:3], atol=1e-6)


def test_vectors_without_a_direction_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 zero"):
        normalised(np.array([[0, 0], [1, 2]], np.float32))
    with pytest.raises(DataError, match="zero or alike"):
        normalised(np.array([[1, 2], [1, 2]], np.float32))


def test_the_text_format_keeps_six_digits_and_the_order(tmp_path: Path) -> None:
    written = space("the of naïve")
    write_text(written, tmp_path / "vectors.txt")
    assert (tmp_path / "vectors.txt").read_text("utf-8").startswith("3 4\nthe ")
    found = read_text(tmp_path / "vectors.txt")
    assert found.words == written.words
    np.testing.assert_allclose(found.vectors, written.vectors, rtol=1e-5)
    assert (found.counts == 0).all()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ":1: expected the numbers"),
        ("a 1 2\n", ":1: expected the numbers"),
        ("3 2\na 1 2\nb 1 2\n", "expected 3 words as line 1 says, found 2"),
        ("2 2\na 1 2\nb 1\n", ":3: expected a word and 2 numbers"),
        ("2 2\na 1 2\nb 1 x\n", ":3: expected a word and 2 numbers"),
        ("2 1\na 1\nb 1 2\n", ":3: expected a word and 1 numbers"),
        ("2 2\na 1 2\n\n", ":3: expected a word"),
        ("2 2\na 1 2\nb 1 nan\n", "finite"),
        ("2 2\na 1 2\na 1 2\n", "found again"),
        ("1 2\na 1 2\n", "at least two words"),
    ],
)
def test_broken_text_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "vectors.txt").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_text(tmp_path / "vectors.txt")


def test_words_with_blanks_do_not_fit_the_text_format(tmp_path: Path) -> None:
    odd = Space(("new york", "b"), np.ones((2, 2), np.float32), np.zeros(2, np.int64))
    with pytest.raises(DataError, match="without blanks"):
        write_text(odd, tmp_path / "vectors.txt")


def test_a_folder_that_is_no_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected an embedding space"):
        Space.load(tmp_path)
    space("a b").save(tmp_path)
    (tmp_path / "words.txt").write_text("a\n")
    with pytest.raises(DataError, match="at least two words"):
        Space.load(tmp_path)
