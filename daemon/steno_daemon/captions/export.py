"""The captions of a topic as files: what the HTTP server answers with.

Cutting a final takes a millisecond or so, and a session may have thousands that nobody asked for
yet. So the work is done once, kept beside the topic, and shared with the loop in small pieces.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from steno_daemon.captions import hls, srt, webvtt
from steno_daemon.captions.cues import USUAL, Cue, CueRules, clock, shift
from steno_daemon.captions.hls import Extent, Segmenting
from steno_daemon.captions.topic import Topic
from steno_daemon.captions.track import Track
from steno_daemon.wire import Final

_EVENTS_AT_ONCE = 6
_CUES_AT_ONCE = 500


@dataclass(slots=True)
class _Work:
    """What is done for a topic: its cues, up to which event, and whether older ones are lost."""

    track: Track
    after: int = -1
    missed: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Exporter:
    """Captions as text; lives on the event loop, and never keeps it long.

    Args:
        rules: what a cue may be.
        segmenting: how live segments are cut.
        delay_ms: added to every time where the caller says no other.
    """

    def __init__(
        self,
        rules: CueRules = USUAL,
        segmenting: Segmenting | None = None,
        *,
        delay_ms: int = 0,
    ) -> None:
        self._rules = rules
        self._segmenting = segmenting or Segmenting()
        self._delay_ms = delay_ms
        self._works: WeakKeyDictionary[Topic, _Work] = WeakKeyDictionary()

    async def webvtt(self, topic: Topic, *, delay_ms: int | None = None) -> str:
        """Return all captions so far as WebVTT."""
        work = await self._catch_up(topic)
        cues, shifted_ms = work.track.cues(), self._shifted_ms(delay_ms)
        header = webvtt.HEADER
        if work.missed:
            begin = "".join(clock(cue.start_ms, mark=".") for cue in shift(cues[:1], shifted_ms))
            header += webvtt.note(f"Captions before {begin or 'these'} are no longer kept.")
        return header + await _in_pieces(cues, shifted_ms, lambda some, _: webvtt.render(some))

    async def srt(self, topic: Topic, *, delay_ms: int | None = None) -> str:
        """Return all captions so far as SubRip."""
        cues = (await self._catch_up(topic)).track.cues()
        return await _in_pieces(
            cues, self._shifted_ms(delay_ms), lambda some, first: srt.render(some, first=first)
        )

    async def playlist(self, topic: Topic, *, delay_ms: int | None = None, query: str = "") -> str:
        """Return the playlist of the live segments.

        Args:
            topic: the session.
            delay_ms: added to every time.
            query: put behind the address of every segment, as `name=value&…`: what the request
                for the playlist had, so that segments get the same delay and token.
        """
        extent = await self._extent(topic, delay_ms)
        return hls.playlist(extent, self._segmenting, query=query)

    async def segment(
        self, topic: Topic, number: int, *, delay_ms: int | None = None
    ) -> str | None:
        """Return a live segment; None if there is none of that number, or not yet."""
        extent = await self._extent(topic, delay_ms)
        if not 0 <= number < hls.available(extent, self._segmenting):
            return None
        shifted_ms = self._shifted_ms(delay_ms)
        length_ms = 1000 * self._segmenting.segment_s
        begin_ms = number * length_ms - shifted_ms
        cues = self._works[topic].track.between(begin_ms, begin_ms + length_ms)
        return hls.segment(shift(cues, shifted_ms), self._segmenting)

    def _shifted_ms(self, delay_ms: int | None) -> int:
        return self._delay_ms if delay_ms is None else delay_ms

    async def _extent(self, topic: Topic, delay_ms: int | None) -> Extent:
        """Return how far the captions of a topic reach, once they are cut."""
        track = (await self._catch_up(topic)).track
        fixed_ms = track.fixed_ms
        ended = math.isinf(fixed_ms)
        if ended:
            fixed_ms = max(1000 * topic.settled_s, *(cue.end_ms for cue in track.fixed[-1:]), 0)
        shifted_ms = self._shifted_ms(delay_ms)
        return Extent(
            fixed_s=max(0.0, (fixed_ms + shifted_ms) / 1000), ended=ended, began_at=topic.began_at
        )

    async def _catch_up(self, topic: Topic) -> _Work:
        """Return the cues of a topic, those of its newest finals among them."""
        work = self._works.get(topic)
        if work is None:
            track = Track(self._rules, channels=topic.about.channels)
            work = self._works[topic] = _Work(track)
        async with work.lock:  # many who ask at once share one piece of the loop
            while work.after < topic.newest:
                work.missed = work.missed or work.after < topic.oldest - 1
                for event in topic.lasting(work.after, most=_EVENTS_AT_ONCE):
                    work.after = event.seq
                    if isinstance(event, Final):
                        work.track.add(event)
                await asyncio.sleep(0)
            work.track.announce(1000 * topic.settled_s if topic.is_live else math.inf)
            more = True
            while more:
                more = work.track.fix(most=_CUES_AT_ONCE)
                await asyncio.sleep(0)
        return work


async def _in_pieces(
    cues: Sequence[Cue], shifted_ms: int, render: Callable[[Sequence[Cue], int], str]
) -> str:
    """Return the text of many cues; others may run between the pieces.

    Args:
        cues: all of them, with the times of the stream.
        shifted_ms: added to every time.
        render: returns the text of some cues, given the number of the first one.
    """
    pieces = []
    number = 1
    for first in range(0, len(cues), _CUES_AT_ONCE):
        shifted = shift(cues[first : first + _CUES_AT_ONCE], shifted_ms)
        pieces.append(render(shifted, number))
        number += len(shifted)
        await asyncio.sleep(0)
    return "".join(pieces)
