"""What one client may take: messages, places, and time to say something.

Nothing here waits or reads a clock of its own: who counts says what time it is. How much audio a
session may send is counted by the session, in samples; how many sessions a token holds, by `auth`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from steno_daemon.errors import LimitError

MEAN_OVER_S = 10.0


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a connection may take to come to the point.

    A client that dribbles its request byte by byte gets no more time by it: each of these runs
    from the step before and is not prolonged by what arrives in between.

    Attributes:
        tls_handshake_s: from the connection to the end of the TLS handshake.
        request_s: from there, or from the answer before, to the last line of a request's head.
        first_message_s: from the WebSocket handshake to the first whole message.
        send_s: for a client to take what it is sent, before it is taken for gone.
        close_s: for a client to answer a close.
    """

    tls_handshake_s: float = 10.0
    request_s: float = 20.0
    first_message_s: float = 30.0
    send_s: float = 60.0
    close_s: float = 5.0


class MessageRate:
    """Counts the text messages of one connection: a token bucket.

    A burst may be as long as `mean_over_s` allows in the mean; then the bucket fills by `per_s`.

    Args:
        per_s: messages a second, in the mean.
        mean_over_s: seconds over which the mean is taken.
        clock: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        per_s: float,
        *,
        mean_over_s: float = MEAN_OVER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s * mean_over_s)
        self._clock = clock
        self._left = self._most
        self._since_s = clock()

    def take(self) -> None:
        """Count one message.

        Raises:
            LimitError: it is one too many; it is not counted, and the error says when it may come.
        """
        now_s = self._clock()
        self._left = min(self._most, self._left + (now_s - self._since_s) * self._per_s)
        self._since_s = now_s
        if self._left < 1:
            raise LimitError(
                "limits.messages_per_s",
                expected=f"at most {self._per_s:g} messages a second in the mean",
                found="more",
                retry_after_s=(1 - self._left) / self._per_s,
            )
        self._left -= 1


class Places:
    """Counts how many there are of something that there may be only so many of.

    Args:
        limit: name of the limit, as the configuration calls it.
        most: how many there may be.

    Attributes:
        taken: how many there are now.
    """

    def __init__(self, limit: str, most: int) -> None:
        self._limit = limit
        self._most = most
        self.taken = 0

    def enter(self) -> None:
        """Take a place; whoever calls this calls `leave` once.

        Raises:
            LimitError: all are taken.
        """
        if self.taken >= self._most:
            raise LimitError(
                self._limit, expected=f"at most {self._most} at once", found="one more"
            )
        self.taken += 1

    def leave(self) -> None:
        """Give a place back."""
        if self.taken == 0:
            raise RuntimeError(f"{self._limit}: expected no more to leave than entered")
        self.taken -= 1
