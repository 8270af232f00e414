"""Cues: cut where they read best, timed so that they never overlap, written so that others read."""

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.captioning import conversations, parse, spoken, transcripts

from steno_daemon.captions import srt, webvtt
from steno_daemon.captions.cues import (
    USUAL,
    Cue,
    CueRules,
    TimedWord,
    _Cutter,
    _lines,
    cues,
    cut,
    label,
    retime,
    shift,
    timed_words,
)
from steno_daemon.wire import Final, Word

RULES = st.builds(
    CueRules,
    line_chars=st.sampled_from([10, 20, 42]),
    lines=st.integers(1, 4),
    reading_chars_per_s=st.sampled_from([8.0, 17.0, 30.0]),
)


def _text_only(text: str, start: float, end: float) -> Final:
    return Final(seq=0, segment=0, text=text, start=start, end=end, confidence=1.0)


def _texts(shown: list[Cue]) -> str:
    return " ".join(" ".join(cue.lines) for cue in shown)


@given(transcripts(), RULES)
@settings(max_examples=25, deadline=None)
def test_no_word_is_lost_and_every_cue_fits(finals: list[Final], rules: CueRules) -> None:
    shown = cues(finals, rules)
    said = " ".join(final.text for final in finals)
    assert _texts(shown).replace(" ", "") == said.replace(" ", "")
    for cue in shown:
        assert 1 <= len(cue.lines) <= rules.lines
        assert all(0 < len(line) <= rules.line_chars for line in cue.lines)


@given(transcripts(), RULES)
@settings(max_examples=25, deadline=None)
def test_cues_go_forward_and_never_overlap(finals: list[Final], rules: CueRules) -> None:
    shown = cues(finals, rules)
    assert all(cue.start_ms < cue.end_ms for cue in shown)
    assert all(cue.end_ms <= following.start_ms for cue, following in pairwise(shown))


@given(transcripts(), RULES)
@settings(max_examples=25, deadline=None)
def test_a_cue_is_readable_wherever_there_is_silence_to_stay_in(
    finals: list[Final], rules: CueRules
) -> None:
    shown = cues(finals, rules)
    for cue, following in pairwise(shown):
        pace = rules.reading_chars_per_s * (cue.end_ms - cue.start_ms)
        assert cue.chars * 1000 <= pace or cue.end_ms == following.start_ms


@given(conversations(), RULES)
@settings(max_examples=25, deadline=None)
def test_of_two_channels_no_word_is_lost_and_every_cue_says_which(
    finals: list[Final], rules: CueRules
) -> None:
    shown = cues(finals, rules, channels=2)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(shown))
    for channel in (0, 1):
        said = " ".join(f.text for f in finals if f.channel == channel)
        own = [cue for cue in shown if cue.channel == channel]
        assert _texts(own).replace(" ", "") == said.replace(" ", "")
    for cue in shown:
        assert len(cue.lines) <= rules.lines
        assert len(label(cue.channel) + cue.lines[0]) <= rules.line_chars


@given(transcripts(longest=9, most=1), RULES, st.integers(1, 2))
@settings(max_examples=25, deadline=None)
def test_the_cuts_are_the_cheapest_of_all(
    finals: list[Final], rules: CueRules, channels: int
) -> None:
    indent = 3 * (channels - 1)
    words = timed_words(finals[0], rules.line_chars - indent)[:11]
    cutter = _Cutter(words, rules, indent)

    def price(cuts: list[int]) -> float:
        for i, j in pairwise(cuts):
            shown = _lines([word.text for word in words[i:j]], rules, indent)
            fits = len(shown) <= rules.lines and len(shown[0]) + indent <= rules.line_chars
            too_long = words[j - 1].end_ms - words[i].start_ms > rules.max_ms
            if not fits or (too_long and j - i > 1):
                return float("inf")
        return sum(cutter.cost(i, j) for i, j in pairwise(cuts))

    inner = range(1, len(words))
    every = [[0, *c, len(words)] for n in range(len(words)) for c in combinations(inner, n)]
    assert price(cutter.cuts()) == pytest.approx(min(price(cuts) for cuts in every))


@given(
    st.lists(st.integers(1, 10), min_size=1, max_size=9),
    st.integers(10, 20),
    st.sampled_from([0, 3]),
)
@settings(max_examples=60, deadline=None)
def test_lines_are_as_few_and_as_short_as_they_can_be(
    lengths: list[int], line_chars: int, indent: int
) -> None:
    texts = ["x" * min(length, line_chars - indent) for length in lengths]
    shown = _lines(texts, CueRules(line_chars=line_chars), indent)

    def widths(cuts: list[int]) -> list[int]:
        lines = [" ".join(texts[i:j]) for i, j in pairwise(cuts)]
        return [len(line) + (0 if place else indent) for place, line in enumerate(lines)]

    inner = range(1, len(texts))
    every = [[0, *c, len(texts)] for n in range(len(texts)) for c in combinations(inner, n)]
    fitting = [widths(cuts) for cuts in every if max(widths(cuts)) <= line_chars]
    assert " ".join(shown) == " ".join(texts)
    found = [len(line) + (0 if place else indent) for place, line in enumerate(shown)]
    assert (len(found), max(found)) == min((len(each), max(each)) for each in fitting)


def test_a_long_sentence_is_cut_at_its_pause() -> None:
    words = [(f"word{n}", n * 0.5, n * 0.5 + 0.4) for n in range(8)]
    words += [(f"late{n}", 4.6 + n * 0.5, 5.0 + n * 0.5) for n in range(8)]
    first, second = cut(spoken(words))
    assert first.lines[-1].endswith("word7")
    assert second.lines[0].startswith("late0")


def test_two_lines_are_about_equally_long() -> None:
    words = "it was the best of times it was the worst of times"
    assert _lines(words.split(" "), USUAL, 0) == (
        "it was the best of times",
        "it was the worst of times",
    )


def test_a_final_without_word_times_shares_its_time_by_letters() -> None:
    final = _text_only("ab abcdef", 1.0, 3.0)
    assert timed_words(final) == [TimedWord("ab", 1000, 1500), TimedWord("abcdef", 1500, 3000)]


def test_words_that_go_back_in_time_or_say_nothing_do_no_harm() -> None:
    words = [("a", 2.0, 1.0), ("", 2.0, 2.5), ("b\nc", 1.0, 4.0), ("d", 3.0, 3.5)]
    final = replace_words(spoken(words), words)
    assert timed_words(final) == [
        TimedWord("a", 2000, 2000),
        TimedWord("b c", 2000, 3000),
        TimedWord("d", 3000, 3500),
    ]


def replace_words(final: Final, words: list[tuple[str, float, float]]) -> Final:
    timed = tuple(Word(text=t, start=a, end=b, confidence=1.0) for t, a, b in words)
    return Final(seq=0, segment=0, text=final.text, start=0.0, end=9.0, confidence=1.0, words=timed)


def test_a_word_longer_than_a_line_is_broken() -> None:
    final = spoken([("a" * 100, 0.0, 10.0)])
    assert [len(word.text) for word in timed_words(final)] == [42, 42, 16]
    assert all(len(line) <= 42 for cue in cut(final) for line in cue.lines)


def test_nothing_said_gives_nothing_to_show() -> None:
    assert cues([_text_only("", 0.0, 0.0)]) == []
    assert srt.render([]) == ""
    assert webvtt.render([]) == ""


def test_a_short_word_stays_for_a_second_unless_the_next_one_comes() -> None:
    early, late = Cue(0, 200, ("yes",)), Cue(600, 900, ("no",))
    assert retime([early, late]) == [Cue(0, 600, ("yes",)), Cue(600, 1600, ("no",))]


def test_a_channel_that_falls_in_waits_until_the_other_was_read() -> None:
    long, short = Cue(0, 6_000, ("x" * 34,), 0), Cue(500, 800, ("yes",), 1)
    assert retime([long, short]) == [
        replace(long, end_ms=2_000),
        replace(short, start_ms=2_000, end_ms=3_000),
    ]


def test_when_all_channels_speak_at_once_for_long_captions_stay_near_the_speech() -> None:
    finals = [
        spoken([("word" * 5, t + 0.1 * c, t + 3.5)], segment=t // 4, channel=c)
        for t in range(0, 240, 4)
        for c in range(8)
    ]
    said = sorted((c for f in finals for c in cut(f, channels=8)), key=lambda cue: cue.start_ms)
    shown = cues(finals, channels=8)
    assert len(shown) == len(said) == 480
    late_ms = [cue.start_ms - source.start_ms for cue, source in zip(shown, said, strict=True)]
    assert max(late_ms) < 8_000
    assert min(cue.end_ms - cue.start_ms for cue in shown) >= 250


def test_one_of_two_channels_is_labelled_only_where_they_are_told_apart() -> None:
    first, second = spoken([("yes", 0.0, 0.5)]), spoken([("no", 1.0, 1.5)], channel=1)
    assert [cue.channel for cue in cues([first, second])] == [None, 1]
    told_apart = cues([first, second], channels=2)
    assert srt.render(told_apart) == (
        "1\n00:00:00,000 --> 00:00:01,000\n1: yes\n\n2\n00:00:01,000 --> 00:00:02,000\n2: no\n\n"
    )
    assert webvtt.render(told_apart[1:]) == ("00:00:01.000 --> 00:00:02.000\n<v Channel 2>no\n\n")


@pytest.mark.parametrize(
    ("delay_ms", "times"),
    [
        (0, [(0, 600), (600, 1600)]),
        (2_500, [(2500, 3100), (3100, 4100)]),
        (-500, [(0, 100), (100, 1100)]),
        (-600, [(0, 1000)]),
        (-9_000, []),
    ],
)
def test_a_delay_moves_every_cue(delay_ms: int, times: list[tuple[int, int]]) -> None:
    shown = shift([Cue(0, 600, ("yes",)), Cue(600, 1600, ("no",))], delay_ms)
    assert [(cue.start_ms, cue.end_ms) for cue in shown] == times


def test_webvtt_text_is_escaped() -> None:
    assert "a &lt; b &amp;&amp; c --&gt; d" in webvtt.render([Cue(0, 1, ("a < b && c --> d",))])
    assert webvtt.note("a --> b") == "NOTE a -> b\n\n"


def test_hours_are_written_out() -> None:
    ten_hours = 3_600_000 * 10
    assert srt.render([Cue(ten_hours + 61_007, ten_hours + 62_000, ("x",))]) == (
        "1\n10:01:01,007 --> 10:01:02,000\nx\n\n"
    )


@given(conversations(), st.integers(1, 2))
@settings(max_examples=15, deadline=None)
def test_what_is_written_reads_back(finals: list[Final], channels: int) -> None:
    shown = cues(finals, channels=channels)
    assert parse(srt.render(shown)) == shown
    assert parse(webvtt.HEADER + webvtt.render(shown)) == shown


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_ffmpeg_reads_the_same_cues(tmp_path: Path, form: str) -> None:
    words = [(f"don't{n}", n * 0.31, n * 0.31 + 0.3) for n in range(100)]
    shown = cues([spoken(words), spoken([("end", 60.0, 60.2)], segment=1)])
    path = tmp_path / f"captions.{form}"
    path.write_text(srt.render(shown) if form == "srt" else webvtt.HEADER + webvtt.render(shown))
    with av.open(path) as container:
        read = [
            Cue(packet.pts, packet.pts + packet.duration, tuple(bytes(packet).decode().split("\n")))
            for packet in container.demux()
            if packet.pts is not None and packet.duration is not None
        ]
    assert read == shown
