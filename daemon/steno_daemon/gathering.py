"""An event loop that takes what comes in together, where much comes in.

Eight people who speak are four hundred frames a second, and to wake up for each of them costs more
than what is done with it. So the loop leaves a moment between two looks at its sockets, in which
frames gather; where nothing has come for longer than that, it looks at once. Nobody sees eight
milliseconds; with eight sessions they spare a third of the loop's time (`steno-models bench
--sessions 8`), and with one hardly anything.
"""

import asyncio
import selectors
import time
from collections.abc import Callable

MOMENT_S = 0.008


class GatheringSelector(selectors.DefaultSelector):
    """A selector that returns no sooner than a moment after it returned the last time.

    Args:
        moment_s: so long.
        clock: seconds.
        sleep: lets so many pass.
    """

    def __init__(
        self,
        moment_s: float = MOMENT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._moment_s = moment_s
        self._clock = clock
        self._sleep = sleep
        self._looked_s = clock() - moment_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after at most `timeout` seconds; 0 and less look at once.

        A loop that has something to do asks so, and is not kept waiting.
        """
        if timeout is None or timeout > 0:
            rest_s = self._looked_s + self._moment_s - self._clock()
            if timeout is not None:
                rest_s = min(rest_s, timeout)
            if rest_s > 0:
                self._sleep(rest_s)
                timeout = None if timeout is None else timeout - rest_s
            found = super().select(timeout)
            self._looked_s = self._clock()
            return found
        return super().select(timeout)


def event_loop() -> asyncio.AbstractEventLoop:
    """Return such a loop."""
    return asyncio.SelectorEventLoop(GatheringSelector())
