"""True words in time: from forced alignments, and from phones with their texts."""

import json
from pathlib import Path

import pytest

from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.crossmodal.segmentation.times import read_times, words_of_phones
from steno_models.errors import DataError
from steno_models.training.utterance import Utterance


def test_words_take_the_phones_of_their_letters() -> None:
    phones = [("SIL", 0.0, 0.1), ("M", 0.1, 0.2), ("Á", 0.2, 0.3), ("SIL", 0.3, 0.4),
              ("B", 0.4, 0.5), ("H", 0.5, 0.55), ("A", 0.55, 0.7)]  # fmt: skip
    found = words_of_phones("ma ba xyz", phones)
    assert found[:2] == [Segment(0.1, 0.3, "ma"), Segment(0.4, 0.7, "ba")]
    assert words_of_phones("", phones) == []


@pytest.mark.parametrize(
    ("written", "name"),
    [("Ma", "ma"), ("which --", "which"), ("“Don't!”", "don't"), ("ten o'clock,", "ten-o'clock"),
     ("bá-lé", "bá-lé"), ("--", "--"), ("… –", "…–")],
)  # fmt: skip
def test_words_are_named_as_texts_of_spoken_words_have_them(
    tmp_path: Path, written: str, name: str
) -> None:
    word = {"word": written, "start_s": 0.1, "end_s": 0.4}
    (tmp_path / "one.json").write_text(json.dumps({"words": [word]}))
    (found,) = read_times(tmp_path, [Utterance("one", tmp_path, 0.0, 1.0, "", "")])
    assert [segment.name for segment in found.segments] == [name]


def test_times_are_read_from_alignments_and_from_phones(tmp_path: Path) -> None:
    said = [Utterance(key, tmp_path, 0.0, 1.0, "ma ba", "") for key in ("x/one", "x/two", "x/no")]
    (tmp_path / "x_one.json").write_text(
        '{"words": [{"word": "Ma", "start_s": 0.1, "end_s": 0.4, "score": -1}]}'
    )
    (tmp_path / "two.txt").write_text("M 0.0 0.1\nA 0.1 0.2\nB 0.2 0.3\nA 0.3 0.4\n")
    missing: list[str] = []
    one, two = read_times(tmp_path, said, missing.append)
    assert one == Recording(key="x/one", segments=(Segment(0.1, 0.4, "ma"),))
    assert [s.name for s in two.segments] == ["ma", "ba"]
    assert len(missing) == 1
    with pytest.raises(DataError, match="expected times of the recordings"):
        read_times(tmp_path, said[2:])
    (tmp_path / "two.txt").write_text("M zero 0.1\n")
    with pytest.raises(DataError, match="expected a phone, its start and its end"):
        read_times(tmp_path, said)
