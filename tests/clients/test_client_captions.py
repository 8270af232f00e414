"""Cues: cut where they read best, timed so that they never overlap, written so that others read."""

import re
from itertools import combinations, pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_clients.captions import (
    LINE_CHARS,
    MAX_CUE_MS,
    MAX_LINES,
    READING_CHARS_PER_S,
    VTT_HEADER,
    Cue,
    TimedWord,
    _cost,
    _cuts,
    _fit,
    cues,
    cut,
    retime,
    srt,
    timed_words,
    vtt,
)
from steno_clients.growing import GrowingCaptions
from steno_daemon.wire import Final, Word


def _final(words: list[tuple[str, float, float]], *, segment: int = 0) -> Final:
    return Final(
        seq=0,
        segment=segment,
        text=" ".join(text for text, _, _ in words),
        start=words[0][1],
        end=words[-1][2],
        confidence=1.0,
        words=tuple(Word(text=t, start=a, end=b, confidence=1.0) for t, a, b in words),
    )


@st.composite
def transcripts(draw: st.DrawFn, *, longest: int = 40) -> list[Final]:
    """Finals of random words, one after the other, with pauses in and between them."""
    time = 0.0
    finals = []
    for segment in range(draw(st.integers(1, 4))):
        words = []
        for _ in range(draw(st.integers(1, longest))):
            start = time + draw(st.sampled_from([0.0, 0.0, 0.04, 0.3, 1.5]))
            time = start + draw(st.sampled_from([0.04, 0.12, 0.4, 0.8]))
            words.append((draw(st.from_regex(r"[a-z']{1,14}", fullmatch=True)), start, time))
        finals.append(_final(words, segment=segment))
        time += draw(st.sampled_from([0.0, 0.5, 8.0]))
    return finals


@given(transcripts())
@settings(max_examples=20, deadline=None)
def test_no_word_is_lost_and_every_cue_fits_two_lines(finals: list[Final]) -> None:
    shown = cues(finals)
    assert " ".join(" ".join(cue.lines) for cue in shown) == " ".join(f.text for f in finals)
    for cue in shown:
        assert 1 <= len(cue.lines) <= MAX_LINES
        assert all(0 < len(line) <= LINE_CHARS for line in cue.lines)


@given(transcripts())
@settings(max_examples=20, deadline=None)
def test_cues_go_forward_and_never_overlap(finals: list[Final]) -> None:
    shown = cues(finals)
    assert all(cue.start_ms < cue.end_ms for cue in shown)
    assert all(cue.end_ms <= following.start_ms for cue, following in pairwise(shown))


@given(transcripts())
@settings(max_examples=20, deadline=None)
def test_a_cue_is_readable_wherever_there_is_silence_to_stay_in(finals: list[Final]) -> None:
    shown = cues(finals)
    for cue, following in pairwise(shown):
        slow_enough = cue.chars * 1000 <= READING_CHARS_PER_S * (cue.end_ms - cue.start_ms)
        assert slow_enough or cue.end_ms == following.start_ms


@given(transcripts(longest=11))
@settings(max_examples=20, deadline=None)
def test_the_cuts_are_the_cheapest_of_all(finals: list[Final]) -> None:
    words = timed_words(finals[0])

    def price(cuts: list[int]) -> float:
        for i, j in pairwise(cuts):
            too_long = words[j - 1].end_ms - words[i].start_ms > MAX_CUE_MS
            if not _fit([word.text for word in words[i:j]]) or (too_long and j - i > 1):
                return float("inf")
        return sum(_cost(words, i, j) for i, j in pairwise(cuts))

    inner = range(1, len(words))
    every = [[0, *c, len(words)] for n in range(len(words)) for c in combinations(inner, n)]
    assert price(_cuts(words)) == pytest.approx(min(price(cuts) for cuts in every))


def test_a_long_sentence_is_cut_at_its_pause() -> None:
    words = [(f"word{n}", n * 0.5, n * 0.5 + 0.4) for n in range(8)]
    words += [(f"late{n}", 4.6 + n * 0.5, 5.0 + n * 0.5) for n in range(8)]
    first, second = cut(_final(words))
    assert first.lines[-1].endswith("word7")
    assert second.lines[0].startswith("late0")


def test_two_lines_are_about_equally_long() -> None:
    words = "it was the best of times it was the worst of times"
    assert _fit(words.split(" ")) == ("it was the best of times", "it was the worst of times")


def test_a_final_without_word_times_shares_its_time_by_letters() -> None:
    final = Final(seq=0, segment=0, text="ab abcdef", start=1.0, end=3.0, confidence=1.0)
    assert timed_words(final) == [TimedWord("ab", 1000, 1500), TimedWord("abcdef", 1500, 3000)]


def test_a_word_longer_than_a_line_is_broken() -> None:
    final = _final([("a" * 100, 0.0, 10.0)])
    assert [len(word.text) for word in timed_words(final)] == [42, 42, 16]
    assert all(len(line) <= LINE_CHARS for cue in cut(final) for line in cue.lines)


def test_nothing_said_gives_nothing_to_show() -> None:
    final = Final(seq=0, segment=0, text="", start=0.0, end=0.0, confidence=1.0)
    assert cues([final]) == []
    assert srt([]) == ""
    assert vtt([]) == ""


def test_a_short_word_stays_for_a_second_unless_the_next_one_comes() -> None:
    early, late = Cue(0, 200, ("yes",)), Cue(600, 900, ("no",))
    assert retime([early, late]) == [Cue(0, 600, ("yes",)), Cue(600, 1600, ("no",))]


def test_webvtt_text_is_escaped() -> None:
    assert "a &lt; b &amp;&amp; c &gt; d" in vtt([Cue(0, 1000, ("a < b && c > d",))])


def test_hours_are_written_out() -> None:
    assert srt([Cue(3_600_000 * 10 + 61_007, 3_600_000 * 10 + 62_000, ("x",))]) == (
        "1\n10:01:01,007 --> 10:01:02,000\nx\n\n"
    )


def _parse(text: str) -> list[Cue]:
    """Reads SubRip and WebVTT blocks in the strictest way."""
    time = r"(\d\d):([0-5]\d):([0-5]\d)[,.](\d{3})"
    blocks = [block for block in text.removeprefix(VTT_HEADER).split("\n\n") if block]
    parsed = []
    for number, block in enumerate(blocks, 1):
        match = re.fullmatch(rf"(?:(\d+)\n)?{time} --> {time}\n(.+)", block, re.DOTALL)
        assert match is not None, block
        assert match[1] in {None, str(number)}
        h, m, s, ms, h2, m2, s2, ms2 = (int(part) for part in match.groups()[1:9])
        start, end = ((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        parsed.append(Cue(start, end, tuple(match[10].split("\n"))))
    return parsed


def _read_with_ffmpeg(path: Path) -> list[Cue]:
    with av.open(path) as container:
        return [
            Cue(packet.pts, packet.pts + packet.duration, tuple(bytes(packet).decode().split("\n")))
            for packet in container.demux()
            if packet.pts is not None and packet.duration is not None
        ]


@given(transcripts(longest=20))
@settings(max_examples=12, deadline=None)
def test_what_is_written_reads_back(finals: list[Final]) -> None:
    shown = cues(finals)
    assert _parse(srt(shown)) == shown
    assert _parse(VTT_HEADER + vtt(shown)) == shown


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_ffmpeg_reads_the_same_cues(tmp_path: Path, form: str) -> None:
    words = [(f"don't{n}", n * 0.31, n * 0.31 + 0.3) for n in range(100)]
    shown = cues([_final(words), _final([("end", 60.0, 60.2)], segment=1)])
    path = tmp_path / f"captions.{form}"
    path.write_text(srt(shown) if form == "srt" else VTT_HEADER + vtt(shown))
    assert _read_with_ffmpeg(path) == shown


@given(finals=transcripts(longest=20))
@settings(max_examples=12, deadline=None)
def test_a_growing_file_is_valid_after_every_final(
    tmp_path_factory: pytest.TempPathFactory, finals: list[Final]
) -> None:
    folder = tmp_path_factory.mktemp("growing")
    as_srt, as_vtt = (
        GrowingCaptions.srt(folder / "a.srt"),
        GrowingCaptions.vtt(folder / "a.vtt"),
    )
    assert (folder / "a.vtt").read_text() == VTT_HEADER
    for count, final in enumerate(finals, 1):
        as_srt.show(final)
        as_vtt.show(final)
        shown = cues(finals[:count])
        assert _parse((folder / "a.srt").read_text()) == shown
        assert _parse((folder / "a.vtt").read_text()) == shown
    as_srt.close()
    as_vtt.close()
