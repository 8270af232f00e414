"""What a session has to say: numbered when it is taken, so that a slow reader skips no number."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from steno_daemon import wire
from steno_daemon.transcript import UNNUMBERED

_PASSING = wire.Partial | wire.Acknowledged | wire.Pong | wire.Load | wire.Resumed
RETAINED_EVENTS = 10_000
"""Events that a client may ask for again, more than twelve hours of talk."""


def nobody(_content: wire.ServerMessage | wire.ClientMessage | bytes) -> None:
    """Take no notice."""


class Outbox:
    """Events in order. Of partials nobody took yet only the newest stays; finals all stay.

    What was taken is kept for a client that comes back: all but partials and acknowledgements,
    which newer ones replace.

    Args:
        observe: hears of every event when it is added, also of those that are never taken.

    Attributes:
        word_times: whether the client wants the words of finals; who observes always gets them.
    """

    def __init__(self, observe: Callable[[wire.ServerMessage], None] = nobody) -> None:
        self.word_times = False
        self._observe = observe
        self._events: list[wire.ServerMessage] = []
        self._acknowledged: wire.Acknowledged | None = None
        self._retained: deque[wire.ServerMessage] = deque(maxlen=RETAINED_EVENTS)
        self._again: list[wire.ServerMessage] = []
        self._next_seq = 0

    def __len__(self) -> int:
        return len(self._again) + len(self._events) + (self._acknowledged is not None)

    def add(self, event: wire.ServerMessage) -> None:
        """Put an event at the end; a newer partial or acknowledgement replaces an older one."""
        self._observe(event)
        if isinstance(event, wire.Acknowledged):
            self._acknowledged = event
            return
        if isinstance(event, wire.Final) and not self.word_times:
            event = _without_words(event)
        if isinstance(event, wire.Closed):
            self._flush_acknowledged()
        if isinstance(event, wire.Partial):
            self._events = [old for old in self._events if not _replaces(event, old)]
        self._events.append(event)

    def take(self) -> list[wire.ServerMessage]:
        """Return the events since the last call, numbered without gaps; old ones again first."""
        self._flush_acknowledged()
        taken = [
            msgspec.structs.replace(event, seq=seq)
            for seq, event in enumerate(self._events, self._next_seq)
        ]
        self._next_seq += len(taken)
        self._events.clear()
        self._retained += [event for event in taken if is_durable(event)]
        again, self._again = self._again, []
        return again + taken

    def unknown_word(self, name: str) -> wire.UnknownWord | None:
        """Return the unknown word of that id that was told of, the newest; None where none was."""
        for event in (*reversed(self._events), *reversed(self._retained)):
            if isinstance(event, wire.UnknownWord) and event.id == name:
                return event
        return None

    def rewind(self, resumed: wire.Resumed) -> None:
        """Begin again after the event that `resumed` names: it goes out first, then what follows.

        Raises:
            LookupError: some of that is forgotten.
        """
        oldest = self._retained[0].seq if self._retained else 0
        forgot = len(self._retained) == RETAINED_EVENTS and oldest > resumed.seq + 1
        if forgot:
            raise LookupError(f"expected a number of {oldest - 1} or more, found {resumed.seq}")
        self._next_seq = max(self._next_seq, resumed.seq + 1)
        self._again = [resumed, *(event for event in self._retained if event.seq > resumed.seq)]

    def restore(self, retained: Iterable[wire.ServerMessage]) -> None:
        """Go on behind the events that an earlier life of this session sent."""
        self._retained.extend(retained)
        if self._retained:
            self._next_seq = self._retained[-1].seq + 1

    def _flush_acknowledged(self) -> None:
        """Put the newest acknowledgement behind what it acknowledges."""
        if self._acknowledged is not None:
            self._events.append(self._acknowledged)
            self._acknowledged = None


def _without_words(event: wire.Final) -> wire.Final:
    """Return a final without the places of its words."""
    replace = msgspec.structs.replace
    entries = event.alternatives
    bare = None if entries is None else tuple(replace(entry, words=None) for entry in entries)
    return replace(event, words=None, alternatives=bare, written_words=None)


def _replaces(new: wire.Partial, old: wire.ServerMessage) -> bool:
    """Return whether nobody needs the old event once the new one is there."""
    return (
        isinstance(old, wire.Partial)
        and (old.channel, old.segment) == (new.channel, new.segment)
        and old.seq == UNNUMBERED
    )


def to_keep(events: Sequence[wire.ServerMessage]) -> list[wire.ServerMessage]:
    """Return those events without which the session cannot go on elsewhere.

    These are what a client may have missed; and where the session is over, how much audio it was
    told is needed no more: no checkpoint lies behind that.
    """
    over = bool(events) and isinstance(events[-1], wire.Closed)
    return [
        event
        for event in events
        if is_durable(event) or (over and isinstance(event, wire.Acknowledged))
    ]


def is_durable(event: wire.ServerMessage) -> bool:
    """Return whether a client that missed the event needs it."""
    return not isinstance(event, _PASSING)
