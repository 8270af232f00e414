"""Recordings cut at pauses: where, and that nothing is lost."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from steno_models.alignments.phrases import MARGIN_S, phrases
from steno_models.alignments.timed import Timed, TimedPhone, TimedWord
from steno_models.training.utterance import Utterance


def timed(lengths: list[tuple[float, float]]) -> Timed:
    """Words w0, w1 …, of (pause before it, length) in seconds; a second of silence behind."""
    words, now_s = [], 0.0
    for number, (pause_s, length_s) in enumerate(lengths):
        begin_s, now_s = now_s + pause_s, now_s + pause_s + length_s
        words.append(TimedWord(f"w{number}", (TimedPhone("AH", number, begin_s, now_s, 0.0),)))
    return Timed("one", now_s + 1.0, tuple(words))


def whole(found: Timed) -> Utterance:
    return Utterance("one", Path("one.flac"), 5.0, found.duration_s, "", "me")


def test_a_long_recording_is_cut_at_its_longest_pauses() -> None:
    found = timed([(0.5, 1.0), (0.2, 1.0), (0.8, 1.0), (0.3, 1.0), (0.0, 1.0)])
    pieces = phrases(whole(found), found, longest_s=3.0)
    assert [piece.text for piece in pieces] == ["w0 w1", "w2", "w3 w4"]
    assert [piece.key for piece in pieces] == ["one-000", "one-001", "one-002"]
    first = pieces[0]
    assert first.offset_s == 5.0 + 0.5 - MARGIN_S
    assert abs(first.duration_s - (2.2 + 2 * MARGIN_S)) < 1e-9
    assert (first.audio, first.speaker) == (Path("one.flac"), "me")


def test_a_short_one_and_one_without_pauses_stay_whole() -> None:
    for lengths in ([(0.5, 1.0), (0.9, 1.0)], [(0.0, 1.0)] * 9):
        found = timed(lengths)
        [piece] = phrases(whole(found), found, longest_s=3.0)
        assert piece.text == " ".join(word.text for word in found.words)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.05, 2)), min_size=1, max_size=40),
    st.floats(0.5, 8),
)
def test_no_word_is_lost_and_pieces_do_not_overlap(
    lengths: list[tuple[float, float]], longest_s: float
) -> None:
    found = timed(lengths)
    pieces = phrases(whole(found), found, longest_s=longest_s)
    said = [word.text for word in found.words]
    assert " ".join(piece.text for piece in pieces).split() == said
    end_s = 5.0
    for piece in pieces:
        assert piece.offset_s >= end_s - 1e-9
        end_s = piece.offset_s + piece.duration_s
    assert end_s <= 5.0 + found.duration_s + 1e-9
