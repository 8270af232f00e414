"""Where viewers find the captions of sessions: those that run, and for a while those that ended."""

import asyncio
import time
from collections.abc import Callable

from steno_daemon.captions.replacements import Replacements
from steno_daemon.captions.topic import About, Item, Lasting, MissedError, Shown, Topic, Viewer
from steno_daemon.wire import CloseReason

__all__ = [
    "LIVE",
    "About",
    "Hub",
    "Item",
    "Lasting",
    "MissedError",
    "Shown",
    "Topic",
    "Viewer",
]

_FULL_HISTORIES = 5
LIVE = "live"
"""Name under which the newest live session is found, whatever its own name is."""


class Hub:
    """The topics of a daemon; lives on the event loop.

    Args:
        keep_s: how long captions stay after their session ended.
        history_events: events that a topic keeps for viewers who come late or fall behind.
        topics_max: ended topics that are kept, as long as they have no more events together than
            five full histories; the longest ended one goes first.
        replacements: what captions show for some words.
        clock: returns seconds from any origin; never goes back.
        wall: returns seconds since 1970.
    """

    def __init__(
        self,
        keep_s: float,
        *,
        history_events: int = 20_000,
        topics_max: int = 100,
        replacements: Replacements | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._keep_s = keep_s
        self._history_events = history_events
        self._topics_max = topics_max
        self._replacements = replacements or Replacements()
        self._clock = clock
        self._wall = wall
        self._topics: dict[str, Topic] = {}
        self._waiting: set[asyncio.Future[Topic]] = set()

    def open(
        self, session: str, *, label: str, language_model: str, channels: int, rate: int = 16_000
    ) -> Topic:
        """Return the topic of a session that begins, and show it to who waits for one.

        Args:
            session: its name; a live topic of that name ends.
            label: what its client calls it.
            language_model: what it is decoded with.
            channels: transcripts that are told apart.
            rate: samples a second in which the session acknowledges audio.
        """
        previous = self._topics.pop(session, None)
        if previous is not None:
            previous.end(CloseReason.FAILED)
        topic = Topic(
            About(
                session=session,
                label=label,
                language_model=language_model,
                channels=channels,
                rate=rate,
            ),
            history_events=self._history_events,
            replacements=self._replacements,
            clock=self._clock,
            wall=self._wall,
        )
        self._topics[session] = topic
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(topic)
        self.purge()
        return topic

    def topics(self) -> list[Topic]:
        """Return every topic, the newest first."""
        self.purge()
        return list(reversed(self._topics.values()))

    def find(self, name: str) -> Topic | None:
        """Return the topic of a session, or of the newest live one if the name is `LIVE`."""
        topics = self.topics()
        if name == LIVE:
            return next((topic for topic in topics if topic.is_live), None)
        return self._topics.get(name)

    async def live(self) -> Topic:
        """Return the newest live topic, or wait for the next one that begins."""
        found = self.find(LIVE)
        return found if found is not None else await self.next()

    async def next(self) -> Topic:
        """Wait for the next topic that begins; it may even have ended when the wait is over."""
        waiting: asyncio.Future[Topic] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            return await waiting
        finally:
            self._waiting.discard(waiting)

    def purge(self) -> None:
        """Forget what ended too long ago, and the longest ended ones where too many are kept."""
        ended = [(t.ended_s, t) for t in self._topics.values() if t.ended_s is not None]
        ended.sort(key=lambda pair: pair[0], reverse=True)
        deadline_s = self._clock() - self._keep_s
        events = 0
        for place, (ended_s, topic) in enumerate(ended):
            events += topic.size
            too_many = place >= self._topics_max or events > _FULL_HISTORIES * self._history_events
            if too_many or ended_s <= deadline_s:
                del self._topics[topic.session]
