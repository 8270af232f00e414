"""What a terminal shows: read back from what is written to it."""

import io
import json
import re

import msgspec
import numpy as np
import pytest
from rich.console import Console

from steno_clients.render import (
    Captions,
    EventLines,
    Meter,
    PlainLines,
    batch_progress,
    clock,
    styled,
)
from steno_clients.watch import Watching
from steno_daemon.wire import (
    Endpoint,
    EndpointReason,
    Error,
    ErrorCode,
    Final,
    Partial,
    Pong,
    SpeechStarted,
)


def _terminal(*, width: int = 40, height: int = 12) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=width, height=height, highlight=False, _environ={}
    )
    return console, out


def _plain(text: str) -> list[str]:
    """Returns lines without colours and without the spaces that fill them."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;?]*\w", "", text).splitlines()]


def _picture(captions: Captions) -> list[str]:
    """Returns what stands below the finals, as another terminal of that width would show it."""
    console, out = _terminal()
    console.print(captions.picture())
    return _plain(out.getvalue())


def _partial(text: str, stable_chars: int = 0) -> Partial:
    return Partial(seq=0, segment=0, text=text, stable_chars=stable_chars, start=61.0)


FINAL = Final(seq=0, segment=0, text="it was", start=3661.2, end=3662.0, confidence=1.0)
END = Endpoint(seq=0, segment=0, time=1.0, reason=EndpointReason.TRAILING_SILENCE)


def test_only_what_may_change_is_dim() -> None:
    text = styled(_partial("it was the worst", stable_chars=6))
    assert text.plain == "it was the worst"
    assert [(span.start, span.end, span.style) for span in text.spans] == [(6, 16, "dim")]


def test_a_hypothesis_wraps_beside_its_time_and_goes_when_it_is_final() -> None:
    console, out = _terminal()
    captions = Captions(console, title="clip")
    with captions:
        captions.show(SpeechStarted(seq=0, segment=0, time=61.0))
        captions.show(_partial("it was the best of times it was the worst"))
        assert _picture(captions) == [
            "0:01:01  it was the best of times it was",
            "         the worst",
            "",
            "● 0:01:01  clip  ·  Ctrl-C ends",
        ]
        captions.show(FINAL)
        captions.show(END)
        assert _picture(captions)[1].startswith("○ 1:01:02  clip")
    assert "1:01:01  it was" in _plain(out.getvalue())
    assert "\x1b[1mit was" in out.getvalue()


def test_a_segment_that_ends_without_words_leaves_nothing() -> None:
    console, out = _terminal()
    with Captions(console, title="clip") as captions:
        captions.show(_partial("hm"))
        captions.show(END)
        assert "hm" not in "".join(_picture(captions))
    assert "1:01:01" not in out.getvalue()


def test_of_a_hypothesis_higher_than_the_screen_the_newest_lines_stay() -> None:
    console, _ = _terminal(height=6)
    captions = Captions(console, title="clip")
    with captions:
        captions.show(_partial(" ".join(f"word{n}" for n in range(100))))
        shown = _picture(captions)
    assert len(shown) == 5
    assert shown[2].endswith("word99")


def test_faults_and_silence_between_captions() -> None:
    console, out = _terminal()
    with Captions(console, title="clip") as captions:
        before = len(out.getvalue())
        captions.show(Pong(seq=0, id=1))
        assert len(out.getvalue()) == before
        captions.show(Error(seq=0, code=ErrorCode.INTERNAL, message="odd", fatal=False))
    assert "internal: odd" in _plain(out.getvalue())


def test_the_clock_and_the_meter_follow_the_audio_where_there_is_some() -> None:
    console, _ = _terminal(width=60)
    with Captions(console, title="clip") as captions:
        captions.heard(np.ones(32_000, np.float32))
        assert _picture(captions)[-1] == "○ 0:00:02             █  clip  ·  Ctrl-…"


def test_channels_of_a_watched_session_are_told_apart() -> None:
    console, out = _terminal(width=60)
    with Captions(console, title="waiting") as captions:
        assert _picture(captions)[-1] == "○ 0:00:00  waiting  ·  Ctrl-C ends"
        captions.show(FINAL)
        captions.begin(Watching(session="f00", label="talk", channels=2))
        for channel, text in enumerate(("left", "right")):
            captions.show(SpeechStarted(seq=0, segment=0, channel=channel, time=61.0))
            partial = _partial(text)
            captions.show(msgspec.structs.replace(partial, channel=channel))
        captions.show(END)
        assert _picture(captions) == ["0:01:01  2: right", "", "● 0:01:01  talk  ·  Ctrl-C ends"]
        captions.notice("trying again")
        assert _picture(captions)[-1].startswith("● 0:01:01  trying again  ·  talk")
        captions.notice("")
        captions.show(msgspec.structs.replace(FINAL, channel=1))
        captions.begin(Watching(session="f00"))
        assert _picture(captions) == ["", "○ 0:00:00  session f00  ·  Ctrl-C ends"]
    assert "1:01:01  2: it was" in _plain(out.getvalue())


def test_plain_lines_tell_channels_apart_and_events_name_what_is_watched() -> None:
    plain, events = io.StringIO(), io.StringIO()
    for lines in (PlainLines(plain), EventLines(events)):
        lines.begin(Watching(session="f00", label="talk", channels=2))
        lines.heard(np.zeros(10, np.float32))
        lines.show(FINAL)
    assert plain.getvalue() == "1:01:01  1: it was\n"
    about, final = (json.loads(line) for line in events.getvalue().splitlines())
    assert (about["type"], about["label"], final["text"]) == ("watching", "talk", "it was")


def test_the_meter_rises_with_the_sound() -> None:
    meter = Meter()
    tenth = np.ones(1_600, np.float32)
    for level in (0.0, 0.003, 0.03, 1.0):
        assert meter.accept(level * tenth)
    assert not meter.accept(tenth[:100])
    assert meter.picture().strip() == "▁▄█"
    assert meter.seconds == pytest.approx(0.40625)


def test_plain_lines_are_finals_and_faults() -> None:
    out = io.StringIO()
    lines = PlainLines(out)
    lines.heard(np.zeros(10, np.float32))
    for event in (_partial("it"), FINAL, END):
        lines.show(event)
    lines.show(Error(seq=0, code=ErrorCode.INVALID_AUDIO, message="odd", fatal=False))
    assert out.getvalue() == "1:01:01  it was\ninvalid_audio: odd\n"


def test_progress_is_silent_where_nobody_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    with batch_progress(10.0) as advance:
        advance(4.0)
        print("result")  # noqa: T201
    assert capsys.readouterr() == ("result\n", "")


def test_times_are_written_in_hours() -> None:
    assert [clock(seconds) for seconds in (0, 59.99, 3600, 36_061)] == [
        "0:00:00",
        "0:00:59",
        "1:00:00",
        "10:01:01",
    ]
