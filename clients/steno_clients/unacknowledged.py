"""What was sent and may be needed again: audio, and the messages between it, in their order.

Without sockets and without a clock. A stream counts its audio in bytes; a message belongs to the
byte before which it was sent, so that whoever gets both again, from any byte on, hears the same.
"""

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from steno_clients.encoding import block_bytes
from steno_clients.errors import ProtocolError
from steno_daemon.wire import (
    AddWords,
    Configure,
    ConfirmWord,
    Finalize,
    Finalized,
    Ping,
    Pong,
    Resumed,
    Start,
    Stop,
)

_CONTAINER_BYTES_PER_S = 64_000
"""No Opus stream has more."""

Content: TypeAlias = bytes | Configure | AddWords | ConfirmWord | Finalize | Ping | Stop


@dataclass(frozen=True, slots=True)
class _Piece:
    """Audio or a message at its place.

    Attributes:
        position: bytes of audio before it.
        content: the audio, or the message.
    """

    position: int
    content: Content

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return len(self.content) if isinstance(self.content, bytes) else 0

    def is_before(self, position: int) -> bool:
        """Return whether one who has the audio up to a position has had this for sure.

        Of a message that came right behind that audio nobody knows whether it was lost.
        """
        if isinstance(self.content, bytes):
            return self.position + self.size <= position
        return self.position < position


class Unacknowledged:
    """The outgoing side of a stream, from what the daemon may need again to what waits to be sent.

    Args:
        start: the form of the audio.
        limit_s: how much audio may be held; a container's length in seconds is not known, hence
            there it is about the most that such a file can take.
        is_kept: whether what was sent may be needed again, and is held.

    Attributes:
        is_kept: whether what was sent is held.
        position: bytes of audio appended so far.
    """

    def __init__(self, start: Start, *, limit_s: float, is_kept: bool) -> None:
        self.is_kept = is_kept
        self.position = 0
        self._width = block_bytes(start)
        self._rounding = start.rate // 16_000 + 1
        self._limit_bytes = round(limit_s * (start.rate * (self._width or 0)))
        if self._width is None:
            self._limit_bytes = round(limit_s * _CONTAINER_BYTES_PER_S)
        self._sent: deque[_Piece] = deque()
        self._sent_bytes = 0
        self._waiting: deque[_Piece] = deque()
        self._waiting_bytes = 0
        self._pings: list[Ping] = []
        self._finalizes: list[int] = []

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._waiting)

    @property
    def held_bytes(self) -> int:
        """Bytes of audio that wait, to be sent or to be acknowledged."""
        return self._waiting_bytes + self._sent_bytes

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes may be appended; where nothing is held, always.

        Of a container old audio is forgotten instead, for what is acknowledged is no place in it.
        """
        held = self._waiting_bytes if self._width is None else self.held_bytes
        return size == 0 or held == 0 or held + size <= self._limit_bytes

    def append(self, content: Content) -> None:
        """Put audio or a message at the end, to be sent."""
        piece = _Piece(self.position, content)
        self._waiting.append(piece)
        self._waiting_bytes += piece.size
        self.position += piece.size
        if isinstance(content, Finalize):
            self._finalizes.append(piece.position)

    def next(self) -> Content:
        """Return what is to be sent next, and count it as sent."""
        piece = self._waiting.popleft()
        self._waiting_bytes -= piece.size
        if isinstance(piece.content, Ping):
            self._pings.append(piece.content)
        elif self.is_kept:
            self._forget_repeated(piece)
            self._sent.append(piece)
            self._sent_bytes += piece.size
            while self._width is None and self._sent_bytes > self._limit_bytes:
                self._forget_oldest()
        return piece.content

    def acknowledge(self, samples: int) -> None:
        """Forget what is not needed again once the daemon is done with so many samples."""
        if self._width is not None:
            while self._sent and self._sent[0].is_before(samples * self._width):
                self._forget_oldest()

    def rewind(self, resumed: Resumed) -> None:
        """Send again what the daemon lacks.

        Raises:
            ProtocolError: it lacks what was acknowledged, or has what was never sent.
        """
        wanted = resumed.bytes if self._width is None else resumed.samples * self._width
        end = self.position - self._waiting_bytes
        begin = end - self._sent_bytes
        if not begin <= wanted <= end:
            raise ProtocolError(
                f"expected to go on from between byte {begin} and {end} of the audio, "
                f"found that the daemon wants byte {wanted}"
            )
        while self._sent and not self._sent[-1].is_before(wanted):
            self._take_back(wanted)
        self._waiting.extendleft(_Piece(wanted, ping) for ping in reversed(self._pings))
        self._pings.clear()

    def is_answer(self, event: Pong | Finalized) -> bool:
        """Return whether a `ping` or `finalize` waits for this answer; from now on it does not.

        What was sent again may be answered again.
        """
        if isinstance(event, Pong):
            asked = [ping for ping in self._pings if ping.id == event.id]
            for ping in asked[:1]:
                self._pings.remove(ping)
            return bool(asked)
        samples = event.samples + self._rounding  # the daemon counts at a rate of its own
        asked_at = [
            place
            for place in self._finalizes
            if self._width is None or place <= samples * self._width
        ]
        for place in asked_at[:1]:
            self._finalizes.remove(place)
        return bool(asked_at)

    def _take_back(self, wanted: int) -> None:
        """Let the newest piece that was sent wait again, or as much of it as lies behind a byte."""
        piece = self._sent.pop()
        self._sent_bytes -= piece.size
        known = wanted - piece.position
        if isinstance(piece.content, bytes) and known > 0:
            self._sent.append(_Piece(piece.position, piece.content[:known]))
            self._sent_bytes += known
            piece = _Piece(wanted, piece.content[known:])
        self._waiting.appendleft(piece)
        self._waiting_bytes += piece.size

    def _forget_oldest(self) -> None:
        self._sent_bytes -= self._sent.popleft().size

    def _forget_repeated(self, piece: _Piece) -> None:
        """Forget the message before this one if it is the same, and nobody waits for its answer.

        Whoever asks again and again while nobody speaks would otherwise be remembered for ever.
        """
        awaited = isinstance(piece.content, Finalize) and self._finalizes.count(piece.position) > 1
        if self._sent and self._sent[-1] == piece and not awaited:
            self._sent.pop()
