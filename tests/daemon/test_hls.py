"""Captions of a running session as files: whole ones, and live segments that never change."""

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.captioning import conversations, parse, spoken

from steno_daemon.captions.cues import Cue, CueRules, cues
from steno_daemon.captions.export import Exporter
from steno_daemon.captions.hls import Segmenting
from steno_daemon.captions.hub import Hub, Topic
from steno_daemon.captions.track import Track
from steno_daemon.wire import Acknowledged, CloseReason, Final

RATE = 8_000


def _topic(*, channels: int = 1, history_events: int = 20_000) -> Topic:
    moments = iter([1_000_000_000.0, 1_000_001_000.0])
    hub = Hub(60.0, history_events=history_events, wall=lambda: next(moments))
    return hub.open("s", label="", language_model="general", channels=channels, rate=RATE)


def _settled(seconds: float) -> Acknowledged:
    return Acknowledged(seq=0, samples=round(RATE * seconds))


def _numbers(playlist: str) -> list[int]:
    return [int(number) for number in re.findall(r"^segment-(\d+)\.vtt", playlist, re.MULTILINE)]


async def test_a_playlist_lists_what_cannot_change_any_more() -> None:
    topic, exporter = _topic(), Exporter(segmenting=Segmenting(mpegts=900_000))
    assert await exporter.playlist(topic) == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n"
    )
    topic.publish(spoken([("early", 1.0, 1.5)]))
    topic.publish(_settled(5.0))
    assert _numbers(await exporter.playlist(topic)) == []
    topic.publish(spoken([("on", 5.6, 6.0), ("border", 6.0, 6.6)], segment=1))
    topic.publish(_settled(12.5))
    assert await exporter.playlist(topic, query="token=t&delay_ms=0") == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PROGRAM-DATE-TIME:2001-09-09T01:46:40.000Z\n"
        "#EXTINF:6.000,\nsegment-0.vtt?token=t&delay_ms=0\n"
        "#EXTINF:6.000,\nsegment-1.vtt?token=t&delay_ms=0\n"
    )
    assert await exporter.segment(topic, 0) == (
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n"
        "00:00:01.000 --> 00:00:02.000\nearly\n\n"
        "00:00:05.600 --> 00:00:06.600\non border\n\n"
    )
    assert await exporter.segment(topic, 1) == (
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n"
        "00:00:05.600 --> 00:00:06.600\non border\n\n"
    )
    assert await exporter.segment(topic, 2) is None
    assert await exporter.segment(topic, -1) is None


async def test_silence_is_listed_as_it_passes_and_the_end_ends_the_list() -> None:
    topic, exporter = _topic(), Exporter()
    topic.publish(_settled(18.1))
    assert _numbers(await exporter.playlist(topic)) == [0, 1, 2]
    topic.publish(_settled(19.5))
    topic.end(CloseReason.STOPPED)
    assert (await exporter.playlist(topic)).endswith(
        "#EXTINF:6.000,\nsegment-2.vtt\n#EXTINF:1.500,\nsegment-3.vtt\n#EXT-X-ENDLIST\n"
    )
    assert parse(await exporter.segment(topic, 3) or "?") == []


async def test_a_cue_that_may_still_grow_is_not_listed() -> None:
    topic, exporter = _topic(), Exporter()
    topic.publish(spoken([("word" * 8, 4.0, 5.0)]))
    topic.publish(_settled(6.1))  # whether another one replaces it before 6.0 is not known …
    assert _numbers(await exporter.playlist(topic)) == [0]
    longer = _topic()
    longer.publish(spoken([("word" * 8, 5.0, 5.9)]))
    longer.publish(_settled(6.1))  # … but here it is not known whether it stays until 6.9
    assert _numbers(await exporter.playlist(longer)) == []
    longer.publish(spoken([("next", 6.2, 6.5)], segment=1))
    longer.publish(_settled(6.3))
    assert _numbers(await exporter.playlist(longer)) == [0]


async def test_a_session_without_a_word_has_one_segment_when_it_is_over() -> None:
    topic, exporter = _topic(), Exporter()
    topic.end(CloseReason.STOPPED)
    assert (await exporter.playlist(topic)).endswith(
        "#EXTINF:0.001,\nsegment-0.vtt\n#EXT-X-ENDLIST\n"
    )
    assert parse(await exporter.segment(topic, 0) or "?") == []
    assert await exporter.webvtt(topic) == "WEBVTT\n\n"
    assert await exporter.srt(topic) == ""


async def test_a_playlist_lists_the_newest_segments_only_and_the_others_stay() -> None:
    topic, exporter = _topic(), Exporter(segmenting=Segmenting(segment_s=2, window=3))
    topic.publish(_settled(21.0))
    playlist = await exporter.playlist(topic)
    assert "#EXT-X-MEDIA-SEQUENCE:7\n" in playlist
    assert "#EXT-X-PROGRAM-DATE-TIME:2001-09-09T01:46:54.000Z\n" in playlist
    assert _numbers(playlist) == [7, 8, 9]
    assert await exporter.segment(topic, 0) is not None


async def test_a_delay_moves_cues_to_other_segments() -> None:
    topic, exporter = _topic(), Exporter(delay_ms=6_000)
    topic.publish(spoken([("word", 1.0, 1.5)]))
    topic.publish(_settled(7.0))
    assert _numbers(await exporter.playlist(topic)) == [0, 1]
    assert parse(await exporter.segment(topic, 0) or "?") == []
    assert parse(await exporter.segment(topic, 1) or "?") == [Cue(7_000, 8_000, ("word",))]
    earlier = await exporter.segment(topic, 0, delay_ms=-500)
    assert earlier is not None
    assert parse(earlier) == [Cue(500, 1_500, ("word",))]
    assert parse(await exporter.srt(topic)) == [Cue(7_000, 8_000, ("word",))]
    assert parse(await exporter.webvtt(topic, delay_ms=-1_500)) == [Cue(0, 500, ("word",))]


async def _told(finals: list[Final], topic: Topic) -> AsyncIterator[None]:
    """Publishes finals as a session does: the audio before a word to come is never settled."""
    for place, final in enumerate(finals):
        topic.publish(final)
        yield
        ahead = [later.start for later in finals[place + 1 :]]
        topic.publish(_settled(int(RATE * min([final.end, *ahead])) / RATE))
        yield
    topic.end(CloseReason.STOPPED)
    yield


@given(conversations(), st.sampled_from([-700, 0, 2_500]))
@settings(max_examples=20, deadline=None)
def test_a_segment_never_changes_and_all_of_them_are_the_whole(
    finals: list[Final], delay_ms: int
) -> None:
    async def play() -> None:
        rules = Segmenting(segment_s=2, window=10_000)
        topic, exporter = _topic(channels=2), Exporter(segmenting=rules, delay_ms=delay_ms)
        fetched: dict[int, str] = {}
        listed: list[int] = []
        async for _ in _told(finals, topic):
            before, listed = listed, _numbers(await exporter.playlist(topic))
            assert listed[: len(before)] == before
            for number in listed:
                text = await exporter.segment(topic, number)
                assert text is not None
                assert fetched.setdefault(number, text) == text
            assert await exporter.segment(topic, len(listed)) is None
        shown = {cue: None for number in listed for cue in parse(fetched[number])}
        whole = parse(await exporter.webvtt(topic))
        assert list(shown) == whole
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(whole))
        for number in listed:
            begin, end = 2_000 * number, 2_000 * number + 2_000
            inside = [cue for cue in whole if cue.start_ms < end and cue.end_ms > begin]
            assert parse(fetched[number]) == inside

    asyncio.run(play())


@given(conversations())
@settings(max_examples=20, deadline=None)
def test_cues_in_the_making_are_those_of_the_whole_transcript(finals: list[Final]) -> None:
    track = Track(CueRules(lines=1), channels=2)
    for final in finals:
        track.add(final)
    assert track.cues() == cues(finals, CueRules(lines=1), channels=2)
    track.settle(float("inf"))
    assert track.fixed == cues(finals, CueRules(lines=1), channels=2)


def test_a_word_before_what_is_settled_is_shown_late_instead_of_changing_the_past() -> None:
    track = Track()
    track.add(spoken([("a", 1.0, 1.5)]))
    track.settle(5_000)
    assert track.fixed == [Cue(1_000, 2_000, ("a",))]
    track.add(spoken([("b", 1.2, 1.4)]))
    assert track.cues() == [Cue(1_000, 2_000, ("a",)), Cue(5_000, 6_000, ("b",))]


async def test_captions_older_than_the_history_are_said_to_be_missing() -> None:
    topic, exporter = _topic(history_events=8), Exporter()
    for second in range(30):
        topic.publish(spoken([(f"word{second}", second + 0.0, second + 0.4)], segment=second))
    text = await exporter.webvtt(topic)
    first = topic.oldest
    note = f"NOTE Captions before 00:00:{first:02}.000 are no longer kept.\n\n"
    assert text.startswith(f"WEBVTT\n\n{note}00:00:{first:02}.000 --> ")
    assert len(parse(text.replace(note, ""))) == 30 - first


async def test_many_who_ask_at_once_get_the_same_and_others_run_meanwhile() -> None:
    topic, exporter = _topic(), Exporter()
    for second in range(200):
        topic.publish(spoken([(f"word{second}", second + 0.0, second + 0.4)], segment=second))
    tasks = [asyncio.create_task(exporter.srt(topic)) for _ in range(3)]
    turns = 0
    while not all(task.done() for task in tasks):
        turns += 1
        await asyncio.sleep(0)
    texts = [task.result() for task in tasks]
    assert texts[0] == texts[1] == texts[2]
    assert len(parse(texts[0])) == 200
    assert turns > 10


@pytest.mark.parametrize("form", ["srt", "vtt", "segment"])
async def test_ffmpeg_reads_what_is_exported(tmp_path: Path, form: str) -> None:
    topic, exporter = _topic(channels=2), Exporter()
    topic.publish(spoken([("good", 1.0, 1.5), ("morning", 1.5, 2.0)]))
    topic.publish(spoken([("hello", 3.0, 3.5)], channel=1))
    topic.publish(_settled(9.0))
    match form:
        case "srt":
            text: str | None = await exporter.srt(topic)
            labels = ("1: ", "2: ")
        case "vtt":
            text = await exporter.webvtt(topic)
            labels = ("<v Channel 1>", "<v Channel 2>")
        case _:
            text = await exporter.segment(topic, 0)
            labels = ("<v Channel 1>", "<v Channel 2>")
    path = tmp_path / f"captions.{'srt' if form == 'srt' else 'vtt'}"
    path.write_text(text or "")
    with av.open(path) as container:
        read = [(p.pts, p.duration, bytes(p).decode()) for p in container.demux() if p.size]
    assert read == [(1000, 1000, f"{labels[0]}good morning"), (3000, 1000, f"{labels[1]}hello")]


async def test_ffmpeg_plays_the_segments_of_a_playlist(tmp_path: Path) -> None:
    topic, exporter = _topic(), Exporter()
    for place in range(10):
        start = 2.0 * place
        topic.publish(spoken([(f"word{place}", start, start + 0.5)], segment=place))
    topic.publish(_settled(25.0))
    topic.end(CloseReason.STOPPED)
    playlist = await exporter.playlist(topic)
    (tmp_path / "index.m3u8").write_text(playlist)
    for number in _numbers(playlist):
        (tmp_path / f"segment-{number}.vtt").write_text(await exporter.segment(topic, number) or "")
    trust = {"allowed_extensions": "ALL", "extension_picky": "0"}
    with av.open(str(tmp_path / "index.m3u8"), options=trust) as container:
        read = [(p.pts, p.duration, bytes(p).decode()) for p in container.demux() if p.size]
    assert read == [(2_000 * place, 1_000, f"word{place}") for place in range(10)]
