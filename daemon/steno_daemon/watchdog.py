"""Whether the daemon still does its work: what systemd's watchdog is fed by.

A service that hangs looks like one that works: the port is open, connections are accepted. So the
watchdog is fed from the event loop, which proves that the loop turns, and only while the engine
finishes batches or has none to do. A loop that hangs, an engine that hangs and a thread that died
all end in a restart.

`look` and `verdict` decide, without a clock of their own; `keep_watch` does what they say.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from steno_daemon import notify

logger = logging.getLogger(__name__)

PERIOD_S = 10.0
"""Between two looks where no watchdog asks for more; the line of `systemctl status` is that old."""
PATIENCE_S = 30.0
LAG_S = 1.0
"""From here on a delay of the event loop is worth a line in the log."""


class Engine(Protocol):
    """What the watchdog asks an engine, from the event loop and without waiting."""

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""

    @property
    def has_work(self) -> bool:
        """Whether work is queued or in hand."""

    @property
    def batches_done(self) -> int:
        """Batches that were finished, well or with an error, since the start."""


class Verdict(Enum):
    """How the engine is."""

    WELL = "well"
    STUCK = "stuck"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Sight:
    """The engine at the last look.

    Attributes:
        is_alive: whether its thread ran.
        batches_done: batches that it had finished.
        progress_s: when it was last seen to have finished one or to have nothing to do.
    """

    is_alive: bool
    batches_done: int
    progress_s: float


def look(engine: Engine, now_s: float, before: Sight | None) -> Sight:
    """Return what is to be seen of the engine now, after what was seen before."""
    done = engine.batches_done
    if before is None or done != before.batches_done or not engine.has_work:
        return Sight(engine.is_alive, done, now_s)
    return Sight(engine.is_alive, done, before.progress_s)


def verdict(sight: Sight, now_s: float, *, patience_s: float) -> Verdict:
    """Return how the engine is, if one batch may take `patience_s` at the most."""
    if not sight.is_alive:
        return Verdict.DEAD
    return Verdict.STUCK if now_s - sight.progress_s >= patience_s else Verdict.WELL


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often to look and how long to wait.

    Attributes:
        period_s: between two looks.
        patience_s: that one batch may take.
    """

    period_s: float = PERIOD_S
    patience_s: float = PATIENCE_S

    @classmethod
    def of(cls, interval_s: float | None) -> "Rhythm":
        """Return the rhythm for a watchdog that starves after `interval_s`, None for no watchdog.

        A quarter leaves room for a late loop; a hanging engine ends after one and three quarters.
        """
        return cls() if interval_s is None else cls(interval_s / 4, interval_s / 2)


async def keep_watch(
    engine: Engine,
    describe: Callable[[], str],
    rhythm: Rhythm,
    *,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Look after the engine until cancelled, feed systemd's watchdog while it is well.

    Args:
        engine: what to look after.
        describe: gives the line that `systemctl status` shows.
        rhythm: how often to look.
        pause: waits for so many seconds.
        clock: gives the seconds since some moment.
    """
    sight: Sight | None = None
    found = Verdict.WELL
    while True:
        now_s = clock()
        sight = look(engine, now_s, sight)
        before, found = found, verdict(sight, now_s, patience_s=rhythm.patience_s)
        if found is not before:
            _report(found, now_s - sight.progress_s)
        _tell(found, describe())
        await pause(rhythm.period_s)
        lag_s = clock() - now_s - rhythm.period_s
        if lag_s > LAG_S:
            logger.warning("something held up the event loop for %.1f s", lag_s)


def _tell(found: Verdict, line: str) -> None:
    """Tell systemd how the engine is."""
    match found:
        case Verdict.WELL:
            notify.alive(line)
        case Verdict.STUCK:
            notify.status(f"the engine hangs; {line}")
        case Verdict.DEAD:
            notify.dead(f"the engine has died; {line}")


def _report(found: Verdict, waited_s: float) -> None:
    """Put a change into the log."""
    match found:
        case Verdict.WELL:
            logger.warning("the engine goes on")
        case Verdict.STUCK:
            logger.error("the engine has finished no batch for %.1f s: no watchdog food", waited_s)
        case Verdict.DEAD:
            logger.error("the thread of the engine has died: only a new start mends that")
