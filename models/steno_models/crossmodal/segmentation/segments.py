"""Pieces of recordings in time, with or without names, and the file that holds them.

A line of the file is one recording: {"key": …, "segments": [[start_s, end_s, "name"], …]}. True
words are written so, too, with the words as names.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from steno_models.crossmodal.sounds import Sounds
from steno_models.errors import DataError
from steno_models.training.lines import parse_lines, refuse_duplicates


class Segment(NamedTuple):
    """A piece of a recording.

    Attributes:
        start_s: when it begins.
        end_s: when it ends.
        name: of its cluster or word; empty if it has none.
    """

    start_s: float
    end_s: float
    name: str = ""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """The pieces of one recording, in order, without overlap.

    Attributes:
        key: of the recording.
        segments: of it; what lies between two is silence.
    """

    key: str
    segments: tuple[Segment, ...]


class Span(NamedTuple):
    """A segment in frames of a recording.

    Attributes:
        place: of the recording.
        first: frame.
        last: the frame after the last.
    """

    place: int
    first: int
    last: int


def write_segments(path: Path, recordings: Iterable[Recording]) -> None:
    """Write `recordings` to `path`.

    Raises:
        DataError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for each in recordings:
                rounded = [(round(s, 4), round(e, 4), name) for s, e, name in each.segments]
                line = {"key": each.key, "segments": rounded}
                file.write(msgspec.json.encode(line) + b"\n")
    except OSError as error:
        raise DataError(f"expected to write to {path}, found: {error}") from error


def read_segments(path: Path) -> list[Recording]:
    """Return the recordings in `path`.

    Raises:
        DataError: with every line that is no recording with segments in order.
    """
    found = parse_lines(path, _parse)
    refuse_duplicates(path, [each.key for each in found])
    if not found:
        raise DataError(f"{path}: expected recordings with segments, found none")
    return found


_decoder = msgspec.json.Decoder(Recording)


def _parse(line: str) -> Recording:
    try:
        found = _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise DataError(f"expected a recording with segments, found: {error}") from error
    now_s = 0.0
    for start_s, end_s, _ in found.segments:
        if not (math.isfinite(end_s) and now_s <= start_s + 1e-6 and start_s < end_s):
            raise DataError(
                f"{found.key}: expected segments one after the other, "
                f"found {start_s} to {end_s} s after {now_s} s"
            )
        now_s = end_s
    return found


def spans(
    recordings: Sequence[Recording],
    speech: Sounds,
    *,
    left_out: Callable[[str], None] = lambda _: None,
) -> tuple[list[Span], list[Segment]]:
    """Return the segments of `recordings` in frames of `speech`, and as they are.

    Args:
        recordings: in any order.
        speech: in which they are looked for.
        left_out: is told of recordings that are not there, and of segments without a frame.

    Raises:
        DataError: none is there.
    """
    places = {key: place for place, key in enumerate(speech.keys)}
    framed: list[Span] = []
    kept: list[Segment] = []
    for each in recordings:
        place = places.get(each.key)
        if place is None:
            left_out(f"{each.key}: expected among the recordings, found it is not")
            continue
        for segment in each.segments:
            first = speech.frame_at(place, segment.start_s)
            last = speech.frame_at(place, segment.end_s)
            if last <= first:
                left_out(
                    f"{each.key}: expected a segment of a frame or more, found "
                    f"{segment.start_s:.3f} to {segment.end_s:.3f} s"
                )
                continue
            framed.append(Span(place, first, last))
            kept.append(segment)
    if not framed:
        raise DataError("expected segments of these recordings, found none: are the keys others?")
    return framed, kept
