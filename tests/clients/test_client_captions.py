"""Caption files that grow with a stream: whole after every final, and like those written late."""

from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from tests.daemon.captioning import conversations, parse, spoken, transcripts

from steno_clients.growing import GrowingCaptions
from steno_clients.watch import Watching
from steno_daemon.captions.cues import cues
from steno_daemon.captions.webvtt import HEADER
from steno_daemon.wire import Final


@given(finals=transcripts(longest=15))
@settings(max_examples=12, deadline=None)
def test_a_growing_file_is_valid_after_every_final(
    tmp_path_factory: pytest.TempPathFactory, finals: list[Final]
) -> None:
    folder = tmp_path_factory.mktemp("growing")
    as_srt, as_vtt = (
        GrowingCaptions.srt(folder / "a.srt"),
        GrowingCaptions.vtt(folder / "a.vtt"),
    )
    assert (folder / "a.vtt").read_text() == HEADER
    for count, final in enumerate(finals, 1):
        as_srt.show(final)
        as_vtt.show(final)
        shown = cues(finals[:count])
        assert parse((folder / "a.srt").read_text()) == shown
        assert parse((folder / "a.vtt").read_text()) == shown
    as_srt.close()
    as_vtt.close()


@given(finals=conversations())
@settings(max_examples=12, deadline=None)
def test_finals_of_several_channels_grow_forward_in_the_order_they_came(
    tmp_path_factory: pytest.TempPathFactory, finals: list[Final]
) -> None:
    path = tmp_path_factory.mktemp("growing") / "a.vtt"
    growing = GrowingCaptions.vtt(path)
    growing.begin(Watching(session="s", label="", language_model="general", channels=2))
    for final in finals:
        growing.show(final)
        shown = parse(path.read_text())
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(shown))
    said = " ".join(final.text for final in finals).replace(" ", "")
    assert "".join("".join(cue.lines) for cue in shown).replace(" ", "") == said
    assert {cue.channel for cue in shown} == {final.channel for final in finals}
    growing.close()


def test_ffmpeg_reads_a_file_that_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    growing = GrowingCaptions.srt(path)
    for segment in range(3):
        growing.show(spoken([(f"word{segment}", segment + 0.0, segment + 0.5)], segment=segment))
        with av.open(path) as container:
            read = [(p.pts, bytes(p)) for p in container.demux() if p.pts is not None]
        assert read == [(1000 * n, f"word{n}".encode()) for n in range(segment + 1)]
    growing.close()
