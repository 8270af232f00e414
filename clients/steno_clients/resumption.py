"""When a broken connection is worth another try, and how soon."""

import random
from dataclasses import dataclass, field

from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineError,
    ServerError,
    SessionEndedError,
    StenoClientsError,
)
from steno_daemon.wire import CloseReason, ErrorCode

_AGAINST_THE_RULES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Close codes that say what was wrong with what we sent: it would be wrong again."""
_PRIVATE_CODES = 4000
"""From here on, somebody closed the connection for a reason of his own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """How a broken connection is dealt with.

    Attributes:
        resume_s: the longest interruption to bridge, if the daemon waits for so long; left out, as
            long as the daemon waits.
        unacknowledged_s_max: audio to keep at the most; then `send` waits for the daemon. It has to
            be longer than the longest utterance.
        first_delay_s: the longest wait before the first try; each further one is up to twice as
            long.
        delay_s_max: the longest wait of all.
    """

    resume_s: float | None = None
    unacknowledged_s_max: float = 300.0
    first_delay_s: float = 0.1
    delay_s_max: float = 5.0

    def limit_s(self, offered_s: float) -> float:
        """Return how long to try, where the daemon waits for so long."""
        return offered_s if self.resume_s is None else min(offered_s, self.resume_s)


@dataclass(slots=True)
class Outage:
    """One interruption, from the break to the first event after it.

    Attributes:
        policy: says how long to wait between tries.
        ends_s: when it is too late, on the clock of the caller.
    """

    policy: Resumption
    ends_s: float
    _tries: int = field(default=0, init=False)

    def next_delay_s(self, now_s: float, *, at_least_s: float = 0.0) -> float | None:
        """Return how long to wait before the next try; None if it is too late for another.

        Half of it is by chance, so that all clients of a daemon do not come back at once.
        """
        if now_s >= self.ends_s:
            return None
        if at_least_s:  # the daemon knows best
            return min(at_least_s, self.ends_s - now_s)
        longest_s = min(self.policy.delay_s_max, self.policy.first_delay_s * 2.0**self._tries)
        self._tries = min(self._tries + 1, 60)
        delay_s = longest_s * random.uniform(0.5, 1.0)
        return min(delay_s, self.ends_s - now_s)


def is_interruption(loss: ConnectionLostError) -> bool:
    """Return whether a connection was lost by accident, so that another may do better."""
    if isinstance(loss, SessionEndedError):
        return False
    return loss.code is None or (loss.code not in _AGAINST_THE_RULES and loss.code < _PRIVATE_CODES)


def may_pass(failure: StenoClientsError) -> bool:
    """Return whether a try to resume that failed like this may succeed a little later."""
    match failure:
        case AccessDeniedError():
            return False
        case SessionEndedError():
            return failure.reason is CloseReason.SHUTDOWN
        case ConnectionLostError():
            return is_interruption(failure)
        case ServerError(error=error):
            elsewhere = error.code is ErrorCode.NOT_RESUMABLE and error.retry_after_s is not None
            return error.code is ErrorCode.OVERLOADED or elsewhere
        case ConnectionFailedError() | DeadlineError():
            return True
        case _:
            return False


def wish_s(failure: StenoClientsError) -> float:
    """Return how long the daemon wants to be left alone."""
    return (failure.error.retry_after_s or 0.0) if isinstance(failure, ServerError) else 0.0
