"""A lexicon's file is read quickly, and reads the same as slowly."""

from pathlib import Path

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.search import pronunciations
from steno_models.search.pronunciations import Pronunciations

SYMBOLS = ("<blk>", "AA", "B", "CH", "LONG")
WORDS = ("b", "été", "ab", "silent", "a")


def read(tmp_path: Path, text: str) -> Pronunciations:
    file = tmp_path / "words.lexicon.txt"
    file.write_bytes(text.encode())
    return Pronunciations.read(file, WORDS, SYMBOLS)


def ways(found: Pronunciations) -> list[list[list[int]]]:
    return found.of_words(range(len(WORDS)))


@pytest.mark.parametrize(
    "text",
    [
        "b B\nété AA CH\nab AA B\nab B\na AA\n",
        "a AA\nab AA B\nb B\nab B\nété AA CH\n",
        "a AA\nab  AA\tB\nb B \nab B\n\tété AA CH",
    ],
    ids=["in order", "in another order", "with other spaces"],
)
def test_words_may_come_in_any_order_and_with_any_spaces(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert ways(found) == [[[2]], [[1, 3]], [[1, 2], [2]], [], [[1]]]
    assert found.num_words == len(WORDS)


def test_both_ways_to_read_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    lines = [
        " ".join([str(rng.choice(WORDS)), *rng.choice(["AA", "B", "CH"], int(rng.integers(1, 6)))])
        for _ in range(300)
    ]
    text = "".join(f"{line}\n" for line in lines)
    quickly = read(tmp_path, text)
    monkeypatch.setattr(pronunciations, "_read_quickly", lambda *_: None)
    slowly = read(tmp_path, text)
    for name in ("words", "lengths", "tokens"):
        assert np.array_equal(getattr(quickly, name), getattr(slowly, name))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b XY\n", r"words.lexicon.txt:1, found 'XY'"),
        ("bb B\n", r"words.lexicon.txt:1, found 'bb'"),
        ("b\n", r"expected a word and its tokens at .*:1, found 'b'"),
        ("a AA\n\nb B\n", r"expected a word and its tokens at .*:2, found ''"),
        ("a LONGER\n", r"words.lexicon.txt:1, found 'LONGER'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, line)


def test_long_phones_are_read_too(tmp_path: Path) -> None:
    assert ways(read(tmp_path, "a LONG AA\n"))[-1] == [[4, 1]]
