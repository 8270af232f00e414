"""Ends waits that take too long, with one timer for many of them.

A connection that sends fifty frames a second waits fifty times a second, and `asyncio.timeout`
would set a timer for each wait and take it back. Here one timer looks now and then how long the
present wait has lasted.
"""

import asyncio
from types import TracebackType


class Patience:
    """A time limit for waits of one task at a time.

    with patience.of(30.0):
        await something  # raises TimeoutError after 30 seconds
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[object] | None = None
        self._due_s: float | None = None
        self._is_over = False
        self._cancelled = 0
        self.began_s = 0.0

    def of(self, timeout_s: float | None) -> "Patience":
        """Return itself as a context in which to wait; None is patience without end."""
        self.began_s = self._loop.time()
        self._due_s = None if timeout_s is None else self.began_s + timeout_s
        return self

    def __enter__(self) -> None:
        """Begin to wait."""
        self._is_over = False
        self._waiting = asyncio.current_task()
        self._cancelled = self._waiting.cancelling() if self._waiting else 0
        due_s = self._due_s
        if due_s is not None and (self._timer is None or self._timer.when() > due_s):
            self._set(due_s)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the wait.

        Raises:
            TimeoutError: it took too long.
        """
        del traceback
        task, self._waiting = self._waiting, None
        if not self._is_over or task is None:
            return
        # Whoever else cancels the task at the same time is not to be deprived of it.
        if task.uncancel() <= self._cancelled and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _set(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        """End the present wait, or come back when it may be time."""
        self._timer = None
        if self._waiting is None or self._due_s is None:
            return  # the next wait sets the timer
        if self._loop.time() < self._due_s:
            self._set(self._due_s)
            return
        self._is_over = True
        self._waiting.cancel()
