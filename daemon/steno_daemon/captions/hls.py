"""Live captions for HTTP Live Streaming: a playlist and WebVTT segments of equal length (RFC 8216).

A segment is listed once nothing in it can change any more. A cue on a border is in both segments,
whole, as players expect it. The clock of the captions begins with the first sample of the session;
`X-TIMESTAMP-MAP` says which MPEG-2 time of the picture that is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from steno_daemon.captions import webvtt
from steno_daemon.captions.cues import Cue

MPEGTS_HZ = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmenting:
    """How captions are cut into segments.

    Attributes:
        segment_s: length of each.
        window: segments that a playlist lists while the session runs.
        mpegts: MPEG-2 time, at 90 kHz, of the picture that belongs to the first sample.
    """

    segment_s: int = 6
    window: int = 600
    mpegts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far the captions of a session reach.

    Attributes:
        fixed_s: up to where nothing changes any more.
        ended: whether nothing comes after that.
        began_at: when the first sample was heard, in seconds since 1970.
    """

    fixed_s: float
    ended: bool
    began_at: float


def available(extent: Extent, rules: Segmenting) -> int:
    """Return how many segments can be fetched."""
    count = extent.fixed_s / rules.segment_s
    return max(1, math.ceil(count)) if extent.ended else math.floor(count)


def playlist(extent: Extent, rules: Segmenting, *, query: str = "") -> str:
    """Return the playlist of the newest segments.

    Args:
        extent: how far the captions reach.
        rules: how they are cut.
        query: put behind the address of every segment, as `name=value&…`.
    """
    count = available(extent, rules)
    first = max(0, count - rules.window)
    head = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{rules.segment_s}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
    ]
    suffix = f"?{query}" if query else ""
    for number in range(first, count):
        if number == first:
            head.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date(extent, number * rules.segment_s)}")
        length_s = float(rules.segment_s)
        if extent.ended and number == count - 1:
            length_s = max(0.001, extent.fixed_s - number * rules.segment_s)
        head += [f"#EXTINF:{length_s:.3f},", f"segment-{number}.vtt{suffix}"]
    if extent.ended:
        head.append("#EXT-X-ENDLIST")
    return "\n".join(head) + "\n"


def segment(cues: Sequence[Cue], rules: Segmenting) -> str:
    """Return the text of a segment.

    Args:
        cues: those that any part of it shows, with their own times.
        rules: how captions are cut.
    """
    header = f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{rules.mpegts}\n\n"
    return header + webvtt.render(cues)


def _date(extent: Extent, after_s: float) -> str:
    """Return a point of the stream as a date that ISO 8601 knows, with milliseconds."""
    date = datetime.fromtimestamp(extent.began_at + after_s, UTC)
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
