"""What a session has to say: numbered when it is taken, so that a slow reader skips no number."""

import msgspec

from steno_daemon import wire


class Outbox:
    """Events in order. Of partials nobody took yet only the newest stays; finals all stay."""

    def __init__(self) -> None:
        self._events: list[wire.ServerMessage] = []
        self._acknowledged: wire.Acknowledged | None = None
        self._next_seq = 0

    def __len__(self) -> int:
        return len(self._events) + (self._acknowledged is not None)

    def add(self, event: wire.ServerMessage) -> None:
        """Put an event at the end; a newer partial or acknowledgement replaces an older one."""
        if isinstance(event, wire.Acknowledged):
            self._acknowledged = event
            return
        if isinstance(event, wire.Closed):
            self._flush_acknowledged()
        last = self._events[-1] if self._events else None
        if (
            isinstance(event, wire.Partial)
            and isinstance(last, wire.Partial)
            and last.segment == event.segment
        ):
            self._events.pop()
        self._events.append(event)

    def take(self) -> list[wire.ServerMessage]:
        """Return the events since the last call, numbered without gaps."""
        self._flush_acknowledged()
        taken = [
            msgspec.structs.replace(event, seq=seq)
            for seq, event in enumerate(self._events, self._next_seq)
        ]
        self._next_seq += len(taken)
        self._events.clear()
        return taken

    def _flush_acknowledged(self) -> None:
        """Put the newest acknowledgement behind what it acknowledges."""
        if self._acknowledged is not None:
            self._events.append(self._acknowledged)
            self._acknowledged = None
