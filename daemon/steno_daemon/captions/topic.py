"""One session as its viewers see it: a bounded history that any number of them read at their pace.

What lasts (speech started, finals, endpoints, the end) is kept once and numbered; of hypotheses
only the newest of each channel is kept. A viewer is a place in that history: it costs no memory, a
slow one skips hypotheses and no final, and one that is too slow even for that is told so.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec

from steno_daemon.captions.replacements import Replacements
from steno_daemon.errors import StenoDaemonError
from steno_daemon.wire import (
    Acknowledged,
    Closed,
    CloseReason,
    Endpoint,
    Final,
    Partial,
    ServerMessage,
    SpeechStarted,
    Switched,
)

Lasting: TypeAlias = SpeechStarted | Final | Endpoint | Closed
Shown: TypeAlias = Lasting | Partial
Item: TypeAlias = tuple[int | None, Shown]
"""What a viewer gets: an event and the number to come back with; a hypothesis has none."""


class MissedError(StenoDaemonError):
    """A viewer wants events that are no longer kept.

    Attributes:
        oldest: number of the oldest one that is.
    """

    def __init__(self, *, wanted: int, oldest: int) -> None:
        super().__init__(
            f"the viewer was too slow: expected event {wanted}, found none kept before {oldest}"
        )
        self.oldest = oldest


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a session is, for those who choose one to watch.

    Attributes:
        session: its name.
        label: what its client calls it.
        language_model: what it is decoded with.
        channels: transcripts that are told apart.
        rate: samples a second in which its client counts.
    """

    session: str
    label: str = ""
    language_model: str = "general"
    channels: int = 1
    rate: int = 16_000


class Topic:
    """The captions of one session; lives on the event loop.

    Attributes:
        about: what the session is.
        began_s: when it began, by the hub's clock.
        began_at: when it began, in seconds since 1970.
        ended_s: when it ended, by the hub's clock; None while it is live.
        settled_s: seconds of the stream before which no caption will come any more.
    """

    def __init__(
        self,
        about: About,
        *,
        history_events: int,
        replacements: Replacements,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.about = about
        self.began_s = clock()
        self.began_at = wall()
        self.ended_s: float | None = None
        self.settled_s = 0.0
        self._clock = clock
        self._wall = wall
        self._replacements = replacements
        self._history_events = history_events
        self._history: list[Lasting] = []
        self._oldest = 0
        self._partials: dict[int, tuple[int, Partial]] = {}
        self._partials_published = 0
        self._news = asyncio.Event()
        self._waiting = 0
        self._is_waking = False

    @property
    def session(self) -> str:
        """Its name."""
        return self.about.session

    @property
    def is_live(self) -> bool:
        """Whether more events may come."""
        return self.ended_s is None

    @property
    def newest(self) -> int:
        """Number of the newest event that lasts, -1 before the first."""
        return self._oldest + len(self._history) - 1

    @property
    def oldest(self) -> int:
        """Number of the oldest event that is still kept."""
        return self._oldest

    @property
    def size(self) -> int:
        """How many events are kept."""
        return len(self._history)

    def publish(self, event: ServerMessage) -> None:
        """Show an event to every viewer, if it is one for viewers; after `closed`, none is."""
        if not self.is_live:
            return
        match event:
            case Partial():
                self._hold(self._replacements.partial(event))
            case Final():
                final = self._replacements.final(event)
                if final is None:
                    return
                self._append(msgspec.structs.replace(final, alternatives=None))  # one text for all
            case SpeechStarted() | Endpoint() | Closed():
                self._append(event)
            case Acknowledged():
                self._settle(event.samples / self.about.rate)
                return
            case Switched():
                self.about = replace(self.about, language_model=event.language_model)
                return
            case _:
                return
        self._wake_soon()

    def end(self, reason: CloseReason) -> None:
        """Say `closed` if that was not said."""
        self.publish(Closed(seq=0, reason=reason))

    def viewer(self, after: int = -1) -> "Viewer":
        """Return a new viewer.

        Args:
            after: number of the last event it has seen; -1 for one who wants all that is kept. A
                number that is not given out yet is from another life of the daemon and means -1.

        Raises:
            MissedError: events after that are no longer kept.
        """
        if 0 <= after < self._oldest - 1:
            raise MissedError(wanted=after + 1, oldest=self._oldest)
        return Viewer(self, self._oldest - 1 if after > self.newest else after)

    def before_last(self, finals: int) -> int:
        """Return the `after` of a viewer who wants no more than the last few finals."""
        index = len(self._history)
        while index > 0 and finals > 0:
            index -= 1
            finals -= isinstance(self._history[index], Final)
        return self._oldest + index - 1

    def lasting(self, after: int, *, most: int | None = None) -> Sequence[Lasting]:
        """Return the events after a number that last; those that are no longer kept are missing.

        Args:
            after: number of the event before them.
            most: how many at most.
        """
        begin = max(0, after + 1 - self._oldest)
        return self._history[begin : None if most is None else begin + most]

    def partials(self, after_version: int) -> tuple[list[Partial], int]:
        """Return the hypotheses newer than a version, and the version of the newest one ever."""
        newer = [partial for version, partial in self._partials.values() if version > after_version]
        return newer, self._partials_published

    async def news(self) -> None:
        """Wait for the next event."""
        self._waiting += 1
        try:
            await self._news.wait()
        finally:
            self._waiting -= 1

    def _settle(self, settled_s: float) -> None:
        """Note that every word before is known."""
        if (
            settled_s > 0.0 == self.settled_s
        ):  # a session that is taken up again began before its topic
            self.began_at = min(self.began_at, self._wall() - settled_s)
        self.settled_s = max(self.settled_s, settled_s)

    def _hold(self, partial: Partial) -> None:
        """Keep a hypothesis until a newer one or its final comes."""
        self._partials_published += 1
        shown = msgspec.structs.replace(partial, seq=self.newest)
        self._partials[partial.channel] = (self._partials_published, shown)

    def _append(self, event: Lasting) -> None:
        """Put an event at the end, and forget the oldest ones where there are too many."""
        match event:
            case Closed():
                self._partials.clear()
                self.ended_s = self._clock()
            case _:
                held = self._partials.get(event.channel)
                if held is not None and held[1].segment <= event.segment:
                    del self._partials[event.channel]
        self._history.append(msgspec.structs.replace(event, seq=self.newest + 1))
        surplus = len(self._history) - self._history_events
        if surplus > self._history_events // 4:  # not at every event: this moves the whole list
            del self._history[:surplus]
            self._oldest += surplus

    def _wake_soon(self) -> None:
        """Wake who waits in the loop's next round: once, however much is published in this one."""
        if self._waiting and not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._is_waking = False
        news, self._news = self._news, asyncio.Event()
        news.set()


class Viewer:
    """A place in the history of a topic.

    Attributes:
        skipped_partials: hypotheses that were published and never returned by `next`.
    """

    def __init__(self, topic: Topic, after: int) -> None:
        partials, version = topic.partials(-1)
        self.skipped_partials = 0
        self._topic = topic
        self._after = max(after, topic.oldest - 1)
        self._seen_version = -1
        self._counted = version - len(partials)

    async def next(self) -> list[Item]:
        """Wait for events and return them in order; none means that the topic has ended.

        It may be cancelled at any time without losing an event.

        Raises:
            MissedError: the viewer was so slow that events were forgotten before it saw them.
        """
        while True:
            items = self._take()
            if items or not self._topic.is_live:
                return items
            await self._topic.news()

    def _take(self) -> list[Item]:
        """Return what is new: every event that lasts, and the newest hypotheses in their places."""
        if self._after < self._topic.oldest - 1:
            raise MissedError(wanted=self._after + 1, oldest=self._topic.oldest)
        lasting = self._topic.lasting(self._after)
        partials, version = self._topic.partials(self._seen_version)
        self.skipped_partials += version - self._counted - len(partials)
        self._after = self._topic.newest
        self._seen_version = self._counted = version
        items: list[Item] = [(event.seq, event) for event in lasting]
        items += [(None, partial) for partial in partials]
        return sorted(items, key=lambda item: (item[1].seq, item[0] is None))
