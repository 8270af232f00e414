"""Events between the task that receives them and whoever iterates over them."""

import asyncio
from collections import deque

from steno_daemon.wire import Acknowledged, Final, Load, Partial, ServerMessage

_CALM = 256
"""Events that may wait unread before hypotheses that newer ones replace are dropped."""


class Inbox:
    """Events received and not read yet, each once; hypotheses that newer ones replace may go.

    Args:
        seq: number of the last event that was received already.

    Attributes:
        seq: number of the last event that was received.
        verdict: what ended the session badly.
    """

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.verdict: Exception | None = None
        self._events: deque[ServerMessage] = deque()
        self._ended = False
        self._changed = asyncio.Event()

    def is_new(self, event: ServerMessage) -> bool:
        """Return whether an event was not received before, and count it as received."""
        if event.seq <= self.seq:
            return False
        self.seq = event.seq
        return True

    def put(self, event: ServerMessage) -> None:
        """Append an event."""
        if len(self._events) >= _CALM:
            self._events = deque(old for old in self._events if not _replaces(event, old))
        self._events.append(event)
        self._changed.set()

    def end(self, verdict: Exception | None) -> None:
        """Say that no more events come, and which error that is; the first to say it is right."""
        if self._ended:
            return
        self._ended = True
        self.verdict = verdict
        self._changed.set()

    async def get(self) -> ServerMessage | None:
        """Return the next event, or None after the last; raises the verdict if there is one."""
        while not self._events:
            if self._ended and self.verdict is not None:
                raise self.verdict
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()


def _replaces(new: ServerMessage, old: ServerMessage) -> bool:
    """Return whether nobody needs the old event once the new one is there."""
    match old, new:
        case Partial(), Partial() | Final():
            return (old.channel, old.segment) == (new.channel, new.segment)
        case (Acknowledged(), Acknowledged()) | (Load(), Load()):
            return True
        case _:
            return False
