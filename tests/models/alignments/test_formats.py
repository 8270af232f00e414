"""Files of alignments, read back by readers that know the formats and not their writer."""

import json
import re
from itertools import pairwise

import pytest

from steno_models.alignments.formats import FORMATS, ctm, text_grid
from steno_models.alignments.formats import json as as_json
from steno_models.alignments.timed import Timed, TimedPhone, TimedWord

Interval = tuple[float, float, str]


def _word(text: str, number: int, *phones: tuple[str, float, float]) -> TimedWord:
    return TimedWord(text, tuple(TimedPhone(p, number, a, b, -0.5) for p, a, b in phones))


FOUND = Timed(
    "a talk",
    3661.5,
    (
        _word('"Tea,"', 0, ("T", 0.25, 0.31), ("IY", 0.31, 0.5)),
        _word("at", 1, ("AE", 0.5, 0.6), ("T", 0.6, 0.6)),
        _word("A&B <3", 2, ("EY", 2.0, 2.2), ("B", 2.2, 2.5)),
        _word("o'clock.", 3, ("AH", 3660.25, 3660.3), ("K", 3660.3, 3661.0)),
    ),
)


def read_text_grid(text: str) -> tuple[float, dict[str, list[Interval]]]:
    """Read Praat's long text format: end, and the intervals of each tier."""
    values = re.findall(r'"((?:[^"]|"")*)"|<exists>|(?<![\[\w])(-?\d+(?:\.\d+)?)(?!\]?\w*:)', text)
    flat = [label.replace('""', '"') if not number else float(number) for label, number in values]
    assert flat[:2] == ["ooTextFile", "TextGrid"]
    rest = iter(flat[2:])
    begin, end, _, count = next(rest), next(rest), next(rest), next(rest)
    assert begin == 0
    tiers = {}
    for _ in range(int(float(count))):
        assert next(rest) == "IntervalTier"
        name = str(next(rest))
        assert (next(rest), next(rest)) == (0, end)
        size = int(float(next(rest)))
        tiers[name] = [(float(next(rest)), float(next(rest)), str(next(rest))) for _ in range(size)]
    assert not list(rest)
    return float(end), tiers


def test_a_text_grid_has_words_and_phones_without_gaps() -> None:
    end, tiers = read_text_grid(text_grid(FOUND))
    assert end == 3661.5
    assert list(tiers) == ["words", "phones"]
    for intervals in tiers.values():
        assert intervals[0][0] == 0
        assert intervals[-1][1] == end
        assert all(one[1] == other[0] for one, other in pairwise(intervals))
        assert all(start < stop for start, stop, _ in intervals)
    assert [each for each in tiers["words"] if each[2]] == [
        (0.25, 0.5, '"Tea,"'),
        (0.5, 0.6, "at"),
        (2.0, 2.5, "A&B <3"),
        (3660.25, 3661.0, "o'clock."),
    ]
    # A phone without any length cannot be an interval.
    assert [each[2] for each in tiers["phones"] if each[2]] == [
        "T", "IY", "AE", "EY", "B", "AH", "K",
    ]  # fmt: skip


def test_ctm_has_a_line_of_six_fields_a_word() -> None:
    lines = [line.split(" ") for line in ctm(FOUND).splitlines()]
    assert lines[0] == ["a_talk", "1", "0.250", "0.250", '"Tea,"', "0.607"]
    assert [line[4] for line in lines] == ['"Tea,"', "at", "A&B_<3", "o'clock."]
    assert all(len(line) == 6 for line in lines)


def test_json_has_phones_inside_words() -> None:
    found = json.loads(as_json(FOUND))
    assert found["recording"] == "a talk"
    assert found["duration_s"] == 3661.5
    first = found["words"][0]
    assert first["word"] == '"Tea,"'
    assert (first["start_s"], first["end_s"]) == (0.25, 0.5)
    assert first["score"] == -0.5
    assert first["confidence"] == pytest.approx(0.6065)
    assert first["phones"][1] == {"phone": "IY", "start_s": 0.31, "end_s": 0.5, "score": -0.5}


_CUE = re.compile(r"(\d\d):(\d\d):(\d\d)[.,](\d{3}) --> (\d\d):(\d\d):(\d\d)[.,](\d{3})")


def read_cues(text: str) -> list[Interval]:
    """Read the cues of SRT or WebVTT."""
    cues = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        times = [_CUE.fullmatch(line) for line in lines]
        for place, match in enumerate(times):
            if match:
                n = [int(each) for each in match.groups()]
                start = n[0] * 3600 + n[1] * 60 + n[2] + n[3] / 1000
                end = n[4] * 3600 + n[5] * 60 + n[6] + n[7] / 1000
                cues.append((start, end, "\n".join(lines[place + 1 :])))
    return cues


def test_captions_end_at_pauses() -> None:
    assert read_cues(FORMATS["srt"][1](FOUND)) == [
        (0.25, 0.6, '"Tea," at'),
        (2.0, 2.5, "A&B <3"),
        (3660.25, 3661.0, "o'clock."),
    ]
    assert FORMATS["srt"][1](FOUND).startswith("1\n00:00:00,250 --> 00:00:00,600\n")


def test_web_captions_are_escaped_and_say_when_each_word_comes() -> None:
    text = FORMATS["vtt"][1](FOUND)
    assert text.startswith("WEBVTT\n\n00:00:00.250 --> 00:00:00.600\n")
    assert [cue[2] for cue in read_cues(text)] == [
        '"Tea," <00:00:00.500>at',
        "A&amp;B &lt;3",
        "o'clock.",
    ]


def test_captions_fit_two_lines_and_six_seconds() -> None:
    words = tuple(
        _word("abcdefghi" + ("." if i == 30 else ""), i, ("T", 0.4 * i, 0.4 * i + 0.4))
        for i in range(60)
    )
    cues = read_cues(FORMATS["srt"][1](Timed("x", 24.0, words)))
    assert sum(len(text.split()) for _, _, text in cues) == 60
    for start, end, text in cues:
        assert end - start <= 6.0
        assert len(text.split("\n")) <= 2
        assert all(len(line) <= 42 for line in text.split("\n"))
    assert any(text.endswith(".") for _, _, text in cues)
